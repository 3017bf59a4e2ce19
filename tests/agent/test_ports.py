import socket

import pytest

from coordinator.agent.ports import NoFreePort, PortClaim


@pytest.fixture
def free() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_the_wanted_port_if_it_is_free(free: int) -> None:
    claim = PortClaim.near("127.0.0.1", free)
    assert claim.port == free
    claim.release()


def test_a_claimed_port_is_not_given_again_until_it_is_released(free: int) -> None:
    first = PortClaim.near("127.0.0.1", free)
    second = PortClaim.near("127.0.0.1", free)
    assert second.port > first.port
    first.release()
    third = PortClaim.near("127.0.0.1", free)
    assert third.port == first.port
    second.release()
    third.release()


def test_a_port_on_which_somebody_listens_is_passed_over(free: int) -> None:
    with socket.create_server(("127.0.0.1", free)):
        claim = PortClaim.near("127.0.0.1", free)
        assert claim.port > free
        claim.release()


def test_there_may_be_none() -> None:
    with pytest.raises(NoFreePort, match=r"no port from 4000 to 4199 is free on 192\.0\.2\.1"):
        PortClaim.near("192.0.2.1", 4000)  # an address that is not ours
    claim = PortClaim.near("127.0.0.1", 65535)
    with pytest.raises(NoFreePort, match="no port from 65535 to 65535"):
        PortClaim.near("127.0.0.1", 65535)
    claim.release()
