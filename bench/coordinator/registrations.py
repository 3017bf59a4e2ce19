"""Signed registrations at a steady rate: question and registration of new workers, signatures checked. Open loop: a
question is asked when it is due, whether the one before is answered or not."""

import asyncio
from time import perf_counter

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.coordinator.program import Coordinator
from bench.coordinator.workers import Line, Worker, connect, request
from edgeproxy.cluster.messages import Challenge
from edgeproxy.cluster.signer import Signer

RATE = 1500.0
SECONDS = 4.0
LINES = 64


async def registrations(target: Coordinator, rate: float = RATE, seconds: float = SECONDS) -> dict[str, float]:
    """Latency of the registration itself, in milliseconds, from when it was due. What a worker signs with is fetched,
    and signed, before the clock runs; the cost of the questions is in `cpu` all the same."""
    lines = [worker.line for worker in await connect(target.host, target.port, LINES)]
    count = int(rate * seconds)
    cpu = target.cpu()
    ready = await _signed(lines, count)
    asked_cpu = target.cpu() - cpu
    cpu = target.cpu()
    latencies = await _send(lines, ready, rate)
    spent = target.cpu() - cpu
    for line in lines:
        line.close()
    latencies.sort()
    return {
        "registrations": count,
        "rate": rate,
        "p50_ms": latencies[count // 2] * 1e3,
        "p95_ms": latencies[int(count * 0.95)] * 1e3,
        "p99_ms": latencies[int(count * 0.99)] * 1e3,
        "cpu_us": spent / count * 1e6,
        "cpu_of_question_us": asked_cpu / count * 1e6,
    }


async def _signed(lines: list[Line], count: int) -> list[bytes]:
    """Registrations of `count` workers; a nonce is good for a minute."""
    key = Ed25519PrivateKey.generate()
    ready = []
    for number in range(count):
        line = lines[number % len(lines)]
        challenge = Challenge.model_validate(orjson.loads(await line.ask(request(b"GET", b"/v1/challenge"))))
        ready.append(Worker(number, Signer(key), line).registration(challenge))
    return ready


async def _send(lines: list[Line], ready: list[bytes], rate: float) -> list[float]:
    """A line that is busy is not waited for: the request queues for the next that is free, its clock running."""
    free, waiting, latencies = list(lines), [], []
    done = asyncio.Event()

    def ask(due: float, body: bytes, line: Line) -> None:
        def answered(status: int, answer: bytes) -> None:
            assert status == 200, answer[:200]
            latencies.append(perf_counter() - due)
            if waiting:
                ask(*waiting.pop(0), line)
            else:
                free.append(line)
            if len(latencies) == len(ready):
                done.set()

        line.on_answer = answered
        line.write(body)

    start = perf_counter()
    for number, body in enumerate(ready):
        due = start + number / rate
        if (early := due - perf_counter()) > 0:
            await asyncio.sleep(early)
        if free:
            ask(due, body, free.pop())
        else:
            waiting.append((due, body))
        if number % 64 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await done.wait()
    return latencies
