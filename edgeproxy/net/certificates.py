"""The pair of PEM files that TLS stands on: read and judged whole, and watched for a new one.

The supervisor reads the files; the serving processes are given the bytes of a pair that was found good. So all of
them use the same one, and a process that starts while the files are half written has the pair of its siblings.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeproxy.runtime.environment import ConfigurationError
from edgeproxy.runtime.logs import get_logger

if TYPE_CHECKING:
    from cryptography import x509

WATCH_INTERVAL = 1.0
"""Seconds between two looks at the files."""

EXPIRES_SOON = timedelta(days=21)
"""Renewal is usual at 30 days before the end: at 21 it has failed more than once."""

MAX_FILE = 1024 * 1024
"""Bytes; the longest real chain has some 20 KiB."""

CERTIFICATE = "EDGEPROXY_TLS_CERT"
KEY = "EDGEPROXY_TLS_KEY"

log = get_logger(__name__)


@dataclass(frozen=True)
class Pair:
    """A certificate with its chain, and its private key: PEM, found to belong together."""

    certificate: bytes
    key: bytes = field(repr=False)

    @cached_property
    def leaf(self) -> x509.Certificate:
        """The server's own certificate: the first one."""
        from cryptography import x509  # the serving processes read none: 15 MB in each

        return x509.load_pem_x509_certificates(self.certificate)[0]

    @property
    def subject(self) -> str:
        return self.leaf.subject.rfc4514_string() or "none"

    @property
    def names(self) -> list[str]:
        """Whom it speaks for (subjectAltName); clients look at nothing else (RFC 9110 section 4.3.4)."""
        from cryptography import x509

        try:
            names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return []
        return [str(name.value) for name in names]

    @property
    def not_after(self) -> datetime:
        return self.leaf.not_valid_after_utc

    def fault(self, now: datetime) -> str:
        """Why clients refuse it at this time; "" if they do not."""
        if now >= self.not_after:
            return f"expired on {day(self.not_after)}: renew it"
        if now < self.leaf.not_valid_before_utc:
            return f"is not valid before {day(self.leaf.not_valid_before_utc)}: wait, or set this machine's clock"
        return ""

    def warning(self, now: datetime) -> str:
        """What will soon be its fault; "" if nothing will."""
        left = self.not_after - now
        return f"expires in {left.days} days, on {day(self.not_after)}: renew it" if left < EXPIRES_SOON else ""

    def load_into(self, context: ssl.SSLContext) -> None:
        """OpenSSL reads files alone: these are given names for as long as it takes. OSError if it refuses them."""
        with _named(self.certificate) as certificate, _named(self.key) as key:
            context.load_cert_chain(certificate, key, password=_no_passphrase)

    def as_message(self) -> dict[str, Any]:
        """For the channel to the serving processes. The key is last: a channel may log how a line begins."""
        return {"type": "tls", "certificate": self.certificate.decode("latin-1"), "key": self.key.decode("latin-1")}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Pair:
        return cls(message["certificate"].encode("latin-1"), message["key"].encode("latin-1"))


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Where a pair is kept; both paths may name the same file."""

    certificate: Path
    key: Path

    def read(self) -> Pair:
        """The pair; ConfigurationError says which file is wrong, and what to do."""
        pair = Pair(_read(CERTIFICATE, self.certificate), _read(KEY, self.key))
        try:
            leaf = pair.leaf
        except ValueError:
            raise _wrong(CERTIFICATE, self.certificate, "holds no certificate in PEM: give it with its chain") from None
        if leaf.public_key() != self._private_key(pair.key).public_key():
            raise _wrong(
                KEY,
                self.key,
                f"is not the key of the first certificate in {CERTIFICATE}={self.certificate}: give its own",
            )
        try:
            pair.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        except OSError as error:
            reason = getattr(error, "reason", "") or error.strerror or str(error)
            raise _wrong(CERTIFICATE, self.certificate, f"is refused by OpenSSL: {reason}") from None
        return pair

    def _private_key(self, pem: bytes) -> Any:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            return load_pem_private_key(pem, None)
        except TypeError:
            raise _wrong(KEY, self.key, "is locked by a passphrase: give it without one") from None
        except (ValueError, UnsupportedAlgorithm):
            raise _wrong(KEY, self.key, "holds no private key in PEM") from None

    def signature(self) -> tuple[Any, ...]:
        """Changes with the files, or with what their names lead to."""
        return (_signature(self.certificate), _signature(self.key))


class PairWatch:
    """Looks at the files in intervals; a new good pair is `pair` from then on.

    Files are read once they have come to rest: the same at two looks. A pair that is broken, or of no use to
    clients at this time, is named in one line of the log, and the one before stays.
    """

    def __init__(self, files: PairFiles, pair: Pair, interval_s: float = WATCH_INTERVAL) -> None:
        self.pair = pair
        self._files = files
        self._interval = interval_s
        self._seen: tuple[Any, ...] = ()
        self._judged: tuple[Any, ...] = ()

    async def run(self, on_pair: Callable[[Pair], None]) -> None:
        while True:
            pair = await asyncio.to_thread(self.look)  # files may lie on a network
            if pair is not None:
                self.pair = pair
                log.info("a new certificate", subject=pair.subject, names=pair.names, not_after=str(pair.not_after))
                on_pair(pair)
            await asyncio.sleep(self._interval)

    def look(self) -> Pair | None:
        """A pair to use from now on, if there is one."""
        signature = self._files.signature()
        rests, self._seen = signature == self._seen, signature
        if not rests or signature == self._judged:
            return None
        pair, reason = self._judge()
        if self._files.signature() != signature:
            return None  # changed while it was read: what was seen is no whole
        self._judged = signature
        if reason:
            log.error("the new certificate is not used, the one before stays", reason=reason)
        return pair

    def _judge(self) -> tuple[Pair | None, str]:
        """A pair that is new and good, or why it is not good."""
        try:
            pair = self._files.read()
        except ConfigurationError as error:
            return None, str(error)
        if pair == self.pair:
            return None, ""
        fault = pair.fault(datetime.now(UTC))
        return (None, f"it {fault}") if fault else (pair, "")


def day(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _wrong(variable: str, path: Path, what: str) -> ConfigurationError:
    return ConfigurationError(f"{variable}={path}: {what}")


def _read(variable: str, path: Path) -> bytes:
    try:
        if not path.is_file():  # a pipe would keep us waiting
            raise _wrong(variable, path, "is not a file" if path.exists() else "cannot be read: there is no such file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise _wrong(variable, path, f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE:
        raise _wrong(variable, path, f"is longer than {MAX_FILE} bytes")
    return content


def _signature(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except OSError:
        return ()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _no_passphrase() -> str:
    """OpenSSL would ask for it at the terminal."""
    return ""


@contextmanager
def _named(content: bytes) -> Iterator[str]:
    """A path of bytes that are in no file system."""
    with open(os.memfd_create("pem", os.MFD_CLOEXEC), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
