"""Coordinators of one site on engines of several servers: sentinels that promote a replica, a cluster that loses a
node."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from coordinator.store.engine import Engine, EngineDown, connect
from tests.coordinator.store.members import Member, until
from tests.e2e.processes import free_port
from tests.redis import Redis, redis_program
from tests.redis_sets import Cluster, Sentinels, wait_until

# a connection that is given up in haste is closed a turn of the loop later, which a test that ends does not make
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")

AGAIN = 40.0
PASSWORD, OTHER = "s3cret-of-the-store", "an0ther-of-the-sentinels"


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    servers = Sentinels(tmp_path, PASSWORD, OTHER)
    yield servers
    servers.stop()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    servers = Cluster(tmp_path)
    yield servers
    servers.stop()


@asynccontextmanager
async def members(url: str) -> AsyncIterator[list[Member]]:
    found = [Member(url, name) for name in ("a", "b", "c")]
    try:
        yield found
    finally:
        for member in found:
            await member.leave()


async def test_a_replica_is_promoted_and_nobody_is_lost(
    sentinels: Sentinels, capfd: pytest.CaptureFixture[str]
) -> None:
    async with members(sentinels.url) as (a, b, c):
        a.register("w1")
        await until(lambda: b.keys() == c.keys() == {"w1"})
        primary = sentinels.primary()
        primary.kill()
        await until(lambda: a.site.degraded and b.site.degraded and c.site.degraded)
        b.register("w2")
        assert b.keys() == {"w1", "w2"}, "it goes on alone"
        await until(lambda: a.keys() == b.keys() == c.keys() == {"w1", "w2"}, AGAIN)
        assert sentinels.primary() is not primary
        await until(lambda: not (a.site.degraded or b.site.degraded or c.site.degraded))

        primary.start()  # empty, and believing for a moment that it is the primary
        c.register("w3")
        await until(lambda: a.keys() == b.keys() == c.keys() == {"w1", "w2", "w3"}, AGAIN)
    shown = "".join(capfd.readouterr())
    assert "going on alone" in shown
    assert PASSWORD not in shown
    assert OTHER not in shown


async def test_a_primary_that_is_demoted_while_it_lives_loses_nobody(sentinels: Sentinels) -> None:
    """What was told to it after the promotion is lost with it, and must be told again."""
    async with members(sentinels.url) as (a, b, c):
        a.register("w1")
        await until(lambda: b.keys() == c.keys() == {"w1"})
        old = sentinels.primary()
        sentinels.fail_over()
        for number in range(20):
            b.register(f"x{number}")
            await asyncio.sleep(0.1)
        everybody = {"w1", *(f"x{number}" for number in range(20))}
        await until(lambda: a.keys() == b.keys() == c.keys() == everybody, AGAIN)
        engine = Engine(connect(sentinels.url), "here")
        async with asyncio.timeout(AGAIN):
            while sentinels.primary() is old or len(await engine.load()) < len(everybody):
                await asyncio.sleep(0.1)
        await engine.close()
        await until(lambda: not (a.site.degraded or b.site.degraded or c.site.degraded), AGAIN)


async def test_a_silent_sentinel_is_passed_over(sentinels: Sentinels) -> None:
    sentinels.sentinels[0].pause()
    engine = Engine(connect(sentinels.url), "here")
    try:
        async with asyncio.timeout(20):
            assert await engine.put([("w1", b"1", b"x")]) == 1
    finally:
        sentinels.sentinels[0].resume()
        await engine.close()


async def test_a_name_that_no_sentinel_knows_and_a_wrong_password_are_an_engine_that_is_down(
    sentinels: Sentinels,
) -> None:
    wrong = [(PASSWORD, "another-password"), (OTHER, "another-password"), ("/main/", "/other/")]
    for url in (sentinels.url.replace(*change) for change in wrong):
        engine = Engine(connect(url), "here")
        with pytest.raises(EngineDown) as error:
            await engine.load()
        assert "another-password" not in str(error.value)
        await engine.close()


async def test_a_site_is_one_slot_of_a_cluster_whose_node_dies_and_comes_back(cluster: Cluster) -> None:
    async with members(cluster.url) as (a, b, c):
        a.register("w1")
        b.register("w2")
        await until(lambda: a.keys() == b.keys() == c.keys() == {"w1", "w2"})
        node = cluster.owner("edgeproxy:{here}:w")
        node.kill()
        await until(lambda: a.site.degraded and b.site.degraded and c.site.degraded)
        c.register("w3")
        assert c.keys() == {"w1", "w2", "w3"}, "it goes on alone"
        await asyncio.to_thread(node.start)  # its slots are on its disk, its data are not
        await until(lambda: a.keys() == b.keys() == c.keys() == {"w1", "w2", "w3"}, AGAIN)


async def test_every_word_reaches_the_slot(cluster: Cluster) -> None:
    for site in ("here", "there", "elsewhere"):  # of several nodes
        engine = Engine(connect(cluster.url), site)
        start = await engine.end()
        assert await engine.put([("w1", b"2", b"x"), ("w2", b"1", b"y")]) == 2
        assert await engine.put([("w1", b"1", b"old")]) == 0
        assert await engine.beat(["w1", "w9"]) == ["w9"]
        assert sorted(await engine.load()) == [b"x", b"y"]
        assert [key for _, key, _ in await engine.changes(start)] == ["w1", "w2"]
        fence = await engine.own("a", 10.0)
        assert sorted(await engine.expire("a", fence, -1.0) or ()) == ["w1", "w2"]
        assert await engine.load() == []
        await engine.close()


async def test_a_cluster_of_which_one_named_node_is_left_is_found(cluster: Cluster) -> None:
    """The one that a URL names first may be the one that is away."""
    owner = cluster.owner("edgeproxy:{here}:w")
    other = next(node for node in cluster.nodes if node is not owner)
    engine = Engine(connect(f"redis+cluster://127.0.0.1:1,127.0.0.1:{other.port}"), "here")
    assert await engine.put([("w1", b"1", b"x")]) == 1
    other.kill()
    with pytest.raises(EngineDown):
        await put_forever(engine)  # the slot's owner serves until it knows that the cluster lacks slots
    await asyncio.to_thread(other.start)
    await asyncio.to_thread(wait_until, cluster.is_well, "the cluster is well")
    assert await engine.load() == [b"x"]
    await engine.close()


async def put_forever(engine: Engine) -> None:
    while True:
        await engine.put([("w1", b"1", b"x")])
        await asyncio.sleep(0.1)


async def test_a_server_that_is_no_cluster_is_an_engine_that_is_down(sentinels: Sentinels) -> None:
    """RedisClusterException is no RedisError: it once ended the coordinator."""
    engine = Engine(connect(f"redis+cluster://:{PASSWORD}@127.0.0.1:{sentinels.primary().port}"), "here")
    with pytest.raises(EngineDown):
        await engine.load()
    await engine.close()


def has_tls() -> bool:
    return "libssl" in subprocess.run(["ldd", redis_program()], capture_output=True, text=True).stdout


async def test_by_tls_with_a_certificate_of_our_own(tmp_path: Path) -> None:
    if not has_tls():
        pytest.skip("this redis-server was built without TLS")
    authority = trustme.CA()
    (tmp_path / "key.pem").write_bytes((pair := authority.issue_cert("127.0.0.1")).private_key_pem.bytes())
    (tmp_path / "pair.pem").write_bytes(b"".join(part.bytes() for part in pair.cert_chain_pems))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    files = ("--tls-cert-file", "pair.pem", "--tls-key-file", "key.pem", "--tls-auth-clients", "no")
    port = free_port()
    server = Redis(free_port(), tmp_path, "--tls-port", str(port), *files)
    try:
        trusting = Engine(connect(f"valkeys://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path}/ca.pem"), "here")
        assert await trusting.put([("w1", b"1", b"x")]) == 1
        await trusting.close()
        stranger = Engine(connect(f"rediss://127.0.0.1:{port}"), "here")
        with pytest.raises(EngineDown):
            await stranger.load()
        await stranger.close()
    finally:
        server.stop()
