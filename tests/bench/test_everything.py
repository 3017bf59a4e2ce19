"""Every part runs once, the peers last; a goal that is missed stops nothing, a part that fails is said."""

from collections.abc import Sequence

from bench.everything import PEERS, commands, run
from bench.results import Goal, goals


def goal(part: str, apart: bool = False) -> Goal:
    return Goal("n", "a", "t", part, f"python -m bench.{part}", f"python -m bench.{part} --quick", apart)


def test_each_command_once_the_peers_last_and_long_ones_left_out() -> None:
    wanted = [goal(PEERS), goal("guard"), goal("guard"), goal("soak", apart=True)]
    assert commands(wanted, quick=False) == ["python -m bench.guard", "python -m bench.peers"]
    assert commands(wanted, quick=True) == ["python -m bench.guard --quick", "python -m bench.peers --quick"]


def test_every_part_of_the_file_is_run_or_apart() -> None:
    run_by = set(commands(goals(), quick=False))
    assert all(one.apart or one.command in run_by for one in goals())
    assert commands(goals(), quick=False)[-1] == "python -m bench"


def test_a_part_that_fails_takes_no_other_with_it() -> None:
    asked: list[Sequence[str]] = []

    def call(command: list[str]) -> int:
        asked.append(command)
        return len(asked) - 1

    assert run(["a", "b", "c d"], call) == ["c d: exit code 2"]
    assert asked == [["a"], ["b"], ["c", "d"]]
