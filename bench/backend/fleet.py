"""The coordinator's answer for a proxy that must have one: a fleet whose only worker is this backend."""

from __future__ import annotations

import json

SERVICES = ("llm-inference", "notes-coa", "ner-extraction")


def worker_list(url: str) -> bytes:
    running = [{"name": name, "service_url": url, "status": "healthy"} for name in SERVICES]
    worker = {"worker_id": "bench", "tunnel_url": url, "assigned_services": SERVICES, "services": running}
    return json.dumps({"workers": [worker], "count": 1, "services": SERVICES, "settled": True}).encode()
