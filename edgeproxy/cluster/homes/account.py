"""Where Cloudflare's key-value store is, and what opens it."""

from dataclasses import dataclass
from typing import Final

API: Final = "https://api.cloudflare.com/client/v4"


@dataclass(frozen=True, slots=True)
class Account:
    """`token` opens one namespace; of an agent or an edge it need only read."""

    account: str
    namespace: str
    token: str
    api: str = API
