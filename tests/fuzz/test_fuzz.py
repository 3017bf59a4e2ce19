"""A short run of the fuzzer, the same each time, and proof that it would find something."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import properties
from tests.fuzz.corpus import KINDS, MAX_BYTES, seeds
from tests.fuzz.loop import Found, checked, plain, smallest
from tests.fuzz.mutate import mutated


def test_a_short_run_finds_nothing() -> None:
    assert plain(seed=1, runs=4000) == 4000


def test_the_seeds_are_of_every_kind_and_most_properties_see_accepted_ones() -> None:
    known = seeds()
    assert {seed[:1] for seed in known} == set(KINDS)
    assert all(sum(checked(seed) for seed in known if seed[:1] == kind) > 10 for kind in KINDS)


def test_a_change_keeps_kind_and_bound_and_comes_from_the_seed_alone() -> None:
    known = seeds()
    first, again = ([mutated(known[0], random.Random(7), known) for _ in range(3)] for _ in range(2))
    assert first == again
    chance = random.Random(1)
    for _ in range(500):
        data = mutated(chance.choice(known), chance, known)
        assert data[:1] in KINDS
        assert len(data) <= MAX_BYTES


def test_what_is_found_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> bool:
        assert b"Host" not in data
        return False

    monkeypatch.setattr("tests.fuzz.loop.check", broken)
    with pytest.raises(Found) as found:
        checked(b"QGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert found.value.data == b"QHost"
    assert smallest(b"Q123Host456") == b"QHost"


@pytest.mark.parametrize(
    ("body", "payload"), [(b"C5\r\nhello\r\n0\r\n\r\n", b"hallo"), (b"C5\r\nhello\r\n0\r\n\r\n", b"")]
)
def test_a_reader_that_reads_otherwise_is_found(body: bytes, payload: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def __init__(self, *_: object) -> None:
            self.done = True

        def feed(self, data: bytes) -> tuple[bytes, bytes]:
            return payload, b""

    monkeypatch.setattr(properties, "BodyReader", Wrong)
    with pytest.raises(Found):
        checked(body)


def test_an_error_that_is_not_ours_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise IndexError("string index out of range")

    monkeypatch.setattr(properties, "parse_request", broken)
    with pytest.raises(Found, match="IndexError"):
        checked(b"QGET / HTTP/1.1\r\nHost: a\r\n\r\n")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "EDGEPROXY_PURE"}
    command = [sys.executable, "-m", "tests.fuzz", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_is_guided_by_coverage_and_replays_what_it_kept(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    done = run("--runs", "1500", "--seconds", "20", "--seed", "3", "--corpus", str(tmp_path / "corpus"))
    assert done.returncode == 0, done.stderr
    assert "no interesting inputs" not in done.stderr
    assert " cov: " in done.stderr
    assert len(list((tmp_path / "corpus").iterdir())) > len(seeds())
    assert "replayed, nothing found" in done.stdout


def test_the_program_runs_plainly_too_and_says_what_a_file_does(tmp_path: Path) -> None:
    assert "nothing found" in run("--plain", "--runs", "50").stdout
    (tmp_path / "one").write_bytes(b"QGET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "1 inputs replayed" in run("--replay", str(tmp_path / "one")).stdout
