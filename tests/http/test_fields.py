"""What each field name is to us."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproxy.errors import MALFORMED, ProtocolError
from edgeproxy.http.fields import (
    DROP,
    FORWARDED,
    GUARDED,
    PLAIN,
    REQUEST_FIELDS,
    REQUEST_KINDS,
    RESPONSE_FIELDS,
    RESPONSE_KINDS,
    TOKEN_BYTES,
    FieldNames,
)
from tests.http.noted import scan

cases = st.sampled_from([bytes.lower, bytes.upper, bytes.title, bytes.swapcase])


@given(st.sampled_from(sorted(REQUEST_KINDS)), cases)
def test_spelling_does_not_matter(name: bytes, case: object) -> None:
    assert REQUEST_FIELDS.kind(case(name), MALFORMED) == REQUEST_KINDS[name]  # type: ignore[operator]


@given(st.sampled_from([(REQUEST_FIELDS, REQUEST_KINDS), (RESPONSE_FIELDS, RESPONSE_KINDS)]), st.data(), cases)
def test_the_quick_look_misses_no_special_name(names: object, data: st.DataObject, case: object) -> None:
    """scan_fields looks a name up only where its length and first byte are those of a special one."""
    fields, kinds = names  # type: ignore[misc]
    name = data.draw(st.sampled_from(sorted(kinds)))
    line = case(name) + b": x\r\n"  # type: ignore[operator]
    notes = scan(line, 0, len(line), fields)
    assert notes.fields == b""
    assert [kind for kind, _, _ in notes.noted] == [kinds[name]] * (kinds[name] != DROP)


@given(st.sampled_from(sorted(REQUEST_KINDS)), st.data())
def test_imitations_are_refused(name: bytes, data: st.DataObject) -> None:
    at = [place for place, byte in enumerate(name) if byte == ord("-")]
    if not at:
        return
    place = data.draw(st.sampled_from(at))
    fake = name[:place] + data.draw(st.sampled_from([b"_", b"."])) + name[place + 1 :]
    with pytest.raises(ProtocolError):
        REQUEST_FIELDS.kind(fake, MALFORMED)


def test_families() -> None:
    assert REQUEST_FIELDS.kind(b"X-Forwarded-User", MALFORMED) == FORWARDED
    assert REQUEST_FIELDS.kind(b"X-Forwarded-" + b"a" * 40, MALFORMED) == FORWARDED
    assert REQUEST_FIELDS.kind(b"X-Forward", MALFORMED) == PLAIN
    assert RESPONSE_FIELDS.kind(b"x-accel-anything", MALFORMED) == GUARDED
    with pytest.raises(ProtocolError):
        REQUEST_FIELDS.kind(b"X_Forwarded.User", MALFORMED)


def test_other_names_with_an_underscore_are_dropped() -> None:
    assert REQUEST_FIELDS.kind(b"my_name", MALFORMED) == DROP
    assert REQUEST_FIELDS.kind(b"my.name", MALFORMED) == PLAIN


@given(st.binary(max_size=300))
def test_names_are_tokens(name: bytes) -> None:
    if name and len(name) <= 256 and not name.translate(None, TOKEN_BYTES):
        return
    with pytest.raises(ProtocolError):
        REQUEST_FIELDS.kind(name, MALFORMED)


def test_the_memory_of_spellings_is_bounded() -> None:
    names = FieldNames(REQUEST_KINDS, b"x-forwarded-", FORWARDED)
    for number in range(10_000):
        assert names.kind(b"name-%d" % number, MALFORMED) == PLAIN
    assert names.kind(b"CONTENT-length", MALFORMED) == REQUEST_KINDS[b"content-length"]
