"""Exchanges as bytes: there and back, and nothing but ValueError for the rest."""

import contextlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.federation.messages import MAX_EXCHANGE, Exchange, HomeState, Repair, decode, encode
from coordinator.federation.record import Claim, Record

RECORD = Record("k", "h", 1, 2, 3, 4, b'{"status":"healthy"}', Claim("v1;a", '{"worker_id":"ä"}'.encode()))
FULL = Exchange(
    sender="a",
    to="b",
    boot=1,
    number=2,
    base=3,
    seq=4,
    have=(5, 6),
    records=(RECORD,),
    roots={"h": 2**64 - 1},
    hashes={"h": tuple(range(256))},
    repairs=(Repair("h", 255, (RECORD,)),),
    homes={"h": HomeState(0.5, 7, 100.0)},
    quotas={"llm-inference": 3},
    settled=False,
    answers=9,
)


def test_there_and_back() -> None:
    assert decode(encode(FULL)) == FULL


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(orjson.loads(encode(FULL)))), JSON)
def test_a_wrong_field_is_a_value_error(name: str, value: object) -> None:
    row = orjson.loads(encode(FULL))
    row[name] = value
    with contextlib.suppress(ValueError):
        decode(orjson.dumps(row))


@given(st.binary(max_size=40))
def test_noise_is_a_value_error(noise: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says
        decode(noise)


@given(st.data())
def test_a_changed_byte_is_another_message_or_none(data: st.DataObject) -> None:
    good = bytearray(encode(FULL))
    good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        decode(bytes(good))


def test_what_is_too_long_is_not_read() -> None:
    with pytest.raises(ValueError, match="at most"):
        decode(b" " * (MAX_EXCHANGE + 1))
