"""The feed's client: told of changes, told after a gap, quiet when there is no feed."""

import asyncio

import pytest

from edgeproxy.cluster.client import CoordinatorError
from edgeproxy.cluster.messages import Change, Changes
from edgeproxy.discovery import feed as module
from edgeproxy.discovery.feed import ChangeFeed


class Script:
    """Answers as it is told, then rests for good."""

    def __init__(self, *answers: Changes | CoordinatorError) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []
        self.done = asyncio.Event()

    async def changes(self, after: str | None, wait: float) -> Changes:
        self.asked.append(after)
        if not self.answers:
            self.done.set()
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, CoordinatorError):
            raise answer
        return answer


async def told(*answers: Changes | CoordinatorError) -> tuple[int, list[str | None]]:
    script, count = Script(*answers), 0

    def on_change() -> None:
        nonlocal count
        count += 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(ChangeFeed(script, on_change).run())
        async with asyncio.timeout(5):
            await script.done.wait()
        task.cancel()
    return count, script.asked


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NO_FEED", 0.01)
    monkeypatch.setattr(module, "EARLY", 0.01)


DEATH = Change(revision=2, kind="status", worker_id="w", status="offline")


async def test_each_change_is_told_and_the_mark_goes_on() -> None:
    count, asked = await told(Changes(mark="a-1"), Changes(mark="a-2", events=[DEATH]), Changes(mark="a-2"))
    assert count == 2  # where it is, which may be later than the list that we have; and the death
    assert asked == [None, "a-1", "a-2", "a-2"]


async def test_after_a_gap_the_list_is_read() -> None:
    away = CoordinatorError(None, "cannot be asked")
    count, asked = await told(Changes(mark="a-1"), away, Changes(mark="b-7", reset=True))
    assert count == 2
    assert asked == [None, "a-1", "a-1", "b-7"]


async def test_an_old_coordinator_has_no_feed_and_that_is_well() -> None:
    count, asked = await told(CoordinatorError(404, "nothing here"), CoordinatorError(404, "nothing here"))
    assert (count, asked) == (0, [None, None, None])


async def test_a_coordinator_that_does_not_wait_is_not_asked_in_a_circle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EARLY", 60.0)
    script = Script(*[Changes(mark="a-1")] * 1000)
    task = asyncio.get_running_loop().create_task(ChangeFeed(script, lambda: None).run())
    await asyncio.sleep(0.4)
    task.cancel()
    assert script.asked == [None, "a-1"]


async def test_one_that_always_has_something_is_asked_some_times_a_second() -> None:
    script = Script(*[Changes(mark="a-2", events=[DEATH])] * 1000)
    task = asyncio.get_running_loop().create_task(ChangeFeed(script, lambda: None).run())
    await asyncio.sleep(0.4)
    task.cancel()
    assert 2 <= len(script.asked) <= 9
