import pytest

from coordinator import liveness


def test_a_lease_is_three_intervals_and_for_an_old_agent_ninety_seconds() -> None:
    assert liveness.lease(5.0, reports_services=True) == 15.0
    assert liveness.lease(5.0, reports_services=False) == 90.0


@pytest.mark.parametrize(
    ("age", "reported", "expected"),
    [
        (0, "registered", "healthy"),
        (59, "healthy", "healthy"),
        (59, "online", "healthy"),
        (59, "degraded", "degraded"),
        (59, "on fire", "degraded"),
        (60, "healthy", "degraded"),
        (89, "healthy", "degraded"),
        (90, "healthy", "offline"),
        (90, "degraded", "offline"),
    ],
)
def test_the_status_follows_from_the_age_of_the_lease_and_the_workers_own_word(
    age: float, reported: str, expected: str
) -> None:
    assert liveness.status(age, 90.0, reported) == expected
