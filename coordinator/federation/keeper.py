"""The primary's care for the emergency store: the list of coordinators is written there when it is another one, by a
budget that outlives us. In steady state nothing is written, whatever dies and comes back."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import structlog

from coordinator.federation.roster import Roster
from edgeproxy.cluster.homes import lastgood
from edgeproxy.cluster.homes.budget import Budget
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.kv import Store, StoreError
from edgeproxy.cluster.homes.trust import Untrusted

log = structlog.get_logger(__name__)

EVERY: Final = 60.0
FIRST: Final = 5.0


class Keeper:
    """`ledger` is the file of the budget."""

    def __init__(self, store: Store, roster: Roster, ledger: Path) -> None:
        self._store, self._roster, self._ledger = store, roster, ledger
        self.budget = _read(ledger)
        self.writes = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        await asyncio.sleep(FIRST)
        while True:
            try:
                await self.look(datetime.now(UTC).timestamp())
            except StoreError as error:
                log.warning("the emergency store has not the latest list", reason=str(error))
            await asyncio.sleep(EVERY)

    async def look(self, now: float) -> None:
        """One turn. StoreError if the store fails."""
        if self.budget.written is None:
            self.budget.found(self._essence(await self._store.read()))
        essence = self._roster.directory.essence
        if not self.budget.may_write(essence, now):
            return
        self.budget.wrote(essence, now)
        lastgood.write(self._ledger, orjson.dumps({"written": essence, "at": now}))
        self.writes += 1
        try:
            await self._store.write(self._roster.directory.dump())
        except StoreError:
            self.budget.written = None  # perhaps it came through: look before the next
            raise
        log.info("the emergency store has the new list", coordinators=len(self._roster.directory.certificates))

    def _essence(self, data: bytes | None) -> str | None:
        try:
            return None if data is None else Directory.open(data, self._roster.roots).essence
        except Untrusted:
            return None


def _read(ledger: Path) -> Budget:
    """What we do not know is as if we had just written: a lost file must not become a way around the budget."""
    now = datetime.now(UTC).timestamp()
    try:
        row = orjson.loads(ledger.read_bytes())
        return Budget(str(row["written"]), min(float(row["at"]), now))
    except FileNotFoundError:
        return Budget()
    except (OSError, ValueError, KeyError, TypeError):
        return Budget(None, now)
