"""Answers: JSON, and errors as application/problem+json (RFC 9457)."""

from collections.abc import Mapping
from typing import NoReturn

import orjson
from aiohttp import web

from coordinator.api.calls import Problem, Reply

__all__ = ["Problem", "fail", "json_answer", "problem", "web_answer"]


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web_answer(Reply(orjson.dumps(body), status, headers))


def web_answer(reply: Reply) -> web.Response:
    return web.Response(body=reply.body, status=reply.status, headers=reply.headers, content_type=reply.content_type)


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web_answer(Problem(status, detail, headers).reply())


def fail(status: int, detail: str, headers: Mapping[str, str] | None = None) -> NoReturn:
    raise Problem(status, detail, headers)
