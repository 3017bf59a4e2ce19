"""The shapes of OpenAI's API that the services speak: requests as pydantic models, replies as dictionaries.

Fields that are not named here are ignored, as servers of open models do. The bounds are OpenAI's where it
has one.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, Field, field_validator, model_validator

MAX_TOKENS = 4096  # of one reply
MAX_INPUTS = 2048  # texts in one embeddings request
MAX_INPUT_CHARACTERS = 32_768  # of one text, about the 8192 tokens of OpenAI's embedding models

Text = Annotated[str, Field(max_length=512 * 1024)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Input = Annotated[str, Field(min_length=1, max_length=MAX_INPUT_CHARACTERS)]
SSE_DONE = b"data: [DONE]\n\n"


class TextPart(BaseModel):
    """A part of a message; parts of other types (images, audio) are refused: the model reads text."""

    type: Literal["text"]
    text: Text


class Message(BaseModel):
    """One turn; `content` may be missing where an assistant only called a tool."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[TextPart], Field(max_length=256)] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """With include_usage the stream ends with one more chunk that has no choice, but the token counts."""

    include_usage: bool = False


class Sampled(BaseModel):
    """What chat and text completion requests have in common; any `model` name is answered."""

    model: str = Field(default="", max_length=256)
    max_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    seed: int | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(Sampled):
    """POST /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1, max_length=1024)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=MAX_TOKENS)

    @model_validator(mode="after")
    def _newer_name(self) -> ChatRequest:
        self.max_tokens = self.max_completion_tokens or self.max_tokens
        return self


class CompletionRequest(Sampled):
    """POST /v1/completions with one prompt."""

    prompt: Text

    @field_validator("prompt", mode="before")
    @classmethod
    def _single(cls, prompt: Any) -> Any:
        return prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt


class EmbeddingRequest(BaseModel):
    """POST /v1/embeddings; arrays of token numbers are refused, meaningless without their tokeniser."""

    model: str = Field(default="", max_length=256)
    input: Input | Annotated[list[Input], Field(min_length=1, max_length=MAX_INPUTS)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=1, le=256)

    @property
    def texts(self) -> list[str]:
        return [self.input] if isinstance(self.input, str) else self.input


def now() -> int:
    """Seconds since 1970, as OpenAI's `created`."""
    return int(datetime.now(UTC).timestamp())


def models(name: str, created: int) -> dict[str, Any]:
    """The answer of GET /v1/models."""
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": created, "owned_by": "edgeproxy"}],
    }


def usage(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def event(body: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


@dataclass(slots=True)
class Reply:
    """Builds the bodies of one reply: whole, or chunk by chunk."""

    model: str
    fingerprint: str
    chat: bool
    include_usage: bool = False
    created: int = field(default_factory=now)
    id: str = field(init=False)

    def __post_init__(self) -> None:
        self.id = ("chatcmpl-" if self.chat else "cmpl-") + secrets.token_hex(12)

    def whole(self, text: str, reason: str | None, counts: dict[str, int]) -> dict[str, Any]:
        body = {"message": {"role": "assistant", "content": text, "refusal": None}} if self.chat else {"text": text}
        return self._body([_choice(body, reason)], chunk=False) | {"usage": counts}

    def first(self) -> dict[str, Any]:
        """The chunk that names the role, sent before the first token is made; chat only."""
        return self._chunk([_choice({"delta": {"role": "assistant", "content": ""}}, None)])

    def piece(self, text: str) -> dict[str, Any]:
        return self._chunk([_choice({"delta": {"content": text}} if self.chat else {"text": text}, None)])

    def last(self, reason: str | None) -> dict[str, Any]:
        return self._chunk([_choice({"delta": {}} if self.chat else {"text": ""}, reason)])

    def counted(self, counts: dict[str, int]) -> dict[str, Any]:
        return self._chunk([]) | {"usage": counts}

    def _chunk(self, choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
        body = self._body(choices, chunk=True)
        return body | {"usage": None} if self.include_usage else body

    def _body(self, choices: Sequence[dict[str, Any]], *, chunk: bool) -> dict[str, Any]:
        chat = "chat.completion.chunk" if chunk else "chat.completion"
        return {
            "id": self.id,
            "object": chat if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "choices": list(choices),
        }


def _choice(content: dict[str, Any], reason: str | None) -> dict[str, Any]:
    return {"index": 0, **content, "logprobs": None, "finish_reason": reason}
