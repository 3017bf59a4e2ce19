import asyncio
import sys

from coordinator.demo.service import application

from .conftest import Start


async def run(url: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "coordinator.demo.echo", url, "grüße"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, error = await process.communicate()
    return process.returncode, out.decode(), error.decode()


async def test_the_text_comes_back(start: Start) -> None:
    url = (await start(application("echo"))).replace("http", "ws")
    assert await run(f"{url}/echo") == (0, "grüße\n", "")


async def test_no_websocket_is_one_line_and_exit_1(start: Start) -> None:
    url = (await start(application("echo"))).replace("http", "ws")
    code, _, error = await run(f"{url}/health")
    assert (code, error.count("\n")) == (1, 1)
