"""What makes requests alike."""

from __future__ import annotations

import pytest

from edgeproxy.policy.affinity import PREFIX_BYTES, prompt_key, session_reader

SYSTEM = '{"role":"system","content":"You help."}'
TURN = f'{{"model":"m","messages":[{SYSTEM},{{"role":"user","content":"Hello"}}],"stream":true}}'
NEXT = (
    f'{{"model":"m","messages":[{SYSTEM},{{"role":"user","content":"Hello"}},'
    '{"role":"assistant","content":"Hi"},{"role":"user","content":"More"}]}'
)


def key(body: str) -> int:
    return prompt_key(b"", body.encode())


def test_all_turns_of_a_conversation_are_alike() -> None:
    assert key(TURN) == key(NEXT) != 0


def test_another_model_or_beginning_is_not() -> None:
    assert len({key(TURN), key(TURN.replace('"m"', '"n"')), key(TURN.replace("Hello", "Bye"))}) == 3


def test_only_the_prefix_counts() -> None:
    long = '{"model":"m","prompt":"' + "a" * PREFIX_BYTES
    assert key(long + 'b"}') == key(long + 'c"}')
    assert key('{"model":"m","prompt":"ab"}') != key('{"model":"m","prompt":"ac"}')


@pytest.mark.parametrize("body", ["", "{}", "not json", '{"model":"m"}', "\x00\xff"])
def test_no_prompt_no_key(body: str) -> None:
    assert key(body) == 0


def test_a_session_by_cookie() -> None:
    read = session_reader("cookie:sid")
    fields = b"Accept: */*\r\nCookie: other=1; sid=abc; more=2\r\n"
    assert read(fields, b"") == read(b"cookie: sid=abc\r\n", b"") != 0
    assert read(b"Cookie: sid=abd\r\n", b"") != read(fields, b"")
    assert read(b"Cookie: mysid=abc\r\n", b"") == 0
    assert read(b"X-Cookie: sid=abc\r\n", b"") == 0


def test_a_session_by_header() -> None:
    read = session_reader("header:X-User")
    assert read(b"x-user:  u1\r\n", b"") == read(b"A: b\r\nX-User: u1\r\n", b"") != 0
    assert read(b"Y-X-User: u1\r\n", b"") == 0


@pytest.mark.parametrize("wrong", ["", "cookie", "cookie:", "cookie:a b", "body:x", "header:a:b"])
def test_other_notations_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not cookie:NAME or header:NAME"):
        session_reader(wrong)
