"""Sessions: the secret that a worker and this coordinator share from its registration on. In memory only: after a
restart of ours every worker registers anew, and no old heartbeat is good any more. Pure."""

import hmac
from dataclasses import dataclass

from edgeproxy.cluster import proof
from edgeproxy.cluster.proof import Proof


@dataclass(slots=True)
class Session:
    """`sequence` is the highest number seen: a message with this one or a lower is a replay."""

    name: str
    worker_id: str
    key: bytes
    sequence: int = 0

    def accepts(self, shown: Proof, action: bytes, body: bytes) -> bool:
        """Whether the message is this worker's, and new. A forged one changes nothing."""
        expected = proof.mac(self.key, action, shown.sequence, body)
        if not hmac.compare_digest(expected, shown.mac) or shown.sequence <= self.sequence:
            return False
        self.sequence = shown.sequence
        return True


class Sessions:
    """One a worker: a new registration ends the old session. As many as there are records."""

    def __init__(self) -> None:
        self._by_name: dict[str, Session] = {}
        self._of_worker: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def open(self, name: str, worker_id: str, key: bytes) -> None:
        self.close(worker_id)
        self._by_name[name] = self._of_worker[worker_id] = Session(name, worker_id, key)

    def find(self, name: str) -> Session | None:
        return self._by_name.get(name)

    def close(self, worker_id: str) -> None:
        if old := self._of_worker.pop(worker_id, None):
            del self._by_name[old.name]

    def keep_only(self, workers: object) -> None:
        """Close those of workers that are no more; `workers` is a container of ids."""
        for worker_id in [w for w in self._of_worker if w not in workers]:  # type: ignore[operator]
            self.close(worker_id)
