"""Ask the coordinator where it sees us and whether it reaches us there."""

import asyncio
import re
import secrets
from typing import Final

from edgeproxy.cluster.client import CoordinatorClient, CoordinatorError
from edgeproxy.cluster.messages import DialBack, DialBackAnswer
from edgeproxy.runtime.sockets import Bind, ListenError, listen

UNKNOWN: Final = (404, 405)  # a coordinator of before there was such a question
LISTEN_TIMEOUT: Final = 2.0  # seconds for the dialler to say what it wants
_NONCE: Final = re.compile(rb"GET /\.well-known/edgeproxy/([A-Za-z0-9_-]{16,64}) HTTP/1\.1\r\n")


async def dial_back(client: CoordinatorClient, bind: Bind) -> DialBackAnswer:
    """Listens for the moment of the question; with port 0 on any port, then others are taken to be as open.
    CoordinatorError only where nobody answers at all."""
    try:
        sock = listen(bind, 1)[0]
    except ListenError as error:
        return DialBackAnswer(reachable=False, reason=str(error))
    nonce = secrets.token_urlsafe(24)
    server = await asyncio.start_server(lambda reader, writer: _prove(nonce, reader, writer), sock=sock)
    async with server:
        try:
            return await client.dial_back(DialBack(port=sock.getsockname()[1], nonce=nonce))
        except CoordinatorError as error:
            if error.status is None:
                raise
            return DialBackAnswer(reason=_why(error))


def _why(error: CoordinatorError) -> str:
    return "the coordinator does not dial back" if error.status in UNKNOWN else error.message


async def _prove(nonce: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One who asks for the nonce gets it, everybody else nothing."""
    try:
        async with asyncio.timeout(LISTEN_TIMEOUT):
            asked = _NONCE.match(await reader.readuntil(b"\r\n\r\n"))
        if asked is not None and asked[1] == nonce.encode():
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(asked[1]), asked[1])
            )
            await writer.drain()
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # whoever it was, it was not the coordinator
    finally:
        writer.close()
