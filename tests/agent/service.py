"""A service for the tests: tells who it is, in several moods. Standard library only, so that it starts fast."""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

host, port, *moods = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        broken = any(Path(mood.removeprefix("broken-if=")).exists() for mood in moods if mood.startswith("broken-if="))
        body = json.dumps({"pid": os.getpid(), "environment": dict(os.environ)}).encode()
        self.send_response(503 if broken else 404)  # any answer below 500 is one of a living service
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True


if "deaf" in moods:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "hang" in moods:
    time.sleep(600)
if "crash" in moods:
    sys.exit("no weights")
Server((host, int(port)), Handler).serve_forever()
