"""The emergency store on Cloudflare's own KV, run locally by its npm package, through the documented REST calls."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from coordinator.federation.keeper import Keeper
from coordinator.federation.roster import Roster
from edgeproxy.cluster.homes.budget import GAP
from edgeproxy.cluster.homes.directory import Directory
from edgeproxy.cluster.homes.finder import Finder
from edgeproxy.cluster.homes.kv import KEY, Store, StoreError
from edgeproxy.cluster.homes.trust import sign_bundle, sign_certificate
from tests.cluster.homes.test_trust import BUNDLE, CERTIFICATE, NOW, PRIMARY, ROOT, ROOTS

HERE = Path(__file__).parent / "kv"


def _installed() -> str:
    """Node's path, once miniflare is there. Without Node or npm's registry there is no KV to test against."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("Cloudflare's KV runs on Node: install nodejs and npm")
    if not (HERE / "node_modules" / "miniflare").exists():
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        try:
            subprocess.run(command, cwd=HERE, check=True, timeout=300, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"npm cannot install miniflare here: {error}")
    return node


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """miniflare is installed beside its package.json, once."""
    node = _installed()
    process = subprocess.Popen(
        [node, "server.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdin is not None
    url = process.stdout.readline().decode().strip().rstrip("/")
    yield url
    process.stdin.close()
    process.stdout.close()
    process.wait(20)


@pytest.fixture
async def store(api: str) -> AsyncIterator[Store]:
    async with aiohttp.ClientSession() as session:
        yield Store(session, "account", "namespace", "token", api)


def directory(**changes: object) -> Directory:
    made = Directory(BUNDLE, sign_bundle(BUNDLE, ROOT))
    made.add(sign_certificate(replace(CERTIFICATE, **changes), PRIMARY))  # type: ignore[arg-type]
    return made


def keeper(store: Store, path: Path, **changes: object) -> Keeper:
    return Keeper(store, Roster(directory(**changes), path / "list", ROOTS, PRIMARY), path / "ledger")


async def writes(store: Store) -> int:
    return int(await store.read("writes") or 0)


async def test_what_is_written_is_read(store: Store) -> None:
    await store.write(b"\x00\xff signed", "some key/with ?")
    assert await store.read("some key/with ?") == b"\x00\xff signed"
    assert await store.read("nothing") is None


async def test_a_wrong_token_is_said(store: Store) -> None:
    with pytest.raises(StoreError, match="403: Authentication error"):
        await replace(store, token="wrong").read()
    with pytest.raises(StoreError, match="404: namespace not found"):
        await replace(store, namespace="other").write(b"x")


async def test_i4_it_is_written_when_the_list_changes_and_never_else(store: Store, tmp_path: Path) -> None:
    first = keeper(store, tmp_path)
    before = await writes(store)
    await first.look(NOW)
    assert await writes(store) == before + 1
    for minute in range(24 * 60):
        await first.look(NOW + 60.0 * minute)
    assert await writes(store) == before + 1, "a day in peace"
    for restart in range(20):
        await keeper(store, tmp_path).look(NOW + restart)
    assert await writes(store) == before + 1, "restarts are no change"
    (tmp_path / "ledger").unlink()
    await keeper(store, tmp_path).look(NOW + 100)
    assert await writes(store) == before + 1, "nor is a lost ledger: it looks first"
    moved = keeper(store, tmp_path, url="http://moved:1", not_after=NOW + 90_000)
    await moved.look(NOW + GAP + 1)
    assert await writes(store) == before + 2
    read = await store.read()
    assert read is not None
    assert Directory.open(read, ROOTS).essence == moved._roster.directory.essence


async def test_who_finds_nobody_reads_the_list_there(store: Store, tmp_path: Path) -> None:
    await store.write(directory().dump())
    finder = Finder("w1", ("http://127.0.0.1:9",), ROOTS, tmp_path / "list", store)
    finder.chain._next_read = 0.0
    assert not await finder.look(store.session)
    assert finder.urls() == ["http://eu:8080", "http://primary:8080", "http://127.0.0.1:9"]
    again = Finder("w1", ("http://127.0.0.1:9",), ROOTS, tmp_path / "list")
    assert again.urls() == finder.urls(), "and keeps it on disk"


async def test_a_forged_list_in_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    await store.write(directory().dump().replace(b'"payload"', b'"payl0ad"'))
    finder = Finder("w1", ("http://127.0.0.1:9",), ROOTS, None, store)
    finder.chain._next_read = 0.0
    await finder.look(store.session)
    assert finder.urls() == ["http://127.0.0.1:9"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b'{"success": false, "errors": [{"message": "no"}]}'), (200, b"nonsense"), (502, b"<html>")],
)
async def test_a_store_that_answers_nonsense_is_down(status: int, body: bytes) -> None:
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    app.router.add_put("/{path:.*}", answer)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        store = Store(session, "a", "n", "t", str(server.make_url("")).rstrip("/"))
        with pytest.raises(StoreError):
            await store.write(b"x", KEY)
