"""The sum of what regions may use never exceeds the maximum, whatever is lost on the way."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coordinator.federation.quota import Quotas, divide

REGIONS = ("eu", "us", "apac")


@given(st.integers(0, 500), st.dictionaries(st.sampled_from(REGIONS), st.integers(0, 1000), min_size=1))
def test_parts_are_whole_and_add_up(maximum: int, weights: dict[str, int]) -> None:
    parts = divide(maximum, weights)
    assert sum(parts.values()) == maximum
    total = sum(weights.values())
    if total:
        assert all(abs(parts[name] - maximum * weight / total) < 1 for name, weight in weights.items())


def test_what_one_gives_up_the_others_get_when_it_has_said_so() -> None:
    quotas = Quotas({"llm": 10})
    assert quotas.plan({"eu": 10}) == {"eu": {"llm": 10}}
    quotas.acknowledged("eu", {"llm": 10})
    assert quotas.plan({"eu": 5, "us": 5}) == {"eu": {"llm": 5}, "us": {"llm": 0}}
    quotas.acknowledged("eu", {"llm": 5})
    assert quotas.plan({"eu": 5, "us": 5}) == {"eu": {"llm": 5}, "us": {"llm": 5}}


class Partitions(RuleBasedStateMachine):
    """Messages with grants are lost, late, or come; so do the answers."""

    def __init__(self) -> None:
        super().__init__()
        self.quotas = Quotas({"llm": 12})
        self.using = dict.fromkeys(REGIONS, 0)
        self.sent: dict[str, int] = {}

    @rule(weights=st.fixed_dictionaries({name: st.integers(0, 50) for name in REGIONS}))
    def plan(self, weights: dict[str, int]) -> None:
        self.sent = {name: grant["llm"] for name, grant in self.quotas.plan(weights).items()}

    @rule(name=st.sampled_from(REGIONS))
    def hears(self, name: str) -> None:
        self.using[name] = self.sent.get(name, self.using[name])

    @rule(name=st.sampled_from(REGIONS))
    def says(self, name: str) -> None:
        self.quotas.acknowledged(name, {"llm": self.using[name]})

    @invariant()
    def never_too_many(self) -> None:
        assert sum(self.using.values()) <= 12


Partitions.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestPartitions = Partitions.TestCase
