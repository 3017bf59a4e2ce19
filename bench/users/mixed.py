"""An ordinary day: mostly searches, some talk, now and then a letter."""

from locust import between, task
from locust.contrib.fasthttp import FastHttpUser

from bench.users.asking import BETWEEN, FIRST, chat, retrieve, upload
from bench.users.targets import Target, expect

expect(
    Target("SSE", FIRST, 300),
    Target("SSE", BETWEEN, 150),
    Target("POST", "/v1/embeddings", 150),
    Target("POST", "/service/upload/process", 500),
)


class Person(FastHttpUser):
    wait_time = between(0.2, 1)

    @task(6)
    def search(self) -> None:
        retrieve(self)

    @task(3)
    def talk(self) -> None:
        chat(self)

    @task(1)
    def send_a_letter(self) -> None:
        upload(self)
