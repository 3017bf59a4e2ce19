"""Pairs of PEM files: what is refused and in which words, and when a new one is taken."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from structlog.testing import capture_logs

from edgeproxy.net.certificates import MAX_FILE, Pair, PairFiles, PairWatch
from edgeproxy.runtime.environment import ConfigurationError

CA = trustme.CA()
ONE, TWO = CA.issue_cert("one.test", "127.0.0.1"), CA.issue_cert("two.test")


def chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(blob.bytes() for blob in leaf.cert_chain_pems)


def key(leaf: trustme.LeafCert) -> bytes:
    return leaf.private_key_pem.bytes()


def write(directory: Path, certificate: bytes, private_key: bytes) -> PairFiles:
    files = PairFiles(directory / "cert.pem", directory / "key.pem")
    files.certificate.write_bytes(certificate)
    files.key.write_bytes(private_key)
    return files


@pytest.fixture
def files(tmp_path: Path) -> PairFiles:
    return write(tmp_path, chain(ONE), key(ONE))


def test_a_pair_says_whom_it_is_for(files: PairFiles) -> None:
    pair = files.read()
    assert pair.names == ["one.test", "127.0.0.1"]
    assert "Testing cert" in pair.subject
    assert pair.not_after == datetime(3000, 1, 1, tzinfo=UTC)
    assert Pair.from_message(pair.as_message()) == pair
    assert "PRIVATE KEY" not in repr(pair)


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(key(ONE) + chain(ONE))
    assert PairFiles(both, both).read().names == ["one.test", "127.0.0.1"]


@pytest.mark.parametrize("kind", ["rsa:2048", "ed25519"])
def test_keys_of_other_tools(kind: str, tmp_path: Path) -> None:
    made = f"openssl req -x509 -newkey {kind} -nodes -keyout key.pem -out cert.pem -subj /CN=a -days 9"
    subprocess.run(made.split(), cwd=tmp_path, check=True, capture_output=True)
    pair = PairFiles(tmp_path / "cert.pem", tmp_path / "key.pem").read()
    assert pair.subject == "CN=a"
    assert pair.names == []


def locked() -> bytes:
    made = subprocess.run(["openssl", "rsa", "-aes128", "-passout", "pass:secret"], input=RSA, capture_output=True)
    return made.stdout


RSA = subprocess.run(["openssl", "genrsa", "1024"], capture_output=True, check=True).stdout
WEAK = subprocess.run(
    ["openssl", "req", "-x509", "-key", "/dev/stdin", "-subj", "/CN=a"], input=RSA, capture_output=True, check=True
).stdout


@pytest.mark.parametrize(
    ("certificate", "private_key", "fault"),
    [
        (b"", key(ONE), "EDGEPROXY_TLS_CERT={cert}: holds no certificate in PEM: give it with its chain"),
        (key(ONE), key(ONE), "EDGEPROXY_TLS_CERT={cert}: holds no certificate in PEM"),
        (chain(ONE)[:300], key(ONE), "EDGEPROXY_TLS_CERT={cert}: holds no certificate in PEM"),
        (b"\xff\x00" * 99, key(ONE), "EDGEPROXY_TLS_CERT={cert}: holds no certificate in PEM"),
        (chain(ONE), b"", "EDGEPROXY_TLS_KEY={key}: holds no private key in PEM"),
        (chain(ONE), key(ONE)[:100], "EDGEPROXY_TLS_KEY={key}: holds no private key in PEM"),
        (chain(ONE), locked(), "EDGEPROXY_TLS_KEY={key}: is locked by a passphrase: give it without one"),
        (
            chain(ONE),
            key(TWO),
            "EDGEPROXY_TLS_KEY={key}: is not the key of the first certificate in EDGEPROXY_TLS_CERT",
        ),
        (
            CA.cert_pem.bytes() + chain(ONE),
            key(ONE),
            "EDGEPROXY_TLS_KEY={key}: is not the key of the first certificate",
        ),
        (WEAK, RSA, "EDGEPROXY_TLS_CERT={cert}: is refused by OpenSSL: EE_KEY_TOO_SMALL"),
        (b"#" * (MAX_FILE + 1), key(ONE), "EDGEPROXY_TLS_CERT={cert}: is longer than 1048576 bytes"),
    ],
)
def test_wrong_files(certificate: bytes, private_key: bytes, fault: str, tmp_path: Path) -> None:
    files = write(tmp_path, certificate, private_key)
    with pytest.raises(ConfigurationError) as error:
        files.read()
    assert str(error.value).startswith(fault.format(cert=files.certificate, key=files.key))
    assert "\n" not in str(error.value)


def test_no_file_a_pipe_a_directory(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, fault in (
        (".", "is not a file"),
        ("pipe", "is not a file"),
        ("none", "cannot be read: there is no such"),
    ):
        with pytest.raises(ConfigurationError, match=fault):
            PairFiles(tmp_path / name, tmp_path / name).read()


def dated(directory: Path, begins: timedelta, ends: timedelta) -> Pair:
    now = datetime.now(UTC)
    leaf = CA.issue_cert("dated.test", not_before=now + begins, not_after=now + ends)
    return write(directory, chain(leaf), key(leaf)).read()


def test_time(tmp_path: Path) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    assert dated(tmp_path, -day, 22 * day).warning(now) == dated(tmp_path, -day, 22 * day).fault(now) == ""
    assert dated(tmp_path, -day, 20.5 * day).warning(now).startswith("expires in 20 days, on 2")
    assert dated(tmp_path, -2 * day, -day).fault(now).startswith("expired on ")
    assert dated(tmp_path, day, 90 * day).fault(now).startswith("is not valid before ")


class Watched:
    """Files that change, and a watch that looks when told."""

    def __init__(self, files: PairFiles) -> None:
        self.files = files
        self.watch = PairWatch(files, files.read())
        self.looks(2)

    def looks(self, count: int) -> Pair | None:
        found = [pair for pair in (self.watch.look() for _ in range(count)) if pair is not None]
        assert len(found) <= 1
        if found:
            self.watch.pair = found[0]
        return found[0] if found else None


@pytest.fixture
def watched(files: PairFiles) -> Watched:
    return Watched(files)


def replace(path: Path, content: bytes) -> None:
    path.with_suffix(".new").write_bytes(content)
    path.with_suffix(".new").replace(path)


def write_over(path: Path, content: bytes) -> None:
    path.write_bytes(content)


@pytest.mark.parametrize("change", [replace, write_over])
def test_a_new_pair_is_taken_when_it_rests(change: Callable[[Path, bytes], None], watched: Watched) -> None:
    change(watched.files.certificate, chain(TWO))
    change(watched.files.key, key(TWO))
    assert watched.watch.look() is None  # it may still be written
    found = watched.watch.look()
    assert found is not None
    assert found.names == ["two.test"]


def test_the_same_again_is_no_news(watched: Watched) -> None:
    watched.files.key.touch()
    assert watched.looks(3) is None


def test_half_a_pair_is_never_taken_and_said_once(watched: Watched) -> None:
    with capture_logs() as lines:
        write_over(watched.files.certificate, chain(TWO))
        assert watched.looks(5) is None
        assert [line["log_level"] for line in lines] == ["error"]
        assert "is not the key of the first certificate" in lines[0]["reason"]
        write_over(watched.files.key, key(TWO)[:50])
        assert watched.looks(5) is None
        assert len(lines) == 2
        write_over(watched.files.key, key(TWO))
        found = watched.looks(5)
    assert found is not None
    assert found.names == ["two.test"]
    assert len(lines) == 2


def test_what_changes_while_it_is_read_is_not_taken(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    write_over(watched.files.certificate, chain(TWO))
    write_over(watched.files.key, key(TWO))
    watched.watch.look()
    read = PairFiles.read

    def meddled(files: PairFiles) -> Pair:
        pair = read(files)
        write_over(files.certificate, chain(TWO) + CA.cert_pem.bytes())  # the chain was not yet all there
        return pair

    with monkeypatch.context() as patch:
        patch.setattr(PairFiles, "read", meddled)
        assert watched.watch.look() is None
    found = watched.looks(2)
    assert found is not None
    assert found.certificate.count(b"BEGIN") == 2


def test_files_that_vanish_leave_the_pair_in_use(watched: Watched) -> None:
    watched.files.key.unlink()
    with capture_logs() as lines:
        assert watched.looks(3) is None
    assert len(lines) == 1
    assert watched.watch.pair.names == ["one.test", "127.0.0.1"]


def test_a_pair_whose_time_is_over_is_not_taken(watched: Watched, tmp_path: Path) -> None:
    dated(tmp_path, timedelta(days=-2), timedelta(days=-1))
    with capture_logs() as lines:
        assert watched.looks(3) is None
    assert lines[0]["reason"].startswith("it expired on ")


async def test_the_watch_tells(files: PairFiles) -> None:
    watch = PairWatch(files, files.read(), interval_s=0.01)
    told: asyncio.Queue[Pair] = asyncio.Queue()
    task = asyncio.get_running_loop().create_task(watch.run(told.put_nowait))
    try:
        await asyncio.sleep(0.05)
        assert told.empty()
        replace(files.certificate, chain(TWO))
        replace(files.key, key(TWO))
        async with asyncio.timeout(5):
            assert (await told.get()).names == watch.pair.names == ["two.test"]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
