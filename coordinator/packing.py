"""Facts of a worker as few bytes: JSON, deflated against the words that all of them use. Pure.

A hundred thousand workers are kept in memory, and most of what one says of itself is what the others say. The
facts are read by people and by an edge's question for the list, and written once a registration.
"""

import zlib
from typing import Any, Final

import orjson

from edgeproxy.cluster.messages import ServiceReport

MAX_FACTS: Final = 256 * 1024  # bytes unpacked; a registration's body is no longer

_WORDS: Final = (
    b'"services_status":{"storage_type":"vector","storage_services":["chromadb"],"ram_gb":16,"containerized":true,'
    b'"ip_address":"172.18.0.4","gpu_driver":"gpu_utilization":"12.0%","storage":"915.8GB","is_lighthouse":false,'
    b'"is_entry_point":false,"has_public_ip":true,"public_ip":"203.0.113.45","vpn_ip":"10.42.0.5",'
    b'["llm-inference","vision-ocr","rag-embeddings","ner-extraction","document-processing","notes-coa",'
    b'"chromadb","redis","postgres","minio","neo4j","coordinator","edge-proxy","load-balancer"]'
    b'"worker_type":"storage","worker_type":"edge","worker_type":"cpu","has_storage":true,"has_gpu":false,'
    b'"NVIDIA GeForce RTX 4090","Tesla T4","NVIDIA A100-SXM4-80GB","https://.trycloudflare.com",'
    b'"http://worker-:8000",'
    b'{"hostname":"worker-","cpu_cores":16,"has_gpu":true,"gpu_type":"NVIDIA GeForce RTX 3090",'
    b'"gpu_memory":"24576 MiB","worker_type":"gpu","low_latency":true,"latency_ms":2.18,"has_edge":true,"ram":"62GB"}'
)


def pack(facts: object) -> bytes:
    deflater = zlib.compressobj(level=6, wbits=-13, memLevel=6, zdict=_WORDS)
    return deflater.compress(orjson.dumps(facts)) + deflater.flush()


def unpack(packed: bytes) -> Any:
    return orjson.loads(zlib.decompressobj(wbits=-13, zdict=_WORDS).decompress(packed, MAX_FACTS))


def pack_reports(reports: list[ServiceReport]) -> bytes:
    """Short, and equal where the reports are equal: it is compared with every heartbeat."""
    return orjson.dumps([[r.name, r.service_url, r.port, r.health_path, r.status] for r in reports])


def unpack_reports(packed: bytes) -> tuple[ServiceReport, ...]:
    return tuple(
        ServiceReport.model_construct(name=name, service_url=url, port=port, health_path=path, status=status)
        for name, url, port, path, status in orjson.loads(packed)
    )
