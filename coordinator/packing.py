"""Facts of a worker as few bytes: JSON, deflated against the words that all of them use. Pure.

A hundred thousand workers are kept in memory, and most of what one says of itself is what the others say. The
facts are read by people and by an edge's question for the list, and written once a registration.
"""

import zlib
from typing import Any, Final

import orjson

from edgeproxy.cluster.messages import ServiceReport, ServiceStatus

ReportRow = tuple[str, str, int | None, str, ServiceStatus]
"""name, service_url, port, health_path, status"""

_MARK: Final = 8
MAX_FACTS: Final = 256 * 1024  # bytes unpacked; a registration's body is no longer

_WORDS: Final = (
    b'"services_status":{"storage_type":"vector","storage_services":["chromadb"],"ram_gb":16,"containerized":true,'
    b'"ip_address":"172.18.0.4","gpu_utilization":"12.0%","storage":"915.8GB","is_lighthouse":false,'
    b'"is_entry_point":false,"public_ip":"203.0.113.45","has_storage":true,"NVIDIA GeForce RTX 4090","Tesla T4",'
    b'"NVIDIA A100-SXM4-80GB","us-east","asia","eu-west","unhealthy"],"starting"],"http://10.42.0.5:8000",'
    b'[["llm-inference","vision-ocr","rag-embeddings","ner-extraction","document-processing","notes-coa",'
    b'"chromadb","redis","postgres","minio","neo4j","load-balancer","coordinator",8080,"/health","healthy"],'
    b'["edge-proxy","http://worker-:8105",8105,"/health","healthy"]]'
    b'{"tunnel_url":"https://.trycloudflare.com","vpn_ip":"10.42.0.5","vpn_ip":null,"region":null,"region":"eu",'
    b'"capabilities":{"hostname":"worker-","cpu_cores":8,"cpu_cores":16,"has_gpu":false,"worker_type":"storage",'
    b'"worker_type":"edge","worker_type":"cpu","has_gpu":true,"gpu_type":"NVIDIA GeForce RTX 3090",'
    b'"gpu_memory":"24576 MiB","gpu_driver":"550","worker_type":"gpu","low_latency":false,"low_latency":true,'
    b'"latency_ms":2.18,"has_edge":true,"has_public_ip":true,"has_edge":false,"ram":"62GB"},"runnable":null}'
)


def pack(facts: object) -> bytes:
    return _deflated(orjson.dumps(facts))


def unpack(packed: bytes) -> Any:
    return orjson.loads(_inflated(packed))


def compact(value: object) -> bytes:
    """JSON in no more memory than it needs: what orjson gives keeps the four kilobytes that it began with."""
    return bytes(memoryview(orjson.dumps(value)))


def pack_reports(reports: list[ServiceReport]) -> bytes:
    """Eight bytes by which equal reports are known, since they come with every heartbeat; then the reports."""
    plain = _plain(reports)
    return _mark(plain) + _deflated(plain)


def same_reports(packed: bytes | None, reports: list[ServiceReport]) -> bool:
    return packed is not None and packed[:_MARK] == _mark(_plain(reports))


def unpack_rows(packed: bytes | None) -> list[ReportRow]:
    """What is decided by, many times as fast as the reports themselves."""
    rows: list[ReportRow] = [] if packed is None else orjson.loads(_inflated(packed[_MARK:]))
    return rows


def unpack_reports(packed: bytes) -> tuple[ServiceReport, ...]:
    return tuple(
        ServiceReport.model_construct(name=name, service_url=url, port=port, health_path=path, status=status)
        for name, url, port, path, status in unpack_rows(packed)
    )


def _plain(reports: list[ServiceReport]) -> bytes:
    return orjson.dumps([[r.name, r.service_url, r.port, r.health_path, r.status] for r in reports])


def _mark(plain: bytes) -> bytes:
    return hash(plain).to_bytes(_MARK, "little", signed=True)


def _deflated(plain: bytes) -> bytes:
    deflater = zlib.compressobj(level=6, wbits=-13, memLevel=6, zdict=_WORDS)
    return deflater.compress(plain) + deflater.flush()


def _inflated(packed: bytes) -> bytes:
    return zlib.decompressobj(wbits=-13, zdict=_WORDS).decompress(packed, MAX_FACTS)
