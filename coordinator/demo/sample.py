"""A PDF made by hand: lines of text on A4 pages in Helvetica (ISO 32000-1, 7.5 and 9.4)."""

from __future__ import annotations

from collections.abc import Sequence

LETTER = [
    [
        "Thameside Homes Ltd",
        "",
        "Dear Ms Example,",
        "",
        "Our records show that your rent account is 120.50 pounds behind.",
        "Please pay this amount or speak to us before 30 November.",
        "We can agree on a plan that you can afford.",
        "",
        "Yours sincerely,",
        "The rent team",
    ]
]


def letter(pages: Sequence[Sequence[str]] = LETTER) -> bytes:
    """A PDF with one page for each list of lines."""
    numbers = [4 + 2 * index for index in range(len(pages))]  # each page is followed by its content
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, lines in zip(numbers, pages, strict=True):
        objects += [_page(number + 1), _stream(lines)]
    return _file(objects)


def _page(content: int) -> bytes:
    font = "/Resources << /Font << /F1 3 0 R >> >>"
    return f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] {font} /Contents {content} 0 R >>".encode()


def _stream(lines: Sequence[str]) -> bytes:
    shown = b"".join(b"(" + _escaped(line) + b") Tj T*\n" for line in lines)
    text = b"BT /F1 12 Tf 16 TL 60 780 Td\n" + shown + b"ET"
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text)


def _escaped(line: str) -> bytes:
    raw = line.encode("cp1252", "replace")
    return raw.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    body, offsets = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start, size = len(body), len(objects) + 1
    body += b"xref\n0 %d\n0000000000 65535 f \n" % size
    body += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    body += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, start)
    return bytes(body)
