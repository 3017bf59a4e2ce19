"""People who send scans of letters of one to twenty pages."""

from locust import between, task
from locust.contrib.fasthttp import FastHttpUser

from bench.users.asking import upload
from bench.users.targets import Target, expect

expect(Target("POST", "/service/upload/process", 500), Target("POST", "/service/upload/process", 1000, share=0.99))


class Person(FastHttpUser):
    wait_time = between(0.2, 1)

    @task
    def send_a_letter(self) -> None:
        upload(self)
