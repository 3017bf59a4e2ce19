"""The services a fleet may run, and the short names that users' paths carry.

The table is the seed's: tier 1 gpu, 2 cpu, 3 storage, 4 edge; priority 1 is wanted first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

WorkerType = Literal["gpu", "cpu", "storage", "edge"]

TIERS: Final[Mapping[WorkerType, int]] = MappingProxyType({"gpu": 1, "cpu": 2, "storage": 3, "edge": 4})


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One row of the table: what a service is called, what it needs and how urgently it is wanted."""

    name: str
    requires: WorkerType
    priority: int
    port: int

    @property
    def tier(self) -> int:
        return TIERS[self.requires]


SERVICES: Final[Mapping[str, ServiceSpec]] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ServiceSpec("llm-inference", "gpu", 1, 8105),
            ServiceSpec("vision-ocr", "gpu", 1, 8104),
            ServiceSpec("rag-embeddings", "gpu", 2, 8102),
            ServiceSpec("ner-extraction", "cpu", 2, 8108),
            ServiceSpec("document-processing", "cpu", 2, 8103),
            ServiceSpec("notes-coa", "cpu", 3, 8100),
            ServiceSpec("chromadb", "storage", 1, 8000),
            ServiceSpec("redis", "storage", 2, 6379),
            ServiceSpec("postgres", "storage", 3, 5432),
            ServiceSpec("minio", "storage", 4, 9000),
            ServiceSpec("neo4j", "storage", 5, 7474),
            ServiceSpec("coordinator", "edge", 1, 8080),
            ServiceSpec("edge-proxy", "edge", 1, 8787),
            ServiceSpec("load-balancer", "edge", 2, 8090),
        )
    }
)

ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rag": "rag-embeddings",
        "upload": "document-processing",
        "notes": "notes-coa",
        "ner": "ner-extraction",
        "ocr": "vision-ocr",
        "llm": "llm-inference",
    }
)


def canonical(name: str) -> str:
    """The service's own name for an alias; any other name is itself."""
    return ALIASES.get(name, name)
