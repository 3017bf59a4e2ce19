"""Memory goes back to the system when many connections have ended, and not for a few."""

from __future__ import annotations

import asyncio

import pytest

from edgeproxy.runtime import heap
from edgeproxy.runtime.heap import ENOUGH, Heap, library_trim


def test_few_endings_are_not_worth_it_until_they_are_many() -> None:
    looked = Heap()
    half = ENOUGH // 2
    assert [looked.is_due(ended) for ended in (0, half, 2 * half, 2 * half, 3 * half, 4 * half)] == [
        *(False, False, True),
        *(False, False, True),
    ]


def test_in_a_storm_nothing_is_trimmed_and_after_it_once() -> None:
    looked = Heap()
    assert not any(looked.is_due(second * 10 * ENOUGH) for second in range(20))
    assert looked.is_due(190 * ENOUGH + 1)
    assert not looked.is_due(190 * ENOUGH + 2)


async def test_it_is_trimmed_each_time_that_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heap, "LOOK", 0.001)
    trimmed = asyncio.Event()
    loop = asyncio.get_running_loop()
    ended = 0
    keeping = asyncio.ensure_future(Heap(lambda: loop.call_soon_threadsafe(trimmed.set)).keep_small(lambda: ended))
    try:
        for _ in range(2):
            ended += ENOUGH  # seen at one look, and no more of them at the next
            async with asyncio.timeout(15):
                await trimmed.wait()
            trimmed.clear()
        await asyncio.sleep(0.05)
        assert not trimmed.is_set()
    finally:
        keeping.cancel()


def test_the_library_s_own_is_called_where_there_is_one() -> None:
    trim = library_trim()
    if trim is not None:  # musl has none
        assert trim() in (0, 1)
