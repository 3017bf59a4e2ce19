"""Coordinators of one site, without their processes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from coordinator.catalog import CATALOG, Catalog
from coordinator.federation.node import Node
from coordinator.federation.record import Record
from coordinator.registry import Registry
from coordinator.store.engine import Engine, connect
from coordinator.store.site import SharedSite
from edgeproxy.runtime.tasks import hold

WITHIN = 20.0


class Member:
    """One coordinator of the site."""

    def __init__(self, url: str, name: str, kind: type[Engine] = Engine) -> None:
        registry = Registry(5.0, lambda: "x", catalog=Catalog([CATALOG["llm-inference"]]))
        self.node = Node(name, boot=1)
        self.site = SharedSite(kind(connect(url), "here"), self.node, registry)
        self.task = hold(self.site.run())

    def register(self, key: str, epoch: int = 1) -> Record:
        record = Record(key, self.node.name, 1, epoch, 1, self.node.observation())
        assert self.node.publish(record, monotonic())
        return record

    def keys(self) -> set[str]:
        return {record.key for record in self.node.routable(monotonic())}

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.site.close()


async def until(holds: Callable[[], bool], within: float = WITHIN) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.02)
