"""An exchange as it crosses the network: its bytes, and the coordinator's signature over them. Pure.

POST /fed/v1/exchange      Federation-Signature: v1;<name>;<signature>         question and answer alike
"""

from collections.abc import Callable
from typing import Final

from coordinator.federation.messages import Exchange, decode, encode
from edgeproxy.cluster import proof
from edgeproxy.cluster.homes.trust import verify

EXCHANGE_PATH: Final = "/fed/v1/exchange"
DIRECTORY_PATH: Final = "/fed/v1/directory"
RENEW_PATH: Final = "/fed/v1/certificate"
SIGNATURE: Final = "Federation-Signature"
_SAID: Final = b"edgeproxy federation v1\n"

Sign = Callable[[bytes], bytes]


class Forged(ValueError):
    """Not signed by whom it says it is from."""


def sealed(name: str, sign: Sign, body: bytes) -> dict[str, str]:
    """The header for a body."""
    return {SIGNATURE: f"v1;{name};{proof.encode(sign(_SAID + body))}"}


def opened(header: str | None, body: bytes) -> str:
    """Who signed the body; Forged if nobody did."""
    parts = (header or "").split(";")
    if len(parts) != 3 or parts[0] != "v1":
        raise Forged(f"{SIGNATURE} is missing")
    if not verify(parts[1], parts[2], _SAID + body):
        raise Forged(f"{SIGNATURE} does not fit the body")
    return parts[1]


def dump(message: Exchange, sign: Sign) -> tuple[bytes, dict[str, str]]:
    body = encode(message)
    return body, sealed(message.sender, sign, body)


def load(header: str | None, body: bytes) -> Exchange:
    """Forged, or ValueError for what is no exchange."""
    name = opened(header, body)
    message = decode(body)
    if message.sender != name:
        raise Forged("the sender is another than the signer")
    return message
