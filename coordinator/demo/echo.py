"""`python -m coordinator.demo.echo URL [TEXT]`: sends a text over a WebSocket and prints what comes back."""

from __future__ import annotations

import argparse
import asyncio
import sys

from aiohttp import ClientError, ClientSession, ClientTimeout, ClientWSTimeout

TIMEOUT = 10.0  # seconds for the handshake and for the answer


async def echo(url: str, text: str) -> str:
    timeout = ClientTimeout(total=TIMEOUT)
    closing = ClientWSTimeout(ws_close=TIMEOUT)
    async with ClientSession(timeout=timeout) as session, session.ws_connect(url, timeout=closing) as peer:
        await peer.send_str(text)
        return await peer.receive_str(timeout=TIMEOUT)


def main() -> None:
    parser = argparse.ArgumentParser(description="Send a text over a WebSocket and print the answer.")
    parser.add_argument("url", help="ws://HOST:PORT/PATH")
    parser.add_argument("text", nargs="?", default="hello")
    where = parser.parse_args()
    try:
        print(asyncio.run(echo(where.url, where.text)))
    except (ClientError, TimeoutError, TypeError, ValueError) as error:  # TypeError: closed instead of a text
        sys.exit(f"{where.url}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
