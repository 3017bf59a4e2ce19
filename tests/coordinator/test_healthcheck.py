"""The health check of the image, for each program that it may be."""

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from coordinator.healthcheck import healthcheck, which


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (["/opt/edgeproxy/bin/python", "/opt/edgeproxy/bin/edgeproxy", "serve"], "serve"),
        (["python", "-m", "edgeproxy", "balance", "--port", "1"], "balance"),
        (["/usr/bin/tini", "--", "coordinator", "serve"], "coordinator"),
        (["python", "-m", "coordinator", "agent"], "agent"),
        (["sleep", "infinity"], None),
        ([], None),
    ],
)
def test_which(command: list[str], program: str | None) -> None:
    assert which(command) == program


class Healthz(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with socketserver.TCPServer(("127.0.0.1", 0), Healthz) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_one_that_answers_is_healthy(port: int) -> None:
    assert healthcheck({"COORDINATOR_PORT": str(port)}, ["coordinator", "serve"]) == 0
    assert healthcheck({"EDGEPROXY_ADMIN_PORT": str(port)}, ["edgeproxy", "balance"]) == 0


@pytest.mark.parametrize("command", [["coordinator", "serve"], ["sleep", "1"]])
def test_one_that_does_not_is_told_in_one_line(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert healthcheck({"COORDINATOR_PORT": "1"}, command) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_an_agent_need_only_be_there() -> None:
    assert healthcheck({}, ["coordinator", "agent"]) == 0
