"""What the settings of proxy and balancer refuse beyond the type of a field."""

from __future__ import annotations

from pathlib import Path

import pytest

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
