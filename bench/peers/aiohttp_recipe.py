"""The reverse proxy that everybody writes with aiohttp: handler, client session, bodies streamed."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from uuid import uuid4

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

HOP_BY_HOP = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade")
SESSION: web.AppKey[aiohttp.ClientSession] = web.AppKey("session", aiohttp.ClientSession)
UPSTREAM: web.AppKey[str] = web.AppKey("upstream", str)


async def forward(request: web.Request) -> web.StreamResponse:
    request_id = uuid4().hex
    fields = end_to_end(request.headers)
    fields["Via"] = "1.1 aiohttp"
    fields["X-Forwarded-For"] = request.remote or ""
    fields["X-Forwarded-Host"] = request.host
    fields["X-Forwarded-Proto"] = request.scheme
    fields["X-Request-ID"] = request_id
    url = request.app[UPSTREAM] + request.raw_path
    data = request.content if request.can_read_body else None
    async with request.app[SESSION].request(
        request.method, url, headers=fields, data=data, allow_redirects=False
    ) as answer:
        response = web.StreamResponse(status=answer.status, headers=end_to_end(answer.headers))
        response.headers["Via"] = "1.1 aiohttp"
        response.headers["X-Request-ID"] = request_id
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


def end_to_end(fields: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept = fields.copy()
    for name in HOP_BY_HOP:
        kept.popall(name, None)
    return kept


async def session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=75)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as app[SESSION]:
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers.aiohttp_recipe")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    app = web.Application()
    app[UPSTREAM] = options.upstream
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
