import asyncio
import gc

import structlog

from edgeproxy.runtime.tasks import hold


async def test_a_held_task_survives_the_collector() -> None:
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    hold(work())
    gc.collect()
    async with asyncio.timeout(30):
        await done.wait()


async def test_a_failure_is_logged() -> None:
    async def fail() -> None:
        raise ValueError("broken")

    with structlog.testing.capture_logs() as logs:
        await asyncio.wait({hold(fail())})
        await asyncio.sleep(0)
    assert [(entry["event"], str(entry["exc_info"])) for entry in logs] == [("a background task failed", "broken")]


async def test_a_cancelled_task_is_no_failure() -> None:
    with structlog.testing.capture_logs() as logs:
        task = hold(asyncio.sleep(60))
        task.cancel()
        await asyncio.wait({task})
        await asyncio.sleep(0)
    assert logs == []
