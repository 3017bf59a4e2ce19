"""People who talk to the language model; answers are streamed."""

from locust import between, task
from locust.contrib.fasthttp import FastHttpUser

from bench.users.asking import BETWEEN, FIRST, chat
from bench.users.targets import Target, expect

expect(Target("SSE", FIRST, 300), Target("SSE", BETWEEN, 150), Target("SSE", BETWEEN, 500, share=0.99))


class Person(FastHttpUser):
    wait_time = between(0.5, 2)

    @task
    def ask(self) -> None:
        chat(self)
