"""Jobs for old agents, which ask for them: broadcast, fetched once by each, reported as done. Pure."""

import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

MOST_OF_WORKER: Final = 16
MOST: Final = 10_000  # 16 KiB each at most
KEPT: Final = 3600.0  # seconds until a job that nobody fetched is dropped


@dataclass(slots=True)
class Jobs:
    """Queued by worker."""

    completed: int = 0
    _waiting: dict[str, deque[tuple[float, dict[str, Any]]]] = field(default_factory=dict)
    _count: int = 0

    def queue(self, worker_id: str, job_type: str, job_data: object, now: float) -> bool:
        """False if the worker has enough to do."""
        self._drop_old(now)
        queue = self._waiting.setdefault(worker_id, deque())
        if len(queue) >= MOST_OF_WORKER or self._count >= MOST:
            return False
        queue.append((now, {"task_id": secrets.token_hex(8), "job_type": job_type, "job_data": job_data}))
        self._count += 1
        return True

    def take(self, worker_id: str, now: float) -> list[dict[str, Any]]:
        """All that wait for a worker; they wait no longer."""
        self._drop_old(now)
        queue = self._waiting.pop(worker_id, deque())
        self._count -= len(queue)
        return [job for _, job in queue]

    def _drop_old(self, now: float) -> None:
        for worker_id, queue in list(self._waiting.items()):
            while queue and now - queue[0][0] > KEPT:
                queue.popleft()
                self._count -= 1
            if not queue:
                del self._waiting[worker_id]
