"""The policy file and the issuer's keys: what is good is told, what is not is left where it is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc.jwk import ECKey

from edgeproxy.discovery.policy import MAX_JWKS, PolicyWatch
from edgeproxy.policy.document import read_document

KEY = ECKey.generate_key("P-256", {"kid": "one"}, private=False)
KEYS = {"keys": [KEY.as_dict()]}


def policy(url: str) -> str:
    return f'[jwt]\njwks_url = "{url}"\nalgorithms = ["ES256"]\nissuer = "i"\naudience = "a"\n'


async def told(path: Path, handler: Any, *, messages: int) -> list[dict[str, Any]]:
    """What the watch says until it has said so much, or for a second."""
    app = web.Application()
    app.router.add_get("/jwks", handler)
    said: list[dict[str, Any]] = []
    async with TestServer(app, host="127.0.0.1") as server:
        path.write_text(policy(str(server.make_url("/jwks"))))
        task = asyncio.get_running_loop().create_task(PolicyWatch(path, said.append).run())
        for _ in range(50):
            if len(said) >= messages:
                break
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return said


async def test_keys_that_come_in_pieces_are_read_whole(tmp_path: Path) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        content = orjson.dumps(KEYS)
        for at in range(0, len(content), 40):
            await response.write(content[at : at + 40])
            await asyncio.sleep(0.005)
        return response

    said = await told(tmp_path / "policy.toml", handler, messages=2)
    assert [message["type"] for message in said] == ["policy", "jwks"]
    assert said[1]["keys"] == KEYS


@pytest.mark.parametrize("answer", ["redirect", "endless", "nonsense", "no set", "error"])
async def test_what_is_no_key_set_is_not_told(tmp_path: Path, answer: str) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if answer == "redirect":
            raise web.HTTPFound("http://127.0.0.1:1/jwks")
        if answer == "error":
            return web.json_response(KEYS, status=500)
        if answer == "endless":
            return web.Response(body=b" " * (MAX_JWKS + 10) + orjson.dumps(KEYS))
        return web.Response(body=b"{" if answer == "nonsense" else b'{"keys": 5}')

    said = await told(tmp_path / "policy.toml", handler, messages=2)
    assert [message["type"] for message in said] == ["policy"]


@pytest.mark.parametrize("url", ["http://127.0.0.1.example.org/a", "http://example.org/a", "ftp://127.0.0.1/a", "a"])
def test_keys_come_only_from_where_nobody_can_change_them(url: str) -> None:
    with pytest.raises(ValueError, match="jwks_url must be https"):
        read_document(policy(url))
