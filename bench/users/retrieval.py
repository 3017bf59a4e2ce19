"""A search in the manuals: every keystroke's query wants its vector soon."""

from locust import between, task
from locust.contrib.fasthttp import FastHttpUser

from bench.users.asking import retrieve
from bench.users.targets import Target, expect

expect(Target("POST", "/v1/embeddings", 100), Target("POST", "/v1/embeddings", 250, share=0.99))


class Person(FastHttpUser):
    wait_time = between(0.1, 0.5)

    @task
    def search(self) -> None:
        retrieve(self)
