"""Lent machines: each registers, sends heartbeats and leaves. `--host` is the coordinator, API_KEY its join secret."""

import os
import uuid

from locust import constant_pacing, task
from locust.contrib.fasthttp import FastHttpUser

from bench.users.asking import registration, sent
from bench.users.targets import Target, expect

REGISTER, BEAT, LEAVE = "/api/worker/register", "/api/worker/heartbeat", "/api/worker/unregister/{id}"
BEATS = 10
"""Then the machine leaves and another comes."""

expect(Target("POST", REGISTER, 100), Target("POST", BEAT, 50), Target("DELETE", LEAVE, 100))


class Machine(FastHttpUser):
    wait_time = constant_pacing(0.2)
    default_headers = {"X-API-Key": os.environ.get("API_KEY", "")}

    def on_start(self) -> None:
        self.worker_id = ""
        self.beats = 0

    @task
    def live(self) -> None:
        if not self.worker_id:
            name = f"load-{uuid.uuid4().hex}"
            self.worker_id = str(sent(self, REGISTER, registration(name)).get("worker_id", ""))
        elif self.beats < BEATS:
            sent(self, BEAT, {"worker_id": self.worker_id, "status": "healthy", "current_load": 0.3})
            self.beats += 1
        else:
            self.client.delete(f"/api/worker/unregister/{self.worker_id}", name=LEAVE)
            self.on_start()
