"""What makes requests alike: the session in a cookie or field, or model and prompt prefix in a JSON body.

A prompt's prefix is what stands before the first answer: the same for all turns of a conversation, and for all
conversations that begin alike. It is found by its shape and not parsed, since only the first bytes are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from edgeproxy.policy.hashing import seed_of

KeyReader = Callable[[bytes, bytes], int]
"""(field lines, first bytes of the body) to a key; 0 where there is none."""

PEEK_BYTES = 4096
"""Of a body, for which a request waits: more than the head of any JSON request and a system prompt's beginning."""
PREFIX_BYTES = 1024

_MODEL = re.compile(rb'"model"\s{0,8}:\s{0,8}"([^"\\]{1,200})"')
_PROMPT = re.compile(rb'"(?:messages|prompt|input)"\s{0,8}:')
_FIRST_ANSWER = re.compile(rb'\}\s{0,64}(?:\]|,\s{0,64}\{\s{0,64}"role"\s{0,8}:\s{0,8}"assistant")')
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")


def prompt_key(fields: bytes, body: bytes) -> int:
    """By model and prompt prefix."""
    prompt = _PROMPT.search(body)
    if prompt is None:
        return 0
    prefix = body[prompt.end() : prompt.end() + PREFIX_BYTES]
    cut = _FIRST_ANSWER.search(prefix)
    model = _MODEL.search(body)
    return seed_of((model[1] if model else b"") + b"\0" + (prefix[: cut.start()] if cut else prefix))


def session_reader(notation: str) -> KeyReader:
    """`cookie:NAME` or `header:NAME`; ValueError says what is wrong."""
    kind, _, name = notation.partition(":")
    if kind not in ("cookie", "header") or not _NAME.fullmatch(name):
        raise ValueError(f"{notation[:100]!r} is not cookie:NAME or header:NAME")
    shown = re.escape(name.encode("ascii"))
    if kind == "header":
        pattern = re.compile(rb"(?:^|\n)" + shown + rb":[ \t]*([^\r\n]{1,4096})", re.IGNORECASE)
    else:
        cookie = rb"(?:^|\n)[Cc][Oo][Oo][Kk][Ii][Ee]:(?:[^\r\n]{0,8192};)?[ \t]*" + shown + rb"=([^;\r\n]{1,4096})"
        pattern = re.compile(cookie)

    def key(fields: bytes, body: bytes) -> int:
        found = pattern.search(fields)
        return seed_of(found[1]) if found else 0

    return key
