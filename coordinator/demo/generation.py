"""One reply in the making: tokens become text, stop strings and the token limit end it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from coordinator.demo.language import spaced

FinishReason = Literal["stop", "length"]


@dataclass(slots=True)
class Generation:
    """Iterating makes one token a step and yields the text that is certain ("" while a stop may begin).

    `finish_reason` is None until the reply is complete. Text from a stop string on is never yielded.
    """

    source: Iterator[str]
    max_tokens: int
    prompt_tokens: int
    stops: Sequence[str] = ()
    continues: bool = False  # the reply goes on in the sentence of the prompt, so its first word needs a space
    finish_reason: FinishReason | None = None
    completion_tokens: int = 0
    _held: str = field(default="", init=False)

    def __iter__(self) -> Iterator[str]:
        for token in self.source:
            first = not self.completion_tokens and not self.continues
            self.completion_tokens += 1
            self._held += spaced(token, first)
            if self._cut_at_stop():
                break
            if self.completion_tokens >= self.max_tokens:
                self.finish_reason = "length"
                break
            yield self._release(self._uncertain())
        self.finish_reason = self.finish_reason or "stop"
        yield self._release(0)

    def _cut_at_stop(self) -> bool:
        found = [position for stop in self.stops if (position := self._held.find(stop)) >= 0]
        if found:
            self._held = self._held[: min(found)]
        return bool(found)

    def _uncertain(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        return max((_overlap(self._held, stop) for stop in self.stops), default=0)

    def _release(self, keep: int) -> str:
        cut = len(self._held) - keep
        text, self._held = self._held[:cut], self._held[cut:]
        return text


def _overlap(text: str, stop: str) -> int:
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
