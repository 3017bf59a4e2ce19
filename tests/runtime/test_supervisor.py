"""The process model with real processes and real signals."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.runtime.fleet import Fleet, alive, answer, until

StartFleet = Callable[..., Fleet]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartFleet]:
    fleets: list[Fleet] = []

    def start_one(**environment: str) -> Fleet:
        fleets.append(Fleet(tmp_path, **environment))
        return fleets[-1]

    yield start_one
    for fleet in fleets:
        fleet.close()


def slow_request(fleet: Fleet) -> socket.socket:
    """A request that a child has taken and that waits for its second half."""
    connection = fleet.connect()
    connection.sendall(b"slow")
    return connection


def finish(connection: socket.socket) -> int:
    with connection:
        connection.sendall(b"done")
        return int(answer(connection)["pid"])


def test_each_slot_serves_with_a_process_of_its_own(start: StartFleet) -> None:
    fleet = start(PROCESSES="2").serving()
    seen = until(lambda: s if len(s := {fleet.ask()["pid"] for _ in range(20)}) == 2 else None)
    assert seen == set(fleet.first_pids)


def test_a_child_hears_the_last_broadcast_of_a_type_that_came_before_it(start: StartFleet) -> None:
    assert start().serving().ask()["word"] == "hello"


def test_messages_of_children_come_with_slot_and_pid(start: StartFleet) -> None:
    fleet = start().serving()
    pid = fleet.ask()["pid"]
    message = until(lambda: fleet.named("message"))[0]
    assert (message["slot"], message["pid"], message["type"]) == (0, pid, "served")


def test_a_killed_child_is_replaced_and_who_waited_in_the_backlog_is_served(start: StartFleet) -> None:
    fleet = start().serving()
    (pid,) = fleet.first_pids
    os.kill(pid, signal.SIGSTOP)  # so that it surely does not accept
    with fleet.connect() as waiting:
        waiting.sendall(b"hello")
        os.kill(pid, signal.SIGKILL)
        served = answer(waiting)
    assert served["pid"] != pid
    assert served["word"] == "hello"
    assert until(lambda: fleet.named("gone"))[0]["pid"] == pid


def test_term_lets_requests_finish_and_takes_no_new_ones(start: StartFleet) -> None:
    fleet = start(PROCESSES="2").serving()
    running = slow_request(fleet)
    fleet.signal(signal.SIGTERM)
    until(lambda: refused(fleet))
    assert finish(running) in fleet.first_pids
    assert fleet.wait() == 0
    assert not any(alive(pid) for pid in fleet.first_pids)


def test_a_child_knows_whether_another_is_at_its_place(start: StartFleet) -> None:
    fleet = start().serving()
    fleet.signal(signal.SIGHUP)
    until(lambda: len(leavings(fleet)) == 1)
    os.killpg(fleet.process.pid, signal.SIGTERM)  # as systemd does
    assert fleet.wait() == 0
    assert leavings(fleet) == [True, False]


def leavings(fleet: Fleet) -> list[object]:
    return [event["replaced"] for event in fleet.named("message") if event["type"] == "leaving"]


def refused(fleet: Fleet) -> bool:
    try:
        fleet.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_interrupt_of_the_whole_group_is_the_supervisors_matter(start: StartFleet) -> None:
    fleet = start().serving()
    running = slow_request(fleet)
    os.killpg(fleet.process.pid, signal.SIGINT)
    assert finish(running) in fleet.first_pids
    assert fleet.wait() == 0
    assert b"Traceback" not in fleet.errors_at_the_end()


def test_the_second_term_leaves_at_once(start: StartFleet) -> None:
    fleet = start(DRAIN="600").serving()
    with slow_request(fleet):
        fleet.signal(signal.SIGTERM)
        until(lambda: fleet.named("draining"))
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 1
    assert not any(alive(pid) for pid in fleet.first_pids)


def test_the_drain_has_an_end(start: StartFleet) -> None:
    fleet = start(DRAIN="0.3").serving()
    with slow_request(fleet):
        fleet.signal(signal.SIGTERM)
        assert fleet.wait() == 0
    assert not any(alive(pid) for pid in fleet.first_pids)


def test_hup_replaces_every_child_and_running_requests_finish(start: StartFleet) -> None:
    fleet = start(PROCESSES="2", DRAIN="20").serving()
    running = slow_request(fleet)
    old = set(fleet.first_pids)
    fleet.signal(signal.SIGHUP)
    until(lambda: len(old & {e["pid"] for e in fleet.named("gone")}) == 1)  # the other has our request
    until(lambda: all(fleet.ask()["pid"] not in old for _ in range(10)))
    assert finish(running) in old
    until(lambda: old == {e["pid"] for e in fleet.named("gone")})


def test_hup_keeps_the_old_child_if_the_new_one_does_not_start(start: StartFleet, tmp_path: Path) -> None:
    fleet = start(PROCESSES="2").serving()
    (tmp_path / "bad-settings").touch()
    fleet.signal(signal.SIGHUP)
    until(lambda: fleet.named("the roll is given up, the old children stay"))
    assert fleet.ask()["pid"] in fleet.first_pids
    (tmp_path / "bad-settings").unlink()
    fleet.signal(signal.SIGHUP)
    until(lambda: fleet.ask()["pid"] not in fleet.first_pids)


def test_bad_settings_of_a_child_end_the_start_with_78(start: StartFleet, tmp_path: Path) -> None:
    (tmp_path / "bad-settings").touch()
    fleet = start(PROCESSES="2")
    assert fleet.wait() == 78
    assert b"error: COLOUR=mauve: must be one of red, green" in fleet.errors_at_the_end()
    assert not fleet.named("a slot is empty, it is filled again")


def test_a_child_that_fails_at_the_start_is_not_started_again(start: StartFleet, tmp_path: Path) -> None:
    (tmp_path / "cannot-start").touch()
    fleet = start()
    assert fleet.wait() == 3
    assert len(fleet.named("gone")) == 1


def test_a_replacement_that_fails_does_not_take_the_others_down(start: StartFleet, tmp_path: Path) -> None:
    fleet = start(PROCESSES="2").serving()
    (tmp_path / "bad-settings").touch()
    os.kill(fleet.first_pids[0], signal.SIGKILL)
    until(lambda: len(fleet.named("a child did not start")) >= 2)
    (tmp_path / "bad-settings").unlink()
    replaced = until(lambda: {fleet.ask()["pid"] for _ in range(20)} - set(fleet.first_pids))
    assert len(replaced) == 1


def test_the_last_child_with_bad_settings_ends_the_program(start: StartFleet, tmp_path: Path) -> None:
    fleet = start().serving()
    (tmp_path / "bad-settings").touch()
    os.kill(fleet.first_pids[0], signal.SIGKILL)
    assert fleet.wait() == 78


def test_a_start_that_takes_too_long_is_ended_and_tried_again(start: StartFleet, tmp_path: Path) -> None:
    (tmp_path / "slow-start").touch()
    fleet = start(START_TIMEOUT="1")
    until(lambda: fleet.named("a child did not start"))
    (tmp_path / "slow-start").unlink()
    assert fleet.serving().ask()["slot"] == 0


def test_term_during_the_start_does_not_wait_for_it(start: StartFleet, tmp_path: Path) -> None:
    (tmp_path / "slow-start").touch()
    fleet = start(START_TIMEOUT="600")
    until(lambda: Path(f"/proc/{fleet.process.pid}/task/{fleet.process.pid}/children").read_text())
    fleet.signal(signal.SIGTERM)
    assert fleet.wait() == 0


def test_a_hung_child_is_killed_and_replaced(start: StartFleet) -> None:
    fleet = start(HANG="2.5").serving()
    with fleet.connect() as connection:
        connection.sendall(b"hang")
        until(lambda: fleet.named("a child is hung, it is killed"))
    assert until(fleet.ask)["pid"] not in fleet.first_pids


def test_a_stopped_supervisor_takes_nobody_for_hung(start: StartFleet) -> None:
    fleet = start(HANG="2.5").serving()
    fleet.signal(signal.SIGSTOP)
    time.sleep(4.0)
    fleet.signal(signal.SIGCONT)
    fleet.ask()
    until(lambda: fleet.named("message"))
    assert not fleet.named("a child is hung, it is killed")
    assert not fleet.named("gone")


def test_children_leave_when_the_supervisor_is_killed(start: StartFleet) -> None:
    fleet = start(PROCESSES="2").serving()
    running = slow_request(fleet)
    fleet.signal(signal.SIGKILL)
    fleet.wait()
    until(lambda: refused(fleet))
    assert finish(running) in fleet.first_pids
    until(lambda: not any(alive(pid) for pid in fleet.first_pids))


def test_systemd_is_told(start: StartFleet, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(30)
        fleet = start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert sock.recv(1000).startswith(b"READY=1\n")
        fleet.signal(signal.SIGHUP)
        assert sock.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert sock.recv(1000).startswith(b"READY=1\n")
        fleet.signal(signal.SIGTERM)
        assert sock.recv(1000).startswith(b"STOPPING=1\n")
        assert fleet.wait() == 0
