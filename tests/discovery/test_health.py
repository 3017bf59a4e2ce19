"""Verdicts by numbers; the checker against real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from edgeproxy.discovery import health as health_module
from edgeproxy.discovery.health import HealthChecker, Verdict
from edgeproxy.discovery.snapshot import Endpoint

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Start = Callable[[Answer], Awaitable[TestServer]]


@pytest.mark.parametrize(
    ("checks", "verdicts"),
    [
        ("o", "o"),
        ("x", "x"),  # the first decides alone
        ("oxx", "ooo"),
        ("oxxx", "ooox"),
        ("oxxoxx", "oooooo"),
        ("xo", "xx"),
        ("xoo", "xxo"),
        ("xoxoo", "xxxxo"),
    ],
)
def test_a_verdict_takes_three_failures_or_two_successes(checks: str, verdicts: str) -> None:
    verdict, seen = Verdict(), ""
    for check in checks:
        before = verdict.alive
        assert verdict.observe(check == "o") is (verdict.alive is not before)
        seen += "o" if verdict.alive else "x"
    assert seen == verdicts


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(answer: Answer) -> TestServer:
            app = web.Application()
            app.router.add_get("/{path:.*}", answer)
            server: TestServer = await stack.enter_async_context(TestServer(app))
            return server

        yield start


class Page:
    """A health page whose status the test turns."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=self.status, headers={"Location": "/"} if self.status == 302 else {})


def endpoint(server: TestServer, service: str = "s", path: str = "/health") -> Endpoint:
    return Endpoint.of(service, str(server.make_url("")), path)


@asynccontextmanager
async def checking(
    *endpoints: Endpoint, interval: float = 0.02
) -> AsyncIterator[tuple[HealthChecker, dict[str, bool]]]:
    heard: dict[str, bool] = {}

    def on_health(changes: Mapping[str, bool]) -> None:
        assert all(heard.get(name) is not alive for name, alive in changes.items()), "changes only"
        heard.update(changes)

    checker = HealthChecker(on_health, interval_s=interval, timeout_s=0.5)
    checker.update(endpoints)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(checker.run())
        yield checker, heard
        task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(("status", "alive"), [(200, True), (302, True), (404, True), (500, False), (503, False)])
async def test_alive_is_any_status_below_500(start: Start, status: int, alive: bool) -> None:
    one = endpoint(await start(Page(status).answer))
    async with checking(one) as (_, heard):
        await until(lambda: heard == {one.id: alive})


async def test_it_falls_and_rises(start: Start) -> None:
    page = Page()
    one = endpoint(await start(page.answer))
    async with checking(one) as (_, heard):
        await until(lambda: heard == {one.id: True})
        page.status, asked = 500, page.asked
        await until(lambda: heard == {one.id: False})
        assert page.asked - asked >= 3
        page.status = 200
        await until(lambda: heard == {one.id: True})


async def test_a_closed_port_a_silent_server_and_a_broken_answer_are_down(start: Start) -> None:
    async def silent(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async def broken(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    gone = await start(Page().answer)
    ends = [endpoint(gone), endpoint(await start(silent)), endpoint(await start(broken))]
    await gone.close()
    async with checking(*ends) as (_, heard):
        await until(lambda: heard == dict.fromkeys((e.id for e in ends), False))


async def test_a_long_page_is_not_read_to_its_end(start: Start) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)
            sent += 65536
            await asyncio.sleep(0)

    one = endpoint(await start(endless))
    async with checking(one, interval=60) as (_, heard):
        await until(lambda: heard == {one.id: True})
    assert sent < 32 * 1024 * 1024


async def test_a_report_of_failure_is_looked_into_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_module, "PROBE_GAP", 0.01)
    page = Page()
    one = endpoint(await start(page.answer))
    async with checking(one, interval=60) as (checker, heard):
        await until(lambda: heard == {one.id: True})
        page.status = 500
        for _ in range(3):
            asked = page.asked
            checker.probe_soon(one.id)
            await until(lambda asked=asked: page.asked > asked)
        await until(lambda: heard == {one.id: False})
        checker.probe_soon("nobody")


async def test_endpoints_with_one_page_share_the_check_and_newcomers_hear_at_once(start: Start) -> None:
    page = Page()
    server = await start(page.answer)
    one, two = endpoint(server, "one"), endpoint(server, "two")
    async with checking(one, interval=60) as (checker, heard):
        await until(lambda: heard == {one.id: True})
        checker.update([one, two])
        assert heard == {one.id: True, two.id: True}
        assert page.asked == 1


async def test_what_left_the_list_is_checked_no_more(start: Start) -> None:
    page, other = Page(), Page()
    one, two = endpoint(await start(page.answer)), endpoint(await start(other.answer))
    async with checking(one) as (checker, heard):
        await until(lambda: one.id in heard)
        checker.update([two])
        await until(lambda: two.id in heard)
        asked, seen = page.asked, other.asked
        await until(lambda: other.asked >= seen + 5)
        assert page.asked <= asked + 1  # one may have been under way


def test_a_failed_check_after_a_failed_request_decides_alone() -> None:
    verdict = Verdict(fall=3, rise=2)
    assert verdict.observe(True)
    verdict.suspected = True
    assert verdict.observe(False)
    assert verdict.alive is False


def test_a_suspicion_that_a_check_does_not_confirm_is_forgotten() -> None:
    verdict = Verdict(fall=3, rise=2)
    verdict.observe(True)
    verdict.suspected = True
    assert not verdict.observe(True)
    assert not verdict.observe(False)
    assert verdict.alive is True
