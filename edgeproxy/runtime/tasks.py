"""Background tasks that are neither lost nor silent."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger(__name__)

_held: set[asyncio.Task[Any]] = set()


def hold(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that is kept until it is done; an exception that ends it is logged."""
    task = asyncio.create_task(coroutine)  # noqa: TID251 - this is the one place, the set keeps it
    _held.add(task)
    task.add_done_callback(_let_go)
    return task


def _let_go(task: asyncio.Task[Any]) -> None:
    _held.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a background task failed", task=task.get_name(), exc_info=error)


def heed_cancellation() -> None:
    """Ends the task if that was asked and got lost on the way: `asyncio.wait_for` before Python 3.12 loses it when the
    answer comes in the same turn."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
