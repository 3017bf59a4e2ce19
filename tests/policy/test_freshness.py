"""RFC 9111 by its sections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.policy.freshness import Asked, Said, asked_by, directives, fields_of, fresh, seconds, selected, unchanged

NOTHING = Asked(b"")
DATE = b"Date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"


def lifetime(*lines: bytes, status: int = 200, asked: Asked = NOTHING, known: bool = False) -> int:
    return Said(status, b"".join(line + b"\r\n" for line in lines), asked, known).lifetime


def asking(*lines: bytes) -> Asked:
    return Asked(b"".join(line + b"\r\n" for line in lines))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b"max-age=5, public", {b"max-age": b"5", b"public": b""}),
        (b'MAX-AGE="5",no-cache="set-cookie, a"', {b"max-age": b"5", b"no-cache": b"set-cookie, a"}),
        (b"max-age=5, max-age=7", {b"max-age": b"5"}),
        (b",, ,private ,", {b"private": b""}),
        (b"", {}),
    ],
)
def test_directives(value: bytes, read: dict[bytes, bytes]) -> None:
    assert directives(value) == read


NAMES = (b"Cache-Control", b"PRAGMA", b"range", b"If-None-Match", b"if-modified-since", b"If-Range", b"If-Match")
OTHERS = (b"Cookie", b"Content-Type", b"Referer", b"Cache-Controls", b"Icy", b"Ranges", b"X-Range", b"P")


def wants(asked: Asked) -> tuple[object, ...]:
    return (asked.no_store, asked.no_cache, asked.only_stored, asked.max_age, asked.min_fresh, asked.whole)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES + OTHERS),
            st.sampled_from((b"", b"no-cache", b"no-store, max-age=3", b"range: no-cache")),
        ),
        max_size=6,
    )
)
def test_no_wish_is_overlooked(fields: list[tuple[bytes, bytes]]) -> None:
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    quick, whole = asked_by(lines), Asked(lines)
    assert wants(quick) == wants(whole)
    assert (quick.etags, quick.modified_since) == (whole.etags, whole.modified_since)


def test_who_wants_nothing_shares_one_answer() -> None:
    assert (
        asked_by(b"Cookie: range: 1\r\nAccept: */*\r\n") is asked_by(b"") is asked_by(b"Cache-Controls: no-cache\r\n")
    )


@pytest.mark.parametrize(
    ("value", "read"),
    [(None, None), (b"0", 0), (b"60", 60), (b"-1", 0), (b"1.5", 0), (b"", 0), (b"9" * 12, 2**31), (b"9" * 50, 0)],
)
def test_seconds(value: bytes | None, read: int | None) -> None:
    assert seconds(value) == read


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"Cache-Control: max-age=60"], 60),
        ([b"cache-control: public, max-age=60, s-maxage=30"], 30),
        ([b"Cache-Control: max-age=60", b"Cache-Control: no-store"], 0),
        ([b"Cache-Control: private, max-age=60"], 0),
        ([b'Cache-Control: private="x", max-age=60'], 0),
        ([b"Cache-Control: no-cache, max-age=60"], 0),
        ([b"Cache-Control: max-age=bad"], 0),
        ([b"Cache-Control: public"], 0),
        ([b"Last-Modified: Tue, 24 Nov 2020 12:00:00 GMT"], 0),  # no guessing
        ([DATE[:-2], b"Expires: Tue, 24 Nov 2026 12:01:00 GMT"], 60),
        ([DATE[:-2], b"Expires: Tue, 24 Nov 2026 11:00:00 GMT"], 0),
        ([DATE[:-2], b"Expires: 0"], 0),
        ([b"Expires: Tue, 24 Nov 2026 12:01:00 GMT"], 0),
        ([DATE[:-2], b"Expires: Tue, 24 Nov 2026 12:01:00 GMT", b"Cache-Control: max-age=5"], 5),
        ([b"Cache-Control: max-age=60", b"CDN-Cache-Control: max-age=5"], 5),
        ([b"Cache-Control: no-store", b"CDN-Cache-Control: max-age=5"], 5),
        ([b"Cache-Control: max-age=60", b"CDN-Cache-Control: no-store"], 0),
        ([b"Cache-Control: max-age=60", b"Set-Cookie: a=b"], 0),
        ([b"Cache-Control: max-age=60", b"Vary: *"], 0),
        ([b"Cache-Control: max-age=60", b"Vary: accept, *"], 0),
        ([b"Cache-Control: max-age=60", b"Vary: Accept"], 60),
    ],
)
def test_what_is_stored_for_how_long(lines: list[bytes], expected: int) -> None:
    assert lifetime(*lines) == expected


@pytest.mark.parametrize(
    ("status", "stored"), [(200, True), (404, True), (206, False), (302, False), (304, False), (500, False)]
)
def test_which_answers_are_stored(status: int, stored: bool) -> None:
    assert (lifetime(b"Cache-Control: max-age=60", status=status) > 0) is stored


@pytest.mark.parametrize(
    ("control", "stored"),
    [(b"max-age=60", 0), (b"max-age=60, public", 60), (b"s-maxage=60", 60), (b"max-age=60, must-revalidate", 60)],
)
def test_an_answer_to_one_who_is_known_is_not_for_others(control: bytes, stored: int) -> None:
    """Section 3.5."""
    assert lifetime(b"Cache-Control: " + control, known=True) == stored


def test_a_request_may_forbid_storing() -> None:
    assert lifetime(b"Cache-Control: max-age=60", asked=asking(b"Cache-Control: no-store")) == 0


@pytest.mark.parametrize(
    ("lines", "age", "good"),
    [
        ([], 59, True),
        ([], 60, False),
        ([b"Cache-Control: no-cache"], 0, False),
        ([b"Pragma: no-cache"], 0, False),
        ([b"Pragma: no-cache", b"Cache-Control: max-age=10"], 5, True),
        ([b"Cache-Control: max-age=10"], 10, True),
        ([b"Cache-Control: max-age=10"], 11, False),
        ([b"Cache-Control: max-age=0"], 1, False),
        ([b"Cache-Control: min-fresh=10"], 49, True),
        ([b"Cache-Control: min-fresh=10"], 50, False),
        ([b"Cache-Control: max-stale"], 61, False),
    ],
)
def test_what_is_fresh_enough(lines: list[bytes], age: int, good: bool) -> None:
    assert fresh(asking(*lines), 60, age) is good


@pytest.mark.parametrize("line", [b"Range: bytes=0-1", b'If-Match: "a"', b"If-Range: x", b"If-Unmodified-Since: x"])
def test_who_wants_a_part_is_not_answered_from_here(line: bytes) -> None:
    assert not asking(line).whole
    assert asking(b"Accept: a").whole


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (b'If-None-Match: "a"', True),
        (b'If-None-Match: W/"a"', True),
        (b'If-None-Match: "b", "a"', True),
        (b"If-None-Match: *", True),
        (b'If-None-Match: "b"', False),
        (b"If-None-Match: a", False),
        (b"If-Modified-Since: Tue, 24 Nov 2026 12:00:00 GMT", True),
        (b"If-Modified-Since: Tue, 24 Nov 2026 12:00:01 GMT", True),
        (b"If-Modified-Since: Tue, 24 Nov 2026 11:59:59 GMT", False),
        (b"If-Modified-Since: yesterday", False),
    ],
)
def test_who_has_it_already(line: bytes, known: bool) -> None:
    assert unchanged(asking(line), b'W/"a"', b"Tue, 24 Nov 2026 12:00:00 GMT") is known


def test_an_etag_goes_before_a_date() -> None:
    """RFC 9110 section 13.2.2."""
    both = asking(b'If-None-Match: "b"', b"If-Modified-Since: Tue, 24 Nov 2026 12:00:00 GMT")
    assert not unchanged(both, b'"a"', b"Tue, 24 Nov 2026 12:00:00 GMT")


def test_selecting_fields() -> None:
    lines = b"Accept: a\r\nAccept: b\r\nX-A: \r\n"
    assert selected(lines, (b"accept", b"x-a", b"x-b")) == (b"a, b", b"", b"\x00")
    assert selected(lines, ()) == ()


@given(st.binary(max_size=200))
def test_nothing_that_is_said_makes_it_fail(value: bytes) -> None:
    line = value.translate(None, b"\r\n")
    for name in (
        b"Cache-Control",
        b"Expires",
        b"Age",
        b"Vary",
        b"ETag",
        b"Date",
        b"If-None-Match",
        b"If-Modified-Since",
    ):
        lines = name + b": " + line + b"\r\n"
        asked = Asked(lines)
        Said(200, lines + b"Cache-Control: max-age=1\r\n", asked, known=False)
        unchanged(asked, b'"a"', b"Tue, 24 Nov 2026 12:00:00 GMT")
        fields_of(lines, frozenset({b"vary"}))
