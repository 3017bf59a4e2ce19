"""The operator's policy file, as text that was found good."""

from __future__ import annotations

from pathlib import Path

from edgeproxy.policy.document import read_document

MAX_DOCUMENT = 4 * 1024 * 1024


def read_text(path: Path) -> str:
    """The text of a policy file that is one; ValueError says why it is none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise ValueError(error.strerror or "cannot be read") from None
    if len(content) > MAX_DOCUMENT:
        raise ValueError(f"is longer than {MAX_DOCUMENT} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError("is not a text in UTF-8") from None
    read_document(text)
    return text
