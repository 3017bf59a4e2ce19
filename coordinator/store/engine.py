"""The scripts as methods. Whatever the engine does wrong is one exception: EngineDown."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from coordinator.store import scripts
from edgeproxy.cluster.store import client
from edgeproxy.cluster.store.client import FAILURES, Client
from edgeproxy.cluster.store.url import store_url
from edgeproxy.runtime.tasks import heed_cancellation

TIMEOUT: Final = 1.0  # of one command: slower is as good as down, we have all in memory
BLOCK_MS: Final = 1000
PAGE: Final = 500
LONGEST_REASON: Final = 300
START: Final = "0-0"
CONNECTIONS: Final = 8  # one waits for changes, one tells; the rest of those that a restart left behind

T = TypeVar("T")


class EngineDown(Exception):
    """It is away, too slow, or answers what it cannot mean."""


def connect(url: str) -> Client:
    """ValueError for a URL that is none of ours."""
    return client.connect(store_url(url), TIMEOUT, CONNECTIONS, BLOCK_MS / 1000)


class Engine:
    """One site's keys. Records and versions are bytes to it; ids are the records' keys."""

    def __init__(self, client: Client, site: str) -> None:
        self._client = client
        self._keys = {name: f"edgeproxy:{{{site}}}:{name}" for name in scripts.NAMES}

    async def close(self) -> None:
        await self._client.aclose()

    async def put(self, rows: Sequence[tuple[str, bytes, bytes]]) -> int:
        """(id, version, record) each; how many were newer than what was there."""
        newer = 0
        for start in range(0, len(rows), PAGE):
            arguments = [value for row in rows[start : start + PAGE] for value in row]
            newer += _number(await self._run(scripts.PUT, ("w", "v", "hb", "log"), *arguments))
        return newer

    async def beat(self, ids: Sequence[str]) -> list[str]:
        """They live; those that the engine does not know (any more)."""
        unknown: list[str] = []
        for start in range(0, len(ids), PAGE):
            unknown += _ids(await self._run(scripts.BEAT, ("w", "hb"), *ids[start : start + PAGE]))
        return unknown

    async def own(self, name: str, lease: float) -> int:
        """Our fence, if it is us who sweeps; else 0."""
        return _number(await self._run(scripts.OWN, ("own", "fence"), name, int(lease * 1000)))

    async def expire(self, name: str, fence: int, ttl: float) -> list[str] | None:
        """Workers that nobody has heard for `ttl` seconds; None if another sweeps by now."""
        keys = ("w", "v", "hb", "log", "own")
        late = await self._run(scripts.EXPIRE, keys, name, fence, int(ttl * 1000), PAGE)
        return None if late == -1 else _ids(late)

    async def end(self) -> str:
        """Where the log ends now."""
        return str(await self._do(self._end))

    async def _end(self) -> str:
        rows: Any = await self._client.xrevrange(self._keys["log"], count=1)
        return str(rows[0][0].decode()) if rows else START

    async def load(self) -> list[bytes]:
        """Every record."""
        return list(await self._do(self._load))

    async def _load(self) -> list[bytes]:
        found: list[bytes] = []
        cursor = 0
        while True:
            answer: Any = await self._client.hscan(self._keys["w"], cursor, count=PAGE)
            cursor, page = answer
            found += page.values()
            if cursor == 0:
                return found

    async def changes(self, after: str) -> list[tuple[str, str, bytes]]:
        """(position, id, record) after a position, waiting for a second; an empty record: it expired. EngineDown if
        the log does not have that position: it was cut, or this is another engine (a replica that was promoted
        without the last writes, a server that came back empty): load anew, and tell all."""
        return list(await self._do(partial(self._changes, after)))

    async def _changes(self, after: str) -> list[tuple[str, str, bytes]]:
        key = self._keys["log"]
        if after != START and not await self._client.xrange(key, min=after, max=after):
            raise EngineDown("the log is not as we read it: load anew")
        answer: Any = await self._client.xread({key: after}, count=PAGE, block=BLOCK_MS)
        return [
            (position.decode(), fields[b"id"].decode(), fields[b"record"])
            for _, rows in (answer.items() if isinstance(answer, dict) else answer or ())
            for position, fields in (rows[0] if rows and isinstance(rows[0], list) else rows)
        ]

    async def _run(self, script: str, names: Sequence[str], *arguments: str | bytes | int) -> Any:
        keys = [self._keys[name] for name in names]
        return await self._do(lambda: self._client.eval(script, len(keys), *keys, *arguments))

    async def _do(self, ask: Callable[[], Awaitable[T]]) -> Any:
        try:
            answer = await ask()
        except EngineDown:
            raise
        except FAILURES as error:
            raise EngineDown((str(error) or type(error).__name__)[:LONGEST_REASON]) from None
        except Exception as error:  # the client library cannot make sense of it either
            raise EngineDown(f"it answers nonsense: {type(error).__name__}: {error}"[:LONGEST_REASON]) from None
        heed_cancellation()
        return answer


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise EngineDown(f"it answers nonsense: {value!r}"[:LONGEST_REASON])
    return value


def _ids(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, bytes) for item in value):
        raise EngineDown(f"it answers nonsense: {value!r}"[:LONGEST_REASON])
    return [item.decode(errors="replace") for item in value]
