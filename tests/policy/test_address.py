"""Whose word about the client is believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from edgeproxy.policy.address import is_trusted

NETWORKS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("192.0.2.1/32")]


@pytest.mark.parametrize("peer", ["10.1.2.3", "fd00::1", "192.0.2.1", "::ffff:10.1.2.3", "fd00::1%eth0"])
def test_trusted(peer: str) -> None:
    assert is_trusted(peer, NETWORKS)


@pytest.mark.parametrize(
    "peer", ["11.1.2.3", "fe80::1", "192.0.2.2", "::ffff:11.1.2.3", "unix", "", "10.1.2", "::10.1.2.3"]
)
def test_not_trusted(peer: str) -> None:
    assert not is_trusted(peer, NETWORKS)


def test_nobody_without_networks() -> None:
    assert not is_trusted("127.0.0.1", ())
