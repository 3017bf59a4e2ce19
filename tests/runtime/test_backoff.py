from edgeproxy.runtime.backoff import STEADY, Backoff


def test_doubles_up_to_the_most() -> None:
    backoff = Backoff(0.1, 1.0)
    assert [round(backoff.next(), 3) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_begins_anew_after_a_long_life() -> None:
    backoff = Backoff(0.1, 10.0)
    backoff.next()
    backoff.next(lived=STEADY - 1)
    assert backoff.next(lived=STEADY) == 0.1


def test_jitter_is_a_part_of_the_limit() -> None:
    backoff = Backoff(1.0, 1.0, jitter=True)
    waits = [backoff.next() for _ in range(50)]
    assert all(0 <= wait <= 1 for wait in waits)
    assert len(set(waits)) > 10


def test_many_tries_do_not_overflow() -> None:
    backoff = Backoff(0.1, 10.0)
    assert [backoff.next() for _ in range(5000)][-1] == 10.0
