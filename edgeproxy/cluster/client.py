"""A client of the coordinator, for agents, edges and the command line.

Several base URLs are a fallback chain: tried in order, and the one that answered is asked first from then on.
One that cannot be reached, is slow, or fails (5xx) passes the question on; another status is an answer.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp
import orjson
from pydantic import BaseModel, ValidationError
from yarl import URL

from edgeproxy.cluster import proof
from edgeproxy.cluster.messages import (
    Challenge,
    Changes,
    DialBack,
    DialBackAnswer,
    EdgeReport,
    EdgeReportAnswer,
    Heartbeat,
    HeartbeatAnswer,
    Observations,
    Registration,
    RegistrationAnswer,
    WorkerList,
    first_fault,
)
from edgeproxy.cluster.signer import Signer, UntrustedCoordinator
from edgeproxy.cluster.urls import worker_url

MAX_ANSWER: Final = 32 * 1024 * 1024  # a record is some 2 KiB: room for 16,000 workers
CONNECT_TIMEOUT: Final = 3.0
TIMEOUT: Final = 10.0
REGISTER_PATH: Final = "/api/worker/register"
HEARTBEAT_PATH: Final = "/api/worker/heartbeat"
KEEPALIVE: Final = 60.0  # twice the longest interval between heartbeats, less than the coordinator's 75

Answer = TypeVar("Answer", bound=BaseModel)


class CoordinatorError(Exception):
    """The coordinator could not be asked (`status` None) or did not do what was asked (its HTTP status)."""

    def __init__(self, status: int | None, message: str, known_life: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.known_life = known_life
        self.message = message


def base_urls(comma_list: str) -> tuple[str, ...]:
    """The URLs of a comma list; ValueError if there is none, or one is wrong."""
    urls = tuple(worker_url(part.strip()) for part in comma_list.split(",") if part.strip())
    if not urls:
        raise ValueError("no coordinator URL is given")
    return urls


class CoordinatorClient:
    """An async context manager. `urls` is a comma list; every method raises CoordinatorError only. With a `signer`
    what a worker says of itself is signed. `on_call()`: a heartbeat is due now, not when its interval ends."""

    response_class: type[aiohttp.ClientResponse] = aiohttp.ClientResponse

    def __init__(
        self,
        urls: str | Sequence[str],
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        signer: Signer | None = None,
    ) -> None:
        self._signer = signer
        self.on_call: Callable[[], None] = _nobody
        self.urls = base_urls(urls if isinstance(urls, str) else ",".join(urls))
        self._preferred = 0
        self._api_key = api_key
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, CONNECT_TIMEOUT))
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Accept": "application/json", "User-Agent": "edgeproxy"}
        if self._api_key:
            headers["X-API-Key"] = self._api_key
        # no cookies: an answer must not change what we send next
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            response_class=self.response_class,
            # a connection that rests between heartbeats must not look like one that broke
            connector=aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def url(self) -> str:
        """The coordinator that answered last, or the first of the chain."""
        return self.urls[self._preferred]

    async def register(self, registration: Registration) -> RegistrationAnswer:
        try:
            content = await self._register(registration)
        except CoordinatorError as error:
            if error.status != 409 or error.known_life is None or self._signer is None:
                raise
            self._signer.outlive(error.known_life)
            content = await self._register(registration)
        answer = _parse(RegistrationAnswer, content)
        if self._signer is not None:
            try:
                self._signer.accept(answer.session)
            except UntrustedCoordinator as error:
                raise CoordinatorError(None, f"{self.url} is not to be trusted: {error}") from None
        return answer

    async def _register(self, registration: Registration) -> bytes:
        if self._signer is not None:
            registration = registration.model_copy(update={"life": self._signer.next_life()})
        body = _dump(registration)
        headers = await self._signature(body)
        _, _, content = await self._ask("POST", REGISTER_PATH, body, headers)
        return content

    async def heartbeat(self, heartbeat: Heartbeat) -> HeartbeatAnswer:
        """CoordinatorError with status 404: the coordinator does not know the worker, register again."""
        body = _dump(heartbeat)
        _, _, content = await self._ask("POST", HEARTBEAT_PATH, body, self._proof(proof.HEARTBEAT, body))
        return _parse(HeartbeatAnswer, content)

    async def report(self, report: EdgeReport) -> EdgeReportAnswer:
        """CoordinatorError with status 404 or 405: the coordinator is older than such reports."""
        _, _, body = await self._ask("POST", "/api/edge/report", _dump(report))
        return _parse(EdgeReportAnswer, body)

    async def unregister(self, worker_id: str) -> None:
        path = f"/api/worker/unregister/{quote(worker_id, safe='')}"
        await self._ask("DELETE", path, headers=self._proof(proof.unregister_action(worker_id), b""))

    async def _signature(self, body: bytes) -> Mapping[str, str]:
        """Nothing for a coordinator that does not know of it."""
        if self._signer is None:
            return {}
        try:
            _, _, content = await self._ask("GET", "/v1/challenge")
        except CoordinatorError as error:
            if error.status == 404:
                return {}
            raise
        try:
            return {proof.SIGNATURE_HEADER: self._signer.sign(_parse(Challenge, content), body)}
        except UntrustedCoordinator as error:
            raise CoordinatorError(None, f"{self.url} is not to be trusted: {error}") from None

    def _proof(self, action: bytes, body: bytes) -> Mapping[str, str]:
        shown = None if self._signer is None else self._signer.prove(action, body)
        return {} if shown is None else {proof.PROOF_HEADER: shown}

    async def dial_back(self, question: DialBack) -> DialBackAnswer:
        """Where the coordinator sees us, and whether it can reach us there."""
        _, _, body = await self._ask("POST", "/api/worker/dial-back", _dump(question))
        return _parse(DialBackAnswer, body)

    async def worker_list(self, etag: str | None = None) -> WorkerList | None:
        """The list, or None when it is the one that `etag` names."""
        headers = {"If-None-Match": etag} if etag else {}
        status, new_etag, body = await self._ask("GET", "/api/coordinator/workers", headers=headers)
        if status == 304:
            return None
        return _parse(WorkerList, body).model_copy(update={"etag": new_etag})

    async def observe(self, observations: Observations) -> None:
        """Tell what we see of workers' loads: it is good for half a minute."""
        await self._ask("POST", "/v1/observations", _dump(observations))

    async def changes(self, after: str | None = None, wait: float = 0.0) -> Changes:
        """What edges should know that came after a mark, as soon as there is something, or nothing in `wait` seconds.
        Without a mark: where the feed is."""
        question = "" if after is None else f"&after={quote(after, safe='')}&wait={wait:g}"
        patience = aiohttp.ClientTimeout(total=wait + TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        _, _, body = await self._ask("GET", f"/v1/events?routing=true{question}", timeout=patience)
        return _parse(Changes, body)

    async def events(self, after: str, wait: float) -> dict[str, Any]:
        """All that happened after a mark, for people, as it is."""
        patience = aiohttp.ClientTimeout(total=wait + TIMEOUT, sock_connect=CONNECT_TIMEOUT)
        _, _, body = await self._ask("GET", f"/v1/events?after={quote(after, safe='')}&wait={wait:g}", timeout=patience)
        page: dict[str, Any] = _json(body)
        return page

    async def order(self, what: str, worker: str) -> dict[str, Any]:
        """An operator's order about a worker, whose id is quoted."""
        if what == "remove":
            _, _, body = await self._ask("DELETE", f"/v1/workers/{worker}")
        else:
            _, _, body = await self._ask("POST", f"/v1/workers/{worker}/{what}")
        answer: dict[str, Any] = _json(body)
        return answer

    async def read(self, path: str) -> Any:
        """The JSON at a path, as it is."""
        _, _, body = await self._ask("GET", path)
        return _json(body)

    async def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: aiohttp.ClientTimeout | None = None,
    ) -> tuple[int, str | None, bytes]:
        order = [self._preferred, *(i for i in range(len(self.urls)) if i != self._preferred)]
        failure = CoordinatorError(None, "no coordinator was asked")
        for index in order:
            try:
                answer = await self._ask_one(self.urls[index], method, path, body, headers or {}, timeout)
            except CoordinatorError as error:
                if error.status is not None and error.status < 500:
                    self._preferred = index
                    raise
                failure = error
            else:
                self._preferred = index
                return answer
        raise failure

    async def _ask_one(
        self,
        base: str,
        method: str,
        path: str,
        data: bytes | None,
        headers: Mapping[str, str],
        timeout: aiohttp.ClientTimeout | None,
    ) -> tuple[int, str | None, bytes]:
        if self._session is None:
            raise RuntimeError("CoordinatorClient is used outside of its context")
        head = {**headers, **({"Content-Type": "application/json"} if data is not None else {})}
        url = URL(base + path, encoded=True)
        try:
            # redirects would carry the API key to another host
            async with self._session.request(
                method, url, data=data, headers=head, allow_redirects=False, timeout=timeout or self._timeout
            ) as response:
                content = await _bounded(response)
                self._noted(path, response)
                _raise_for_status(base, path, response, content)
                return response.status, response.headers.get("ETag"), content
        except TimeoutError:
            raise CoordinatorError(None, f"{base} did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CoordinatorError(None, f"{base} cannot be asked: {_reason(error)}") from error

    def _noted(self, path: str, response: aiohttp.ClientResponse) -> None:
        """An answer came; by which connection may matter."""


def _nobody() -> None:
    """Nobody waits for it."""


def _reason(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, OSError) and (cause.errno or 0) > 0:
        return os.strerror(cause.errno or 0)
    return str(cause) or type(cause).__name__


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > MAX_ANSWER:
            raise CoordinatorError(None, f"the answer is longer than {MAX_ANSWER} bytes")
    return bytes(content)


def _raise_for_status(base: str, path: str, response: aiohttp.ClientResponse, content: bytes) -> None:
    status = response.status
    if 200 <= status < 300 or status == 304:
        return
    if 300 <= status < 400:
        where = response.headers.get("Location", "elsewhere")[:200]
        raise CoordinatorError(status, f"{base} redirects to {where}: give that URL as COORDINATOR_URL")
    raise CoordinatorError(status, f"{base}{path} answered {status}: {_detail(content)}", _known_life(content))


def _detail(content: bytes) -> str:
    try:
        detail = orjson.loads(content)["detail"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "no detail given"
    return str(detail)[:300]


def _known_life(content: bytes) -> int | None:
    """Of a 409: the start of ours that others know, which is later than the one that we told."""
    try:
        known = orjson.loads(content)["incarnation"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return known if type(known) is int and 0 <= known < 2**53 - 1 else None


def _dump(message: BaseModel) -> bytes:
    return orjson.dumps(message.model_dump(mode="json"))


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise CoordinatorError(None, "the answer is not JSON") from None


def _parse(model: type[Answer], body: bytes) -> Answer:
    try:
        return model.model_validate(_json(body))
    except ValidationError as error:
        raise CoordinatorError(None, f"the answer is no {model.__name__}: {first_fault(error)}") from None
