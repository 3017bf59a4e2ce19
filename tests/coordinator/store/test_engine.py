"""An engine that answers what it cannot mean is down, in every word of it."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from coordinator.store.engine import Engine, EngineDown
from tests.coordinator.store.members import Member, until

NONSENSE: list[Any] = [5, b"x", [5], [()], [[b"no position", {}]], [(b"1-x", {})], {"log": 5}, [["log", [[b"1-1", 5]]]]]


class Liar:
    """A client whose server answers the same to everything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def ask(*_: Any, **__: Any) -> Any:
            return self.answer

        return ask


@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize(
    "question",
    [
        lambda engine: engine.load(),
        lambda engine: engine.changes("1-1"),
        lambda engine: engine.beat(["w"]),
        lambda engine: engine.own("us", 1.0),
    ],
)
async def test_nonsense_is_an_engine_that_is_down(question: Callable[[Engine], Any], answer: Any) -> None:
    engine = Engine(Liar(answer), "here")  # type: ignore[arg-type]
    try:
        said = await question(engine)
    except EngineDown:
        return
    assert isinstance(said, list | int), "or it is of the kind that was asked for"


@pytest.mark.parametrize("answer", [[5], [()], [["text", {}]], 5])
async def test_an_end_that_is_none(answer: Any) -> None:
    with pytest.raises(EngineDown):
        await Engine(Liar(answer), "here").end()  # type: ignore[arg-type]


async def test_a_client_that_loses_a_cancellation_does_not_keep_us() -> None:
    """As asyncio.wait_for of Python 3.11 does, which the client library sends by."""
    asked = 0

    class Loser:
        async def xrevrange(self, *_: Any, **__: Any) -> list[Any]:
            nonlocal asked
            asked += 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            return []

    task = asyncio.ensure_future(Engine(Loser(), "here").end())  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asked == 1


async def test_a_site_ends_though_its_engine_fails_as_it_is_told_to() -> None:
    """A TaskGroup before Python 3.13 loses the cancellation beside the error."""

    class Failing(Engine):
        async def load(self) -> list[bytes]:
            return []

        async def end(self) -> str:
            return "0-0"

        async def beat(self, ids: Sequence[str]) -> list[str]:
            return []

        async def changes(self, after: str) -> list[tuple[str, str, bytes]]:
            try:
                await asyncio.sleep(60)
            finally:
                raise EngineDown("gone")

    member = Member("redis://127.0.0.1:1", "a", Failing)
    await until(lambda: not member.site.degraded)
    async with asyncio.timeout(15):
        await member.leave()
