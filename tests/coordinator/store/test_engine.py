"""An engine that answers what it cannot mean is down, in every word of it."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from coordinator.store.engine import Engine, EngineDown

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
