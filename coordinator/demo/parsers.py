"""A small pool of parser processes (`coordinator.demo.pdf`): one document at a time each.

A parser that outlasts the time limit, dies, or whose caller has gone is killed: only an idle and honest one
is kept.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import IO, Any

import orjson

from coordinator.demo.pdf import LENGTH, TIME_LIMIT

PARSERS = 2  # processes; text extraction is CPU work
QUEUE_TIMEOUT = 30.0  # seconds to wait for a free parser
BLOCK = 256 * 1024  # bytes
ANSWER_LIMIT = 32 * 1024 * 1024  # bytes: MAX_CHARACTERS, each at most six bytes of JSON
GRACE = 1.0  # seconds between closing a parser's input and killing it


class ParserBusyError(Exception):
    """No parser became free within QUEUE_TIMEOUT."""


class ParserFailedError(Exception):
    """The parser died or ran out of time over this document."""


class ParserPool:
    """`parse` may be called by any number of tasks of one loop; `close` ends every process."""

    def __init__(self, size: int = PARSERS, time_limit: float = TIME_LIMIT) -> None:
        self._free = asyncio.Semaphore(size)
        self._idle: list[Process] = []
        self._time_limit = time_limit

    async def parse(self, file: IO[bytes], size: int) -> dict[str, Any]:
        """The parser's answer for the file from its current position on."""
        try:
            async with asyncio.timeout(QUEUE_TIMEOUT):
                await self._free.acquire()
        except TimeoutError:
            raise ParserBusyError from None
        try:
            return await self._parse(file, size)
        finally:
            self._free.release()

    async def close(self) -> None:
        while self._idle:
            await _end(self._idle.pop(), GRACE)

    async def _parse(self, file: IO[bytes], size: int) -> dict[str, Any]:
        process = await self._parser()
        try:
            async with asyncio.timeout(self._time_limit):
                answer = await _ask(process, file, size)
        except TimeoutError:
            raise ParserFailedError(f"the PDF takes more than {self._time_limit:g} seconds to read") from None
        except (OSError, ValueError) as error:
            raise ParserFailedError("the PDF could not be read") from error
        else:
            self._idle.append(process)
            return answer
        finally:
            if process not in self._idle:
                await _end(process, 0)

    async def _parser(self) -> Process:
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "coordinator.demo.pdf", stdin=PIPE, stdout=PIPE, limit=ANSWER_LIMIT
        )


async def _ask(process: Process, file: IO[bytes], size: int) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(LENGTH.pack(size))
    while block := file.read(BLOCK):
        process.stdin.write(block)
        await process.stdin.drain()
    answer: dict[str, Any] = orjson.loads(await process.stdout.readline())  # an empty line: it died
    return answer


async def _end(process: Process, grace: float) -> None:
    assert process.stdin is not None
    process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(grace):
            await process.wait()
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
