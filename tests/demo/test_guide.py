from pathlib import Path

from coordinator.demo import guide
from coordinator.demo.fleet import Ports
from coordinator.demo.guide import Replica

PORTS = Ports(18110, 18111, 18112)
FOUND = [Replica("llm-inference", "gpu-1", 8105, 77), Replica("llm-inference", "gpu-3", 8106, None)]


def test_the_picture_shows_every_replica_with_its_pid() -> None:
    picture = "\n".join(guide.picture(PORTS, FOUND))
    assert "127.0.0.1:18110" in picture
    assert "gpu-1   :8105   pid 77\n" in picture
    assert "gpu-3   :8106\n" in picture


def test_the_lines_use_the_ports_and_the_sample_given() -> None:
    lines = dict(guide.lines(PORTS, FOUND, Path(".demo/letter.pdf")))
    text = "\n".join(lines.values())
    assert "curl -F file=@.demo/letter.pdf http://127.0.0.1:18110/service/upload/process" in text
    assert "curl http://127.0.0.1:18112/api/admin/gaps" in text
    assert "ws://127.0.0.1:18110/service/upload/echo" in text
    assert "kill -9 77" in text
    assert "8787" not in text


def test_replicas_leave_out_the_edge_and_old_agents() -> None:
    service = {"name": "llm-inference", "port": 1, "status": "healthy"}
    workers = [
        {"worker_id": "b", "services": [service]},
        {"worker_id": "a", "services": [service]},
        {"worker_id": "edge", "services": [{**service, "name": "edge-proxy"}]},
        {"worker_id": "old", "services": None},
    ]
    assert [replica.worker for replica in guide.replicas(workers)] == ["a", "b"]
