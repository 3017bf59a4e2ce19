"""Cloudflare's key-value store by its REST calls: the emergency copy of the list of coordinators.

    GET|PUT {api}/accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}     Authorization: Bearer

developers.cloudflare.com/api/resources/kv: a value is read as it was written; errors are a JSON envelope with 4xx, 5xx.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from edgeproxy.cluster.homes.account import API

KEY: Final = "edgeproxy-coordinators"
TIMEOUT: Final = 10.0
MAX_VALUE: Final = 1024 * 1024


class StoreError(Exception):
    """The store could not be asked, or did not do it."""


@dataclass(frozen=True, slots=True)
class Store:
    """`token` may read, or read and write, this namespace alone."""

    session: aiohttp.ClientSession
    account: str
    namespace: str
    token: str
    api: str = API

    async def read(self, key: str = KEY) -> bytes | None:
        """The value; None if there is none."""
        status, body = await self._ask("GET", key)
        if status == 404:
            return None
        if status != 200:
            raise StoreError(_fault(status, body))
        return body

    async def write(self, value: bytes, key: str = KEY) -> None:
        status, body = await self._ask("PUT", key, value)
        if status != 200 or _envelope(body).get("success") is not True:
            raise StoreError(_fault(status, body))

    async def _ask(self, method: str, key: str, value: bytes | None = None) -> tuple[int, bytes]:
        parts = (quote(part, safe="") for part in (self.account, self.namespace, key))
        path = "/accounts/{}/storage/kv/namespaces/{}/values/{}".format(*parts)
        headers = {"Authorization": f"Bearer {self.token}"}
        if value is not None:
            headers["Content-Type"] = "application/octet-stream"
        try:
            async with self.session.request(
                method,
                URL(self.api + path, encoded=True),
                data=value,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            ) as response:
                body = await response.content.read(MAX_VALUE + 1)
                while len(body) <= MAX_VALUE and (more := await response.content.read(MAX_VALUE)):
                    body += more
        except TimeoutError:
            raise StoreError("the store did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise StoreError(f"the store cannot be asked: {error}") from None
        if len(body) > MAX_VALUE:
            raise StoreError(f"the value is longer than {MAX_VALUE} bytes")
        return response.status, body


def _envelope(body: bytes) -> dict[str, object]:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return read if isinstance(read, dict) else {}


def _fault(status: int, body: bytes) -> str:
    errors = _envelope(body).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    said = first.get("message") if isinstance(first, dict) else None
    return f"the store answered {status}: {str(said)[:200]}" if said else f"the store answered {status}"
