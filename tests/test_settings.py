"""What the settings of proxy and balancer refuse beyond the type of a field."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import pytest

from edgeproxy.http.bounds import Bounds
from edgeproxy.net.limits import Limits
from edgeproxy.runtime.environment import ConfigurationError, load
from edgeproxy.settings import PREFIX, BalancerSettings, ProxySettings


def settings(**environ: str) -> ProxySettings:
    return load(ProxySettings, prefix=PREFIX, flags={}, environ=environ)


def test_tls_takes_a_pair_of_paths() -> None:
    assert settings().tls_files is None
    given = settings(EDGEPROXY_TLS_CERT="/a/cert.pem", EDGEPROXY_TLS_KEY="/a/key.pem", EDGEPROXY_TIMEOUT_HANDSHAKE="3")
    assert given.tls_files == (Path("/a/cert.pem"), Path("/a/key.pem"))
    assert given.limits.handshake == 3
    assert BalancerSettings.variables()["EDGEPROXY_TLS_KEY"] == "tls_key"


BOUNDS = {
    "MAX_HEAD": ("head_bytes", 1001),
    "MAX_ANSWER_HEAD": ("answer_head_bytes", 1002),
    "MAX_BODY": ("body_bytes", 1003),
    "BUFFER": ("buffer", 5004),
    "BODY_RATE": ("body_rate", 5.5),
    "BODY_GRACE": ("rate_grace", 6.5),
    "KEEP_ALIVE_REQUESTS": ("keep_alive_requests", 7),
    "CLIENT_LIFETIME": ("client_lifetime", 8.5),
    "UPSTREAM_IDLE": ("upstream_idle", 9.5),
    "UPSTREAM_LIFETIME": ("upstream_lifetime", 10.5),
    "UPSTREAM_RESTING": ("upstream_resting", 11),
    "TIMEOUT_HANDSHAKE": ("handshake", 12.5),
    "TIMEOUT_HEAD": ("head", 13.5),
    "TIMEOUT_BODY": ("body_idle", 14.5),
    "TIMEOUT_KEEP_ALIVE": ("keep_alive", 15.5),
    "TIMEOUT_WRITE": ("write_idle", 16.5),
    "TIMEOUT_CONNECT": ("connect", 17.5),
    "TIMEOUT_FIRST_BYTE": ("first_byte", 18.5),
    "TIMEOUT_STREAM": ("stream_idle", 19.5),
    "TIMEOUT_TUNNEL": ("tunnel_idle", 20.5),
    "TIMEOUT_LINGER": ("linger", 21.5),
    "MAX_FIELDS": ("bounds.fields", 22),
    "MAX_TARGET": ("bounds.target", 123),
    "MAX_CHUNK_EXTENSION": ("bounds.extension", 24),
    "MAX_TRAILERS": ("bounds.trailers", 25),
    "MAX_TRAILER_BYTES": ("bounds.trailer_bytes", 26),
}


def test_every_bound_has_its_variable() -> None:
    limits = settings(**{PREFIX + name: str(value) for name, (_, value) in BOUNDS.items()}).limits
    assert {name: attrgetter(place)(limits) for name, (place, _) in BOUNDS.items()} == {
        name: value for name, (_, value) in BOUNDS.items()
    }
    assert set(Limits.__slots__) - {"bounds"} == {place for place, _ in BOUNDS.values() if "." not in place}
    assert set(Bounds.__slots__) == {place[7:] for place, _ in BOUNDS.values() if "." in place}


@pytest.mark.parametrize(("there", "missing"), [("CERT", "KEY"), ("KEY", "CERT")])
def test_half_a_pair_is_an_error(there: str, missing: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        settings(**{f"EDGEPROXY_TLS_{there}": "/a.pem"})
    assert str(error.value) == (f"EDGEPROXY_TLS_{there} is set and EDGEPROXY_TLS_{missing} is not: set both, or none")


def test_the_text_of_a_key_is_no_path_and_is_not_repeated(tmp_path: Path) -> None:
    """NAME_FILE reads a value from a file: here the value is itself the path of a file."""
    text = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA"
    (tmp_path / "key.pem").write_text(text)
    with pytest.raises(ConfigurationError) as by_file:
        settings(EDGEPROXY_TLS_CERT="/a/cert.pem", EDGEPROXY_TLS_KEY_FILE=str(tmp_path / "key.pem"))
    with pytest.raises(ConfigurationError) as by_value:
        settings(EDGEPROXY_TLS_CERT="/a/cert.pem", EDGEPROXY_TLS_KEY=text)
    assert str(by_file.value) == "EDGEPROXY_TLS_KEY_FILE: must be the path of a PEM file, not what is in it"
    assert str(by_value.value) == "EDGEPROXY_TLS_KEY: must be the path of a PEM file, not what is in it"


@pytest.mark.parametrize("url", ["redis+sentinel://:s3cret@s1:26379,s2/main/1", "valkeys+cluster://me:s3cret@h1,h2"])
def test_the_shared_store_is_named_and_not_shown(url: str) -> None:
    assert "s3cret" not in str(settings(SHARED_STORE_URL=url))


@pytest.mark.parametrize(
    ("url", "words"),
    [("memcached://:s3cret@x", "must begin with redis://"), ("redis+cluster://:s3cret@h/2", "none but 0")],
)
def test_a_wrong_store_is_said_without_its_secret(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"SHARED_STORE_URL: .*{words}") as error:
        settings(SHARED_STORE_URL=url)
    assert "s3cret" not in str(error.value)
