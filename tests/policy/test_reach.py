"""Where a worker may be."""

from __future__ import annotations

import pytest

from edgeproxy.policy.reach import OPERATOR, Reach, reach_of

PUBLIC = ["1.1.1.1", "2606:4700::1111"]
PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd12::1"]
LOOPBACK = ["127.0.0.1", "::1", "::ffff:127.0.0.1"]
NEVER = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fd00:ec2::254",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "100.100.100.200",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "not-an-address",
]


def allowed(reach: Reach) -> list[str]:
    return [address for address in [*PUBLIC, *PRIVATE, *LOOPBACK, *NEVER] if reach.allows(address)]


def test_by_itself_only_what_everybody_can_reach() -> None:
    assert allowed(Reach()) == PUBLIC


def test_where_the_coordinator_is_workers_may_be() -> None:
    assert allowed(reach_of(["auto"], ["203.0.114.7"])) == PUBLIC
    assert allowed(reach_of(["auto"], ["192.168.7.7"])) == [*PUBLIC, *PRIVATE]
    assert allowed(reach_of(["auto"], ["127.0.0.1"])) == [*PUBLIC, *PRIVATE, *LOOPBACK]


def test_networks_by_name() -> None:
    assert allowed(reach_of(["10.0.0.0/8"], ["127.0.0.1"])) == [*PUBLIC, "10.0.0.1"]


def test_metadata_is_out_of_reach_for_everybody() -> None:
    assert allowed(OPERATOR) == [*PUBLIC, *PRIVATE, *LOOPBACK]


@pytest.mark.parametrize("hidden", ["64:ff9b::7f00:1", "2002:7f00:1::"])
def test_loopback_hidden_in_ipv6(hidden: str) -> None:
    assert not Reach().allows(hidden)
