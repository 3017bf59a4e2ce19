"""The machines' small values on disk, beside the registry's state: one JSON object, written anew when it changed."""

import asyncio
from pathlib import Path
from typing import Final

import orjson
import structlog

from coordinator.keyvalues import MAX_VALUE, MOST, KeyValues
from coordinator.statefile import replace_file, set_aside

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
MAX_FILE: Final = 2 * MOST * MAX_VALUE


class KeyValueFile:
    """`load()` once, `follow()` until it is cancelled, `flush()` at the end."""

    def __init__(self, path: Path, values: KeyValues) -> None:
        self._path, self._values = path, values
        self._written = values.revision
        self._failed = False

    def load(self) -> None:
        """A file that is none of ours is set aside, with a message."""
        try:
            with self._path.open("rb") as file:
                content = file.read(MAX_FILE + 1)
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("the values' file cannot be read", path=str(self._path), reason=error.strerror)
            return
        try:
            told = orjson.loads(content) if len(content) <= MAX_FILE else None
            if not isinstance(told, dict):
                raise ValueError("it is no JSON object")
            self._values.restore(told)
        except ValueError as error:  # JSONDecodeError too
            set_aside(self._path, str(error))
        else:
            self._written = self._values.revision

    async def follow(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.flush()

    async def flush(self) -> None:
        """What changed since the last time; an error is told once, and tried again."""
        revision = self._values.revision
        if revision == self._written:
            return
        content = orjson.dumps(self._values.told()) + b"\n"
        try:
            await asyncio.to_thread(replace_file, self._path, content)
        except OSError as error:
            if not self._failed:
                log.error("the values' file cannot be written", path=str(self._path), reason=error.strerror)
            self._failed = True
        else:
            self._written, self._failed = revision, False
