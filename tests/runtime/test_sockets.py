"""Listeners: shared among our processes, with nobody else."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from edgeproxy.runtime.sockets import Bind, ListenError, activated, listen


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_all_share_the_port_that_the_kernel_chose(stack: ExitStack) -> None:
    sockets = [stack.enter_context(sock) for sock in listen(Bind("127.0.0.1", 0), 3)]
    assert len({sock.getsockname() for sock in sockets}) == 1
    assert len({sock.fileno() for sock in sockets}) == 3
    assert all(not sock.getblocking() and not sock.get_inheritable() for sock in sockets)
    for _ in range(10):
        stack.enter_context(socket.create_connection(sockets[0].getsockname(), timeout=5))


def test_a_port_that_somebody_shares_is_still_in_use(stack: ExitStack) -> None:
    (ours,) = [stack.enter_context(sock) for sock in listen(Bind("127.0.0.1", 0), 1)]
    port = ours.getsockname()[1]
    with pytest.raises(ListenError) as caught:
        listen(Bind("127.0.0.1", port), 2)
    assert caught.value.errno == errno.EADDRINUSE
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: another program uses it: end that, or choose another port"
    )


def test_a_port_is_free_again_after_a_connection_was_closed_by_us(stack: ExitStack) -> None:
    (first,) = listen(Bind("127.0.0.1", 0), 1)
    address = first.getsockname()
    with first, socket.create_connection(address, timeout=5):
        first.setblocking(True)
        first.accept()[0].close()  # we close first: TIME_WAIT is on our side
    for sock in listen(Bind(*address), 1):
        stack.enter_context(sock)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:1234: this machine does not have"):
        listen(Bind("192.0.2.1", 1234), 1)


def test_a_host_that_is_no_address_is_refused() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on not-a-host\.invalid:0: "):
        listen(Bind("not-a-host.invalid", 0), 1)


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")])
def test_an_address_is_shown_as_in_a_url(host: str, shown: str) -> None:
    assert str(Bind(host, 80)) == shown


def test_the_socket_that_systemd_has_opened_is_taken() -> None:
    with socket.socket() as theirs, socket.socket() as other:
        for sock in (other, theirs):
            sock.bind(("127.0.0.1", 0))
            sock.listen()
        port = theirs.getsockname()[1]
        low, high = sorted((other.fileno(), theirs.fileno()))
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(high - low + 1)}
        taken = activated(Bind("0.0.0.0", port), environ, low)
        assert taken is not None
        with taken:
            assert taken.getsockname()[1] == port
            assert not taken.getblocking()
            assert not taken.get_inheritable()
            with socket.create_connection(("127.0.0.1", port)):
                taken.setblocking(True)
                taken.accept()[0].close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": "me", "LISTEN_FDS": "x"}, {"LISTEN_PID": "me"}],
)
def test_what_systemd_has_opened_for_others_is_not(environ: dict[str, str]) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        environ = {name: str(os.getpid()) if value == "me" else value for name, value in environ.items()}
        assert activated(Bind("127.0.0.1", sock.getsockname()[1]), environ, sock.fileno()) is None
