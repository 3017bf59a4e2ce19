import asyncio
import io
import os
import signal
import zlib

import psutil
import pytest
from aiohttp import ClientSession, FormData, web
from pypdf import PdfWriter

from coordinator.demo import documents
from coordinator.demo.parsers import ParserPool
from coordinator.demo.sample import letter

from .conftest import Start

LETTER = letter([["Dear Ms Example,", "you owe us 120.50 pounds."], ["Second page (with \\ and brackets)"]])


def form(data: bytes, field: str = "file", filename: str = "letter.pdf") -> FormData:
    made = FormData()
    made.add_field(field, data, filename=filename, content_type="application/pdf")
    return made


async def refused(session: ClientSession, url: str, body: object, **options: object) -> tuple[int, str]:
    async with session.post(f"{url}/process", data=body, **options) as response:
        return response.status, (await response.json())["detail"]


def with_stream(stream: bytes, dictionary: bytes) -> bytes:
    """A letter whose one content stream is replaced; its xref is then wrong, which readers mend."""
    begin, end = (one := letter([["x"]])).index(b"<< /Length"), one.index(b"endstream")
    head = b"<< /Length %d %s >>\nstream\n" % (len(stream), dictionary)
    return one[:begin] + head + stream + b"\n" + one[end:]


async def test_a_letter_gives_its_text(start: Start, session: ClientSession) -> None:
    url = await start(documents.build())
    async with session.post(f"{url}/process", data=form(LETTER)) as response:
        answer = await response.json()
    assert response.status == 200
    assert (answer["filename"], answer["pages"]) == ("letter.pdf", 2)
    assert "you owe us 120.50 pounds." in answer["text"]
    assert "Second page (with \\ and brackets)" in answer["text"]
    assert answer["characters"] == len(answer["text"])


async def test_other_fields_are_skipped_and_a_chunked_body_is_fine(start: Start, session: ClientSession) -> None:
    url = await start(documents.build())
    body = FormData()
    body.add_field("note", "x" * 10_000)
    body.add_field("file", LETTER, filename="l.pdf")
    body.add_field("after", "y")
    async with session.post(f"{url}/process", data=body, chunked=True) as response:
        assert (response.status, (await response.json())["pages"]) == (200, 2)


async def test_many_uploads_share_the_parsers(start: Start, session: ClientSession) -> None:
    url = await start(documents.build())

    async def pages() -> int:
        async with session.post(f"{url}/process", data=form(LETTER)) as response:
            return (await response.json())["pages"]

    assert await asyncio.gather(*(pages() for _ in range(8))) == [2] * 8


async def test_a_scrambled_but_open_pdf_is_read_and_a_locked_one_refused(start: Start, session: ClientSession) -> None:
    url = await start(documents.build())
    for password, status in (("", 200), ("secret", 422)):
        writer = PdfWriter(clone_from=io.BytesIO(LETTER))
        writer.encrypt(password, owner_password="owner", algorithm="AES-256")
        locked = io.BytesIO()
        writer.write(locked)
        async with session.post(f"{url}/process", data=form(locked.getvalue())) as response:
            assert response.status == status
    assert "password" in (await refused(session, url, form(locked.getvalue())))[1]


BOMB = zlib.compress(b"BT (x) Tj ET " * 16_000_000, 9)  # 200 KB become 200 MB

HOSTILE = {
    "truncated": LETTER[: len(LETTER) // 2],
    "only the signature": b"%PDF-1.7\n",
    "garbage": b"%PDF-1.7\n" + os.urandom(5000),
    "pages that contain themselves": LETTER.replace(b"/Kids [4 0 R", b"/Kids [2 0 R"),
    "zip bomb": with_stream(BOMB, b"/Filter /FlateDecode"),
    "bomb in a bomb": with_stream(zlib.compress(BOMB, 9), b"/Filter [/FlateDecode /FlateDecode]"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_pdf_is_422_and_the_service_lives_on(start: Start, session: ClientSession, name: str) -> None:
    url = await start(documents.build())
    status, detail = await refused(session, url, form(HOSTILE[name]))
    assert status == 422
    assert ("unpacks" if "bomb" in name else "damaged") in detail
    async with session.post(f"{url}/process", data=form(LETTER)) as response:
        assert response.status == 200


async def test_too_many_pages_are_refused(start: Start, session: ClientSession) -> None:
    url = await start(documents.build())
    status, detail = await refused(session, url, form(letter([["page"]] * 501)))
    assert (status, "501 pages" in detail) == (422, True)


async def test_what_is_no_pdf_is_415(start: Start, session: ClientSession) -> None:
    url = await start(documents.build())
    assert (await refused(session, url, form(b"GIF89a")))[0] == 415
    assert (await refused(session, url, form(b"")))[0] == 415
    assert (await refused(session, url, LETTER))[0] == 415
    assert (await refused(session, url, {"file": "x"}))[0] == 415


MALFORMED = [
    (b"", "multipart/form-data"),
    (b"", "multipart/form-data; boundary=x"),
    (b"no boundary here", "multipart/form-data; boundary=x"),
    (b"--x\r\n", "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n%PDF-1.4", "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: ;;;\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"--x\r\nno colon\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Length: -5\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (
        b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n--x--\r\n",
        "multipart/form-data; boundary=x",
    ),
    (b"--x\r\nContent-Type: multipart/mixed\r\n\r\n--y--\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (
        b"--x\r\nContent-Disposition: form-data; name=_charset_\r\n\r\n\xff\xff\r\n--x--\r\n",
        "multipart/form-data; boundary=x",
    ),
    (b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"--x\r\nA: " + b"b" * 100_000 + b"\r\n\r\nx\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b"--x\r\n\r\nx\r\n" * 100 + b"--x--\r\n", "multipart/form-data; boundary=x"),
]


@pytest.mark.parametrize(("body", "content_type"), MALFORMED)
async def test_a_malformed_form_is_the_clients_fault(
    start: Start, session: ClientSession, body: bytes, content_type: str
) -> None:
    url = await start(documents.build())
    status, _ = await refused(session, url, body, headers={"Content-Type": content_type})
    assert status in (400, 415, 422)


async def test_the_wrong_field_is_named(start: Start, session: ClientSession) -> None:
    status, detail = await refused(session, await start(documents.build()), form(LETTER, field="upload"))
    assert (status, "`file`" in detail) == (422, True)


async def test_a_large_file_is_413_whether_it_says_so_or_not(
    start: Start, session: ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "FILE_LIMIT", 100_000)
    monkeypatch.setattr(documents, "BODY_LIMIT", 110_000)
    url = await start(documents.build())
    assert (await refused(session, url, form(LETTER + bytes(200_000))))[0] == 413
    assert (await refused(session, url, form(LETTER + bytes(200_000)), chunked=True))[0] == 413
    assert (await refused(session, url, form(LETTER + bytes(103_000)), chunked=True))[0] == 413


async def test_expect_100_continue_is_refused_before_the_body(start: Start) -> None:
    port = int((await start(documents.build())).rsplit(":", 1)[1])
    for length, answer in ((10**9, b"HTTP/1.1 413 "), (100, b"HTTP/1.1 100 ")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = "POST /process HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        writer.write(f"{head}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert (await reader.readline()).startswith(answer)
        writer.close()
        await writer.wait_closed()


async def test_a_stalled_upload_is_timed_out(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "UPLOAD_TIMEOUT", 0.05)
    port = int((await start(documents.build())).rsplit(":", 1)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /process HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    writer.write(f"{head}Content-Length: 999\r\n\r\n--x\r\n".encode())
    async with asyncio.timeout(5):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


def parser_of(app: web.Application) -> int:
    (process,) = app[documents.PARSERS]._idle
    return process.pid


async def test_a_parser_that_was_killed_is_replaced(start: Start, session: ClientSession) -> None:
    app = documents.build()
    url = await start(app)
    for _ in range(2):
        async with session.post(f"{url}/process", data=form(LETTER)) as response:
            assert response.status == 200
        os.kill(parser_of(app), signal.SIGKILL)
        await asyncio.sleep(0.05)


def parsers() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "coordinator.demo.pdf" in child.cmdline()]


async def test_the_parser_ends_when_the_client_goes_away(start: Start) -> None:
    port = int((await start(documents.build())).rsplit(":", 1)[1])
    book = letter([["a line of a long book"] * 60] * 400)  # takes about a second to read
    body = b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\n%s\r\n--x--\r\n" % book
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /process HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    writer.write(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode() + body)
    async with asyncio.timeout(10):
        while not parsers():
            await asyncio.sleep(0.01)
        writer.close()
        while parsers():  # one that had answered would be kept
            await asyncio.sleep(0.01)


async def test_the_time_limit_ends_the_parser_and_its_process() -> None:
    pool = ParserPool(time_limit=0.001)  # no process starts so fast
    with pytest.raises(Exception, match=r"more than 0\.001 seconds"):
        await pool.parse(io.BytesIO(LETTER), len(LETTER))
    assert pool._idle == []
    await pool.close()
