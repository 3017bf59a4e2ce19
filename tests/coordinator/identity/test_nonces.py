"""Good once, for a while, and remembered no longer than that."""

import secrets

import pytest

from coordinator.identity import nonces as module
from coordinator.identity.nonces import LIFETIME, Nonces, NoncesExhausted


def test_each_is_good_once() -> None:
    nonces = Nonces()
    one, two = nonces.issue(0.0), nonces.issue(0.0)
    assert one != two
    assert [nonces.take(nonce, 1.0) for nonce in (one, one, two, two)] == [True, False, True, False]
    assert not nonces.take(secrets.token_bytes(32), 1.0)
    assert not Nonces().take(nonces.issue(0.0), 1.0)
    assert not nonces.take(b"", 1.0)


def test_a_used_one_is_never_good_again_however_the_generations_turn() -> None:
    nonces = Nonces()
    for start in range(0, 600, 7):
        nonce = nonces.issue(start)
        assert nonces.take(nonce, start + 59.9)
        for later in (59.95, 60.0, 60.1, 119.0, 121.0):
            assert not nonces.take(nonce, start + later)


def test_old_ones_are_forgotten() -> None:
    nonces = Nonces()
    for second in range(1000):
        assert nonces.take(nonces.issue(second), second)
        assert len(nonces._used) + len(nonces._used_before) <= 2 * LIFETIME + 1


def test_more_than_can_be_remembered_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_USED", 3)
    nonces = Nonces()
    for _ in range(3):
        assert nonces.take(nonces.issue(0.0), 0.0)
    with pytest.raises(NoncesExhausted):
        nonces.take(nonces.issue(0.0), 0.0)
    assert nonces.take(nonces.issue(200.0), 200.0)
