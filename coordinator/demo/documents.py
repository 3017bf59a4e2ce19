"""document-processing: the text of an uploaded PDF.

`python -m coordinator.demo.documents --host H --port P`. `POST /process`, multipart field `file`, answers
`{"filename", "pages", "text", "characters"}`. The upload goes to a spool that has no name (memory, then an
unlinked file), so that no letter is left behind, however the service ends; a parser process of its own
reads it.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from aiohttp import BadContentDispositionHeader, BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from coordinator.demo.parsers import ParserBusyError, ParserFailedError, ParserPool
from coordinator.demo.pdf import SIGNATURE, SIGNATURE_WITHIN
from coordinator.demo.service import Refusal, Slots, application, error_response, json_response, run

NAME = "document-processing"
PORT = 8103
FILE_LIMIT = 50 * 1024 * 1024  # bytes of the PDF
BODY_LIMIT = FILE_LIMIT + 64 * 1024  # with the multipart framing and other small fields
IN_MEMORY = 1024 * 1024  # bytes of an upload before it goes to disk
UPLOAD_TIMEOUT = 300.0  # seconds: 50 MiB over a slow line
IDLE_TIMEOUT = 30.0  # seconds without a byte
UPLOADS = 16  # at once, so at most 800 MiB of spool
PARTS = 16  # form fields
FILENAME = 255  # characters that are given back

PARSERS = web.AppKey("parsers", ParserPool)
_SLOTS = web.AppKey("slots", Slots)


async def process(request: web.Request) -> web.Response:
    with request.app[_SLOTS].hold(), SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        filename = await _received(request, spool)
        size = spool.tell()
        spool.seek(0)
        document = await _parsed(request.app[PARSERS], spool, size)
    text = document["text"]
    return json_response({"filename": filename, "pages": document["pages"], "text": text, "characters": len(text)})


async def _received(request: web.Request, spool: IO[bytes]) -> str:
    """The name of the file that is now in the spool."""
    if request.content_type != "multipart/form-data":
        raise Refusal(415, "send multipart/form-data with the PDF in the field `file`: curl -F file=@letter.pdf")
    if (request.content_length or 0) > BODY_LIMIT:
        raise _too_large()
    try:
        async with asyncio.timeout(UPLOAD_TIMEOUT):
            return await _first_file(request, spool)
    except TimeoutError:
        raise Refusal(408, "the upload did not arrive in time") from None
    except (
        BadHttpMessage,
        web.RequestPayloadError,
        ValueError,
        LookupError,
        AssertionError,
        RuntimeError,
    ) as error:
        raise Refusal(400, f"the form is malformed: {error}"[:300]) from None  # each of these from aiohttp's reader


async def _first_file(request: web.Request, spool: IO[bytes]) -> str:
    left = BODY_LIMIT
    filename: str | None = None
    async for part in _parts(await request.multipart()):
        wanted = part.name == "file" and filename is None
        if wanted:
            filename = (part.filename or "")[:FILENAME].encode("utf-8", "replace").decode()
        left = await _read_part(part, spool if wanted else None, left)
    if filename is None:
        raise Refusal(422, "the form has no field `file`: curl -F file=@letter.pdf")
    return filename


async def _parts(reader: MultipartReader) -> AsyncIterator[BodyPartReader]:
    for _ in range(PARTS):
        part = await reader.next()
        if part is None:
            return
        if not isinstance(part, BodyPartReader):
            raise Refusal(400, "the form has a multipart field inside a multipart field")
        yield part
    raise Refusal(400, f"the form has more than {PARTS} fields")


async def _read_part(part: BodyPartReader, spool: IO[bytes] | None, left: int) -> int:
    """Copies a part to the spool, or skips it; what may still come after it, in bytes."""
    first = True
    while not part.at_eof():
        async with asyncio.timeout(IDLE_TIMEOUT):
            block = await part.read_chunk(256 * 1024)
        left -= len(block)
        if left < 0 or (spool and spool.tell() + len(block) > FILE_LIMIT):
            raise _too_large()
        if spool and first and SIGNATURE not in block[: SIGNATURE_WITHIN + len(SIGNATURE)]:
            raise Refusal(415, "the file is not a PDF: it does not begin with %PDF-")
        first = False
        if spool:
            spool.write(block)
    return left


async def _parsed(parsers: ParserPool, spool: IO[bytes], size: int) -> dict[str, Any]:
    try:
        document = await parsers.parse(spool, size)
    except ParserBusyError:
        raise Refusal(503, "every parser is busy; try again soon", retry_after=5) from None
    except ParserFailedError as error:
        raise Refusal(422, str(error)) from None
    if "error" in document:
        raise Refusal(422, document["error"])
    return document


def _too_large() -> Refusal:
    return Refusal(413, f"the file has more than {FILE_LIMIT // 1024**2} MiB")


async def _continue(request: web.Request) -> web.Response | None:
    """`Expect: 100-continue`: a body that is too large is refused before it is sent."""
    if request.headers.get("Expect", "").lower() != "100-continue":
        return error_response(request, Refusal(417, "the only expectation that is met is 100-continue"))
    if (request.content_length or 0) > BODY_LIMIT:
        return error_response(request, _too_large())
    if request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


async def _open_parsers(app: web.Application) -> AsyncIterator[None]:
    app[PARSERS] = ParserPool()
    yield
    await app[PARSERS].close()


def build() -> web.Application:
    warnings.simplefilter("ignore", BadContentDispositionHeader)  # the part then has no name
    app = application(NAME, body_limit=BODY_LIMIT)
    app[_SLOTS] = Slots(UPLOADS, "uploads")
    app.cleanup_ctx.append(_open_parsers)
    app.router.add_post("/process", process, expect_handler=_continue)
    return app


if __name__ == "__main__":
    run(build, NAME, PORT)
