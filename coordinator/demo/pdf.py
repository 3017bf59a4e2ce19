"""The text of a PDF, taken in a process of its own because a PDF is a program from a stranger.

`python -m coordinator.demo.pdf` serves one caller over pipes. Request: 8 bytes big-endian length, then the
file. Answer: one line of JSON, `{"pages": int, "text": str}` or `{"error": str}`. The process ends at the
end of its input. It bounds itself, too: memory by RLIMIT_AS, and an alarm ends it where a document outlasts
its caller.
"""

from __future__ import annotations

import io
import logging
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

import orjson

LENGTH = struct.Struct(">Q")
MAX_PAGES = 500
MAX_CHARACTERS = 4_000_000  # some 1500 pages of print
MEMORY = 1536 * 1024 * 1024  # bytes of address space: the file, and what pypdf allows one stream to grow to
TIME_LIMIT = 20.0  # seconds for one document
SIGNATURE = b"%PDF-"
SIGNATURE_WITHIN = 1024  # bytes of junk that readers tolerate before the signature (ISO 32000-1, Annex H)


class UnreadableError(Exception):
    """The document cannot be taken; the message is for the person who uploaded it."""


def extract(data: bytes) -> dict[str, Any]:
    """`{"pages", "text"}`; UnreadableError where the file is broken, locked or too much."""
    from pypdf import PasswordType, PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and reader.decrypt("") is PasswordType.NOT_DECRYPTED:
        raise UnreadableError("the PDF is encrypted with a password; send it without one")
    count = len(reader.pages)
    if count > MAX_PAGES:
        raise UnreadableError(f"the PDF has {count} pages, at most {MAX_PAGES} are read")
    texts: list[str] = []
    for page in reader.pages:
        texts.append(page.extract_text())
        if sum(map(len, texts)) > MAX_CHARACTERS:
            raise UnreadableError(f"the PDF has more than {MAX_CHARACTERS} characters of text")
    return {"pages": count, "text": _well_formed("\n".join(texts))}


def _well_formed(text: str) -> str:
    """Surrogates joined, or replaced where they stand alone: a hostile font map names them, JSON cannot."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def answer(data: bytes) -> dict[str, Any]:
    from pypdf.errors import LimitReachedError

    try:
        return extract(data)
    except UnreadableError as error:
        return {"error": str(error)}
    except LimitReachedError:
        return {"error": "the PDF unpacks to more than is read of one stream"}
    except MemoryError:
        return {"error": "the PDF takes too much memory"}
    except Exception as error:  # pypdf raises what Python raises where a file lies about itself
        print(f"unreadable PDF: {type(error).__name__}: {error}"[:500], file=sys.stderr, flush=True)
        return {"error": "the PDF is damaged or incomplete"}


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        (size,) = LENGTH.unpack(head)
        data = requests.read(size)
        if len(data) < size:
            return
        signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT + 2)
        line = orjson.dumps(answer(data), option=orjson.OPT_APPEND_NEWLINE)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answers.write(line)
        answers.flush()


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM):  # the service drains and then closes the pipe
        signal.signal(ignored, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing but answers may be written there
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
