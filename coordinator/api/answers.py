"""Answers: JSON, and errors as application/problem+json (RFC 9457) with the `detail` that FastAPI's clients
read."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NoReturn

import orjson
from aiohttp import web


def json_answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, headers=headers, content_type="application/json")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> web.Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/problem+json"
    )


class Problem(Exception):
    """Raised by a handler: answered with this status and detail."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


def fail(status: int, detail: str, headers: Mapping[str, str] | None = None) -> NoReturn:
    raise Problem(status, detail, headers)
