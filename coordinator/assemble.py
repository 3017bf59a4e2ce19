"""The composition root: settings become a supervisor, and in its child a registry behind an HTTP server."""

import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import structlog
import uvloop
from aiohttp import web
from pydantic import SecretStr

from coordinator.api import guard
from coordinator.api.app import build_app
from coordinator.api.lane import Lanes
from coordinator.api.probes import PROBER
from coordinator.api.state import State, new_worker_id, now
from coordinator.api.users import RELAY
from coordinator.catalog import CATALOG
from coordinator.catalog_file import read_catalog
from coordinator.federation.keeper import Keeper
from coordinator.federation.roster import Roster, alone
from coordinator.federation.routes import SHELL
from coordinator.federation.shell import Shell
from coordinator.identity.gate import Gate
from coordinator.identity.keys import CoordinatorKeys
from coordinator.identity.revoked import Revoked
from coordinator.keyvaluefile import KeyValueFile
from coordinator.prober import Prober
from coordinator.registry import Registry
from coordinator.relay import Relay
from coordinator.settings import CoordinatorSettings
from coordinator.statefile import StateFile
from coordinator.ticker import Ticker
from edgeproxy.cluster.homes import lastgood
from edgeproxy.cluster.homes.kv import Store
from edgeproxy.cluster.signer import load_key
from edgeproxy.runtime.child import Child
from edgeproxy.runtime.environment import ConfigurationError, reveal
from edgeproxy.runtime.sockets import Bind, listen
from edgeproxy.runtime.supervisor import Program, Supervisor

log = structlog.get_logger(__name__)

BACKLOG: Final = 4096  # a fleet that comes back at once
CLOSING: Final = 2.0  # seconds of the drain that are for what is in flight at the end
IN_FLIGHT: Final = 10.0
NEVER: Final = 86_400.0  # the lanes end connections that rest, aiohttp need not


def serve(settings: CoordinatorSettings) -> int:
    """Run the supervisor until it is told to leave; the exit code."""
    if settings.catalog is not None:
        read_catalog(settings.catalog)  # what is wrong with it is said once, before anything is started
    with TemporaryDirectory(prefix="coordinator-") as directory:
        if settings.state is None:  # a process that crashes comes back to its workers in any case
            settings = settings.model_copy(update={"state": Path(directory) / "registry"})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_supervise(settings))


async def _supervise(settings: CoordinatorSettings) -> int:
    sockets = listen(Bind(settings.host, settings.port), 1)
    host, port = sockets[0].getsockname()[:2]
    # one process: the registry is in its memory
    program = Program(
        name="coordinator",
        argv=[sys.executable, "-m", "coordinator", "worker"],
        processes=1,
        drain_s=settings.drain,
        environment=_environment(settings),
    )
    supervisor = Supervisor(program, sockets, on_ready=lambda: log.info("the coordinator serves", host=host, port=port))
    if settings.api_key is None and settings.open:
        log.warning("anybody who reaches this port may join the fleet: COORDINATOR_OPEN is set and API_KEY is not")
    return await supervisor.run()


def _environment(settings: CoordinatorSettings) -> dict[str, str]:
    """Flags reach the child as variables. The key stays where it was: in the environment, or in its file."""
    given = {}
    for variable, name in CoordinatorSettings.variables().items():
        value = getattr(settings, name)
        if name in settings.model_fields_set and not isinstance(value, SecretStr):
            given[variable] = ",".join(value) if isinstance(value, tuple) else str(value)
            given[f"{variable}_FILE"] = ""
    return given


async def serve_child(child: Child, settings: CoordinatorSettings) -> None:
    """The program of the child process: an HTTP server on the sockets that it was given."""
    registry = _registry(settings)
    prober = Prober(registry, now, settings.peers, reveal(settings.api_key))
    state = State(
        registry,
        api_key=reveal(settings.api_key),
        admin_key=reveal(settings.admin_key),
        open=settings.open,
        unsigned=settings.accepts_unsigned,
        users=settings.serves_users,
        cors_origins=frozenset(settings.cors_origins),
        gate=_gate(settings),
    )
    files = _files(settings, state)
    shell = _federation(settings, registry, state.gate.keys)
    app = build_app(state)
    app[PROBER] = prober
    relay = app[RELAY] = Relay(partial(guard.is_secret, state))
    if shell is not None:
        app[SHELL] = state.federation = shell
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=NEVER, shutdown_timeout=min(settings.drain, IN_FLIGHT)
    )
    await runner.setup()
    assert runner.server is not None
    lanes = Lanes(state, runner.server)
    try:
        async with prober, relay, shell or contextlib.nullcontext(), asyncio.TaskGroup() as group:
            endless = [group.create_task(lanes.sweep_forever())]
            endless += [group.create_task(Ticker(registry, prober, now).run())]
            endless += [group.create_task(file.follow()) for file in files]
            endless += [group.create_task(work) for work in _federating(shell, state, settings)]
            servers = [
                await asyncio.get_running_loop().create_server(lanes.new, sock=sock, backlog=BACKLOG)
                for sock in child.sockets
            ]
            child.ready()
            seconds = await child.until_drain()
            state.draining = True
            if shell is not None and not child.replaced:
                await shell.hand_over(seconds - CLOSING)
            state.closing = True
            for server in servers:
                server.close()
            state.wake_watchers()
            lanes.close_resting()
            for task in endless:
                task.cancel()
    finally:
        await runner.cleanup()
        for file in files:
            await file.flush()


def _registry(settings: CoordinatorSettings) -> Registry:
    return Registry(
        heartbeat_interval=settings.heartbeat_interval,
        new_id=new_worker_id,
        max_workers=settings.max_workers,
        catalog=CATALOG if settings.catalog is None else read_catalog(settings.catalog),
        dial_back=settings.dial_back,
    )


def _federation(settings: CoordinatorSettings, registry: Registry, keys: CoordinatorKeys) -> Shell | None:
    if settings.federation is None or settings.identity is None:
        return Shell(registry, keys, alone(), now) if settings.shared_store_url is not None else None
    directory = lastgood.read(settings.federation, settings.roots)
    if directory is None:
        raise ConfigurationError(
            f"COORDINATOR_FEDERATION={settings.federation}: is no list that COORDINATOR_TRUST signed: coordinator keys"
        )
    key = load_key(settings.identity / "coordinator.key")
    roster = Roster(directory, settings.federation, settings.roots, key, settings.region, settings.public_url)
    shell = Shell(registry, keys, roster, now)
    shell.node.accept_rate = settings.accept_rate
    return shell


def _federating(shell: Shell | None, state: State, settings: CoordinatorSettings) -> list[Coroutine[None, None, None]]:
    if shell is None:
        return []
    work = [shell.run()]
    if (url := reveal(settings.shared_store_url)) is not None:
        work += _sharing(url, settings.site, shell, state)
    kv = settings.kv
    if kv is None or settings.federation is None or shell.roster.role != "primary":
        return work
    ledger = settings.federation.with_name("kv-budget.json")
    store = Store(shell.session, kv.account, kv.namespace, kv.token, kv.api)
    return [*work, Keeper(store, shell.roster, ledger).run()]


def _sharing(url: str, site: str, shell: Shell, state: State) -> list[Coroutine[None, None, None]]:
    """What coordinators of one site do together; the client library takes a while to load."""
    from coordinator.store.engine import Engine, connect
    from coordinator.store.limits import SharedLimits
    from coordinator.store.site import SharedSite

    shared = shell.shared = SharedSite(Engine(connect(url), site), shell.node, state.registry)
    return [shared.run(), SharedLimits(url, site, state.limits, state.count).run()]


def _files(settings: CoordinatorSettings, state: State) -> tuple[StateFile, KeyValueFile] | tuple[()]:
    """With what a former life of this coordinator left behind."""
    if settings.state is None:
        return ()
    file, values = StateFile(settings.state, state.registry), KeyValueFile(_beside(settings.state), state.keys)
    workers = file.load()
    state.registry.restore(workers, now())
    values.load()
    if workers:
        log.info("workers are restored, and routed to until they are known to be gone", workers=len(workers))
    return file, values


def _beside(state: Path) -> Path:
    return state.with_name(state.name + ".kv")


def _gate(settings: CoordinatorSettings) -> Gate:
    """With the keys of the identity directory, or with new ones."""
    directory = settings.identity
    if directory is None:
        return Gate()
    try:
        return Gate(CoordinatorKeys(load_key(directory / "coordinator.key")), Revoked(directory / "revoked"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"COORDINATOR_IDENTITY: {error}") from None
