"""What coordinators say to each other: one shape for question and answer. Pure.

    Exchange    "these of my records changed after the position that you last told me; I hold yours up to here;
                 my digests; the buckets that you lack; who I hear, and how long ago"

JSON over HTTP. `decode` raises ValueError with one line for whatever is not an exchange, or is too long.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from coordinator.federation.record import BUCKETS, MAX_FACTS, MAX_NUMBER, Claim, Record

MAX_PAGE: Final = 500  # records of one exchange: 500 KiB of usual ones
MAX_EXCHANGE: Final = 4 * 1024 * 1024
MAX_HOMES: Final = 256
MAX_NAME: Final = 512
MAX_CLAIM: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Repair:
    """All the records that the sender holds of a home, in one bucket."""

    home: str
    bucket: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class HomeState:
    """What the sender knows of a coordinator: seconds since it was heard, its workers, and registrations a second
    that it takes."""

    age: float
    workers: int = 0
    accept_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """`number` rises with every message of a sender's life. `base` < changes told <= `seq`. `have` is (boot, seq) of
    the receiver's changes that the sender holds: it binds the message to this life of the receiver. `answers`: the
    number of the message that this one answers."""

    sender: str
    to: str
    boot: int
    number: int
    base: int
    seq: int
    have: tuple[int, int] = (0, 0)
    records: tuple[Record, ...] = ()
    roots: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    repairs: tuple[Repair, ...] = ()
    homes: Mapping[str, HomeState] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    settled: bool = True
    answers: int = 0


def encode(message: Exchange) -> bytes:
    return orjson.dumps(
        {
            "sender": message.sender,
            "to": message.to,
            "boot": message.boot,
            "number": message.number,
            "base": message.base,
            "seq": message.seq,
            "have": message.have,
            "records": [row_of(record) for record in message.records],
            "roots": {home: f"{root:x}" for home, root in message.roots.items()},
            "hashes": {home: _packed(hashes) for home, hashes in message.hashes.items()},
            "repairs": [[r.home, r.bucket, [row_of(record) for record in r.records]] for r in message.repairs],
            "homes": {home: [state.age, state.workers, state.accept_rate] for home, state in message.homes.items()},
            "quotas": dict(message.quotas),
            "settled": message.settled,
            "answers": message.answers,
        }
    )


def decode(data: bytes) -> Exchange:
    if len(data) > MAX_EXCHANGE:
        raise ValueError(f"an exchange is at most {MAX_EXCHANGE} bytes")
    try:
        read = orjson.loads(data)
        if not isinstance(read, dict):
            raise ValueError("not an object")
        return _exchange(read)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an exchange: {type(error).__name__} {error}"[:200]) from None


def _exchange(read: dict[str, Any]) -> Exchange:
    have_boot, have_seq = read["have"]
    return Exchange(
        sender=_name(read["sender"]),
        to=_name(read["to"]),
        boot=_number(read["boot"]),
        number=_number(read["number"]),
        base=_number(read["base"]),
        seq=_number(read["seq"]),
        have=(_number(have_boot), _number(have_seq)),
        records=_records(read["records"]),
        roots={_name(home): _hex(root) for home, root in _few(read["roots"]).items()},
        hashes={_name(home): _unpacked(hashes) for home, hashes in _few(read["hashes"]).items()},
        repairs=_repairs(read["repairs"]),
        homes={_name(home): _state(state) for home, state in _few(read["homes"]).items()},
        quotas={_name(name): _number(value) for name, value in _few(read["quotas"]).items()},
        settled=read["settled"] is True,
        answers=_number(read["answers"]),
    )


def row_of(record: Record) -> list[Any]:
    return [
        record.key,
        record.home,
        record.incarnation,
        record.home_epoch,
        record.boot,
        record.seq,
        record.facts.decode(),
        record.claim.header,
        record.claim.body.decode(),
        record.gone,
        record.up,
    ]


def record_of(row: Any) -> Record:
    """ValueError for a row that is none of ours."""
    if not isinstance(row, list) or len(row) != 11:
        raise ValueError("not a record")
    key, home, incarnation, home_epoch, boot, seq, facts, header, body, gone, up = row
    return Record(
        key=_name(key),
        home=_name(home),
        incarnation=_number(incarnation),
        home_epoch=_number(home_epoch),
        boot=_number(boot),
        seq=_number(seq),
        facts=_text(facts, MAX_FACTS).encode(),
        claim=Claim(_text(header, MAX_NAME), _text(body, MAX_CLAIM).encode()),
        gone=gone is True,
        up=up is True,
    )


def _records(rows: Any, most: int = MAX_PAGE) -> tuple[Record, ...]:
    if not isinstance(rows, list) or len(rows) > most:
        raise ValueError(f"more than {most} records")
    return tuple(record_of(row) for row in rows)


def _repairs(rows: Any) -> tuple[Repair, ...]:
    if not isinstance(rows, list) or len(rows) > BUCKETS:
        raise ValueError(f"more than {BUCKETS} repairs")
    repairs = []
    for home, index, records in rows:
        if not 0 <= _number(index) < BUCKETS:
            raise ValueError("there is no such bucket")
        repairs.append(Repair(_name(home), index, _records(records, MAX_PAGE * 4)))
    return tuple(repairs)


def _state(state: Any) -> HomeState:
    age, workers, rate = state
    return HomeState(_seconds(age), _number(workers), _seconds(rate))


def _few(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > MAX_HOMES:
        raise ValueError(f"more than {MAX_HOMES} entries")
    return value


def _name(value: Any) -> str:
    return _text(value, MAX_NAME)


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"not a text of at most {most} characters")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < MAX_NUMBER:
        raise ValueError("not a number from 0 to 2^53")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_NUMBER:
        raise ValueError("not a number of seconds")
    return float(value)


def _hex(value: Any) -> int:
    text = _text(value, 16)
    if not text or not all(c in "0123456789abcdef" for c in text):
        raise ValueError("not a root")
    return int(text, 16)


def _packed(hashes: tuple[int, ...]) -> str:
    return _base64(b"".join(value.to_bytes(8, "big") for value in hashes))


def _unpacked(value: Any) -> tuple[int, ...]:
    data = _unbase64(value)
    if len(data) != BUCKETS * 8:
        raise ValueError(f"not {BUCKETS} hashes")
    return tuple(int.from_bytes(data[i : i + 8], "big") for i in range(0, len(data), 8))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value, MAX_CLAIM * 2), validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
