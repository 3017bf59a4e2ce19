"""The agent as a process, against a coordinator played by the test, with real services."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.agent.conftest import StartAgent
from tests.agent.standin import Coordinator, ask, until
from tests.runtime.fleet import alive

DOCUMENTS = "document-processing"
NOTES = "notes-coa"


async def test_registers_runs_what_it_is_assigned_and_leaves_nothing(
    start: StartAgent, coordinator: Coordinator
) -> None:
    coordinator.assigned = [DOCUMENTS, NOTES]
    agent = await start(WORKER_ID="w1", REGION="eu", API_KEY="secret")
    reports = await coordinator.healthy(DOCUMENTS, NOTES)

    first = coordinator.registrations[0]
    assert (first["worker_id"], first["region"], first["services"]) == ("w1", "eu", [])
    assert set(first["runnable"]) >= {DOCUMENTS, NOTES, "edge-proxy", "load-balancer", "coordinator"}
    assert first["capabilities"]["worker_type"] == "cpu"
    assert coordinator.keys == {"secret"}
    said = await ask(reports[DOCUMENTS]["service_url"])
    assert reports[DOCUMENTS]["service_url"] == f"http://127.0.0.1:{reports[DOCUMENTS]['port']}"
    assert said["environment"]["WHO"] == DOCUMENTS
    assert said["environment"]["KEY"] == "secret"
    assert "API_KEY" not in said["environment"]  # only who is given it has it

    agent.signal(signal.SIGTERM)
    assert await agent.end() == 0
    assert coordinator.left == ["w1"]
    assert not alive(said["pid"])
    assert agent.errors == b""


async def test_the_load_is_a_part_of_one_and_the_status_is_told(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    await start()
    await coordinator.healthy(DOCUMENTS)
    assert all(0 <= beat["current_load"] <= 1 for beat in coordinator.beats)
    assert coordinator.beats[-1]["services_status"] == {DOCUMENTS: "healthy"}
    assert coordinator.beats[-1]["status"] == "healthy"


async def test_an_id_that_was_given_is_kept_when_the_coordinator_forgets(
    start: StartAgent, coordinator: Coordinator
) -> None:
    coordinator.assigned = [DOCUMENTS]
    await start(WORKER_ID="")
    before = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    pid = (await ask(before["service_url"]))["pid"]
    coordinator.known.clear()
    await until(lambda: len(coordinator.registrations) == 2)
    first, second = coordinator.registrations
    assert (first["worker_id"], second["worker_id"]) == (None, "given-1")
    assert second["services"] == [before]
    assert (await ask(before["service_url"]))["pid"] == pid  # nothing was restarted for it


async def test_a_coordinator_that_was_away_is_found_again_and_services_go_on(
    start: StartAgent, coordinator: Coordinator
) -> None:
    coordinator.assigned = [DOCUMENTS]
    agent = await start(WORKER_ID="w1")
    report = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    pid = (await ask(report["service_url"]))["pid"]
    await coordinator.stop()
    await until(lambda: agent.logged("the coordinator is away"))
    assert (await ask(report["service_url"]))["pid"] == pid
    await coordinator.start()
    await until(lambda: len(coordinator.registrations) == 2)
    assert coordinator.registrations[1]["services"] == [report]
    assert (await ask(report["service_url"]))["pid"] == pid


async def test_waits_for_a_coordinator_that_is_not_there_yet(start: StartAgent, coordinator: Coordinator) -> None:
    await coordinator.stop()
    agent = await start(WORKER_ID="w1")
    await until(lambda: agent.logged("cannot register"))
    await coordinator.start()
    await until(lambda: coordinator.registrations)


async def test_the_first_coordinator_that_answers_is_used(start: StartAgent, coordinator: Coordinator) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        await start(WORKER_ID="w1", COORDINATOR_URL=f"http://127.0.0.1:{silent.getsockname()[1]},{coordinator.url}")
        await until(lambda: coordinator.registrations)


async def test_a_wrong_key_is_told_and_tried_again(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.refuse_with = 403
    agent = await start()
    await until(lambda: agent.logged("cannot register: API_KEY is missing or wrong"))
    coordinator.refuse_with = 0
    await until(lambda: coordinator.beats)


async def test_a_killed_service_is_started_again_and_told_in_between(
    start: StartAgent, coordinator: Coordinator
) -> None:
    coordinator.assigned = [DOCUMENTS]
    coordinator.interval = 60.0  # what is told now is told because it changed
    await start()
    report = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    pid = (await ask(report["service_url"]))["pid"]
    beats = len(coordinator.beats)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: any(beat["services"][0]["status"] == "unhealthy" for beat in coordinator.beats[beats:]))
    again = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    assert (await ask(again["service_url"]))["pid"] != pid


async def test_a_service_that_answers_with_errors_is_unhealthy_until_it_recovers(
    start: StartAgent, coordinator: Coordinator, tmp_path: Path
) -> None:
    coordinator.assigned = [DOCUMENTS]
    await start({DOCUMENTS: [f"broken-if={tmp_path / 'broken'}"]})
    await coordinator.healthy(DOCUMENTS)
    (tmp_path / "broken").touch()
    await until(lambda: coordinator.reports()[DOCUMENTS]["status"] == "unhealthy")
    (tmp_path / "broken").unlink()
    await coordinator.healthy(DOCUMENTS)


async def test_a_service_that_does_not_start_delays_no_heartbeat(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS, NOTES]
    await start({DOCUMENTS: ["hang"], NOTES: []})
    await until(lambda: coordinator.reports().get(NOTES, {}).get("status") == "healthy")
    seen = len(coordinator.beats)
    await until(lambda: len(coordinator.beats) >= seen + 5)
    assert {b["services"][0]["status"] for b in coordinator.beats[seen:]} == {"starting"}


async def test_a_service_that_crashes_at_the_start_is_unhealthy(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    agent = await start({DOCUMENTS: ["crash"]})
    await until(lambda: coordinator.reports().get(DOCUMENTS, {}).get("status") == "unhealthy")
    ended = (await until(lambda: agent.logged("ended")))[0]
    assert (ended["how"], ended["tail"], ended["service"]) == ("code 1", ["no weights"], DOCUMENTS)


async def test_a_new_assignment_is_obeyed_the_new_before_the_old(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    agent = await start()
    old = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    pid = (await ask(old["service_url"]))["pid"]
    coordinator.interval = 1.5
    coordinator.assigned = [NOTES]
    await coordinator.healthy(NOTES)
    assert (await ask(old["service_url"]))["pid"] == pid  # who has not heard yet is still served
    await until(lambda: not alive(pid))
    events = [(e["event"], e.get("service"), e.get("status")) for e in agent.log]
    assert events.index(("status", NOTES, "healthy")) < events.index(("not assigned any more", None, None))


async def test_an_answer_without_assignment_changes_nothing(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    coordinator.old_style = True
    await start()
    await coordinator.healthy(DOCUMENTS)
    seen = len(coordinator.beats)
    await until(lambda: len(coordinator.beats) >= seen + 3)
    assert DOCUMENTS in coordinator.reports()


async def test_what_is_not_allowed_is_refused_and_the_rest_runs(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS, NOTES, "neo4j"]
    agent = await start(AGENT_SERVICES=DOCUMENTS)
    await coordinator.healthy(DOCUMENTS)
    seen = len(coordinator.beats)
    await until(lambda: len(coordinator.beats) >= seen + 3)
    assert set(coordinator.reports()) == {DOCUMENTS}
    assert coordinator.registrations[0]["runnable"] == [DOCUMENTS]
    refused = [e["service"] for e in agent.log if e["event"].startswith("refused: ")]
    assert refused == ["neo4j", NOTES]  # each once
    assert coordinator.beats[-1]["services_status"] == {DOCUMENTS: "healthy", "neo4j": "refused", NOTES: "refused"}


async def test_a_missing_program_is_told_and_the_rest_runs(
    start: StartAgent, coordinator: Coordinator, tmp_path: Path
) -> None:
    file = tmp_path / "more.toml"
    coordinator.assigned = [DOCUMENTS, NOTES]
    good = [sys.executable, str(Path(__file__).with_name("service.py")), "{host}", "{port}"]
    file.write_text(f'[services.{DOCUMENTS}]\ncommand = {good}\n[services.{NOTES}]\ncommand = ["no-such-program"]\n')
    agent = await start(AGENT_SERVICES_FILE=str(file))
    await coordinator.healthy(DOCUMENTS)
    told = {entry["service"]: entry["reason"] for entry in agent.logged("cannot be run here")}
    assert told[NOTES] == "no-such-program is not installed, or not in PATH"
    assert NOTES not in coordinator.registrations[0]["runnable"]


async def test_a_port_that_is_taken_gives_the_next_free_one(start: StartAgent, coordinator: Coordinator) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        coordinator.assigned = [DOCUMENTS]
        coordinator.ports = {DOCUMENTS: port}
        await start()
        report = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
        assert port < report["port"] < port + 200


async def test_two_agents_on_one_machine_do_not_fight_for_a_port(start: StartAgent, coordinator: Coordinator) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator.ports = {DOCUMENTS: probe.getsockname()[1]}
    coordinator.assigned = [DOCUMENTS]
    agents = await asyncio.gather(start(WORKER_ID="w1"), start(WORKER_ID="w2"), start(WORKER_ID="w3"))

    async def told(worker: str) -> int:
        beat = await until(
            lambda: next((b for b in reversed(coordinator.beats) if b["worker_id"] == worker and b["services"]), None)
        )
        return int(beat["services"][0]["port"])

    ports = [await told(worker) for worker in ("w1", "w2", "w3")]
    assert len(set(ports)) == 3
    assert not any(agent.logged("ended") for agent in agents)


async def test_the_tunnel_is_told_in_place_of_our_address(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    await start(TUNNEL_URL="https://{name}.example.org/")
    report = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    assert report["service_url"] == "https://document-processing.example.org"
    assert coordinator.registrations[0]["tunnel_url"] is None


async def test_one_tunnel_for_the_machine(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    await start(TUNNEL_URL="https://w1.example.org")
    report = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    assert report["service_url"] == coordinator.registrations[0]["tunnel_url"] == "https://w1.example.org"


async def test_term_while_the_coordinator_is_away_and_a_service_hangs(
    start: StartAgent, coordinator: Coordinator
) -> None:
    coordinator.assigned = [DOCUMENTS]
    agent = await start({DOCUMENTS: ["hang"]})
    pid = (await until(lambda: agent.logged("started")))[0]["pid"]
    await until(lambda: coordinator.beats)
    await coordinator.stop()
    agent.signal(signal.SIGINT)
    assert await agent.end() == 0
    assert not alive(pid)


async def test_a_second_signal_does_not_wait_for_a_service_that_does_not_leave(
    start: StartAgent, coordinator: Coordinator
) -> None:
    coordinator.assigned = [DOCUMENTS]
    agent = await start({DOCUMENTS: ["deaf"]})
    pid = (await ask((await coordinator.healthy(DOCUMENTS))[DOCUMENTS]["service_url"]))["pid"]
    agent.signal(signal.SIGTERM)
    await until(lambda: coordinator.left)
    assert alive(pid)
    agent.signal(signal.SIGTERM)
    assert await agent.end() == 0
    assert not alive(pid)


async def test_services_do_not_outlive_an_agent_that_is_killed(start: StartAgent, coordinator: Coordinator) -> None:
    coordinator.assigned = [DOCUMENTS]
    agent = await start()
    report = (await coordinator.healthy(DOCUMENTS))[DOCUMENTS]
    pid = (await ask(report["service_url"]))["pid"]
    agent.signal(signal.SIGKILL)
    await agent.end()
    await until(lambda: not alive(pid))


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"WORKER_TYPE": "quantum"}, "WORKER_TYPE=quantum: must be one of auto, gpu, cpu, storage, edge"),
        ({"COORDINATOR_URL": "ftp://x"}, "COORDINATOR_URL=ftp://x: URL must begin with http:// or https://"),
        ({"COORDINATOR_URLS": "x"}, "COORDINATOR_URLS is not a setting: did you mean COORDINATOR_URL?"),
        ({"AGENT_SERVICES": "dokuments"}, "AGENT_SERVICES names dokuments, but how to start it is described nowhere"),
        ({"TUNNEL_URL": "https://{nam}.org"}, "TUNNEL_URL=https://{nam}.org: URL has a host that is neither"),
        ({"AGENT_HOST": "a b"}, "AGENT_HOST=a b: URL has characters other than"),
    ],
)
async def test_wrong_settings_stop_the_start(start: StartAgent, environment: dict[str, str], line: str) -> None:
    agent = await start(**environment)
    assert await agent.end() == 78
    assert agent.errors.decode().startswith(f"error: {line}")
    assert agent.errors.count(b"\n") == 1
