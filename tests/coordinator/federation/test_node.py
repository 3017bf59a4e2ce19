"""Coordinators that talk: deltas, repair, replays, strangers, lost homes."""

from dataclasses import replace

import pytest

from coordinator.federation.link import Peer
from coordinator.federation.messages import Exchange, decode, encode
from coordinator.federation.node import Node, Refused
from coordinator.federation.record import Record


class Group:
    """A primary `p` and regions; every poll is delivered at once unless the pair is cut."""

    def __init__(self, *regions: str) -> None:
        self.now = 0.0
        self.nodes = {name: Node(name, boot=1) for name in regions}
        self.nodes["p"] = Node("p", boot=1, role="primary")
        self.cut: set[frozenset[str]] = set()
        peers = [Peer(name, "primary" if name == "p" else "regional", f"http://{name}") for name in self.nodes]
        for name, node in self.nodes.items():
            hub = [peer for peer in peers if "p" in (name, peer.name)]
            node.know(hub)

    def run(self, seconds: float, step: float = 0.1) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += step
            for node in self.nodes.values():
                node.advance(self.now)
                self.exchange(node)

    def exchange(self, node: Node) -> None:
        for peer, message in node.poll(self.now):
            if frozenset({node.name, peer.name}) in self.cut:
                node.failed(peer.name, self.now)
                continue
            try:
                answer = self.nodes[peer.name].receive(decode(encode(message)), self.now)
            except Refused as refused:
                if refused.boot:
                    node.outlived(refused.boot, self.now)
                node.failed(peer.name, self.now)
            else:
                node.answered(peer.name, decode(encode(answer)), self.now)

    def register(self, home: str, key: str, epoch: int = 1, **changes: object) -> Record:
        node = self.nodes[home]
        record = Record(key, home, 1, epoch, node.boot, node.observation())
        record = replace(record, **changes)  # type: ignore[arg-type]
        assert node.publish(record, self.now)
        return record

    def keys(self, name: str) -> set[str]:
        return {record.key for record in self.nodes[name].routable(self.now)}


def test_what_registers_in_one_region_is_known_in_all() -> None:
    group = Group("eu", "us", "apac")
    group.run(2.0)
    group.register("eu", "w1")
    group.run(1.0)
    assert group.keys("p") == group.keys("us") == group.keys("apac") == {"w1"}


def test_pages_follow_each_other_at_once() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    for number in range(2_300):
        group.register("eu", f"w{number}")
    group.run(2.0)
    assert len(group.keys("us")) == 2_300


def test_a_moved_worker_has_one_home_and_the_old_one_is_told() -> None:
    group = Group("eu", "us")
    taken: list[Record] = []
    group.nodes["eu"].on_taken = taken.append
    group.run(2.0)
    group.register("eu", "w1")
    group.run(1.0)
    group.register("us", "w1", epoch=2)
    group.run(2.0)
    assert [record.home for record in taken] == ["eu"]
    for node in group.nodes.values():
        assert node.view.records["w1"].home == "us"


def test_a_stale_home_never_wins() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    old = group.register("eu", "w1")
    group.run(1.0)
    group.cut.add(frozenset({"eu", "p"}))
    group.register("us", "w1", epoch=2)
    eu = group.nodes["eu"]
    for _ in range(5):
        eu.publish(old.observed(eu.boot, eu.observation()), group.now)
    group.run(3.0)
    group.cut.clear()
    group.run(5.0)
    assert {node.view.records["w1"].home for node in group.nodes.values()} == {"us"}


def test_digests_find_and_repair_what_was_lost() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    for number in range(50):
        group.register("eu", f"w{number}")
    group.run(1.0)
    for number in range(10):
        group.nodes["p"].view.drop(f"w{number}")
        group.nodes["us"].view.drop(f"w{number + 20}")
    stale = Record("ghost", "eu", 1, 1, 1, 9_999)
    group.nodes["p"].view.put(stale, group.now)
    group.run(25.0)
    assert group.keys("p") == group.keys("us") == group.keys("eu")
    assert len(group.keys("us")) == 50


def test_what_left_leaves_everywhere_and_does_not_come_back() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    record = group.register("eu", "w1")
    group.run(1.0)
    eu = group.nodes["eu"]
    eu.publish(record.observed(eu.boot, eu.observation(), gone=True), group.now)
    group.run(1.0)
    assert not group.keys("us")
    group.nodes["us"]._admit(group.nodes["us"].links["p"], record, group.now)
    assert not group.keys("us")
    group.run(700.0, step=1.0)
    assert all(not node.view.records for node in group.nodes.values())


def test_orphans_are_routable_for_a_minute_and_then_given_up() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    group.register("eu", "w1")
    group.run(2.0)
    group.cut.add(frozenset({"eu", "p"}))
    group.run(10.0)
    assert group.nodes["p"].standing("eu", group.now) == "lost"
    assert group.nodes["us"].standing("eu", group.now) == "lost"
    assert group.keys("us") == group.keys("p") == {"w1"}
    group.run(60.0)
    assert not group.keys("p")
    assert not group.keys("us")
    assert group.keys("eu") == {"w1"}
    group.cut.clear()
    group.run(5.0)
    assert group.keys("p") == group.keys("us") == {"w1"}


def test_who_starts_after_a_home_was_lost_gives_its_orphans_up_with_the_others() -> None:
    group = Group("eu", "us", "apac")
    group.run(2.0)
    group.register("eu", "w1")
    group.run(2.0)
    group.cut.add(frozenset({"eu", "p"}))
    group.run(40.0)
    group.nodes["apac"] = Node("apac", boot=2)
    group.nodes["apac"].know([Peer("p", "primary", "http://p")])
    group.run(5.0)
    assert group.keys("apac") == group.keys("us") == {"w1"}
    group.run(25.0)
    assert group.keys("apac") == group.keys("us") == set()


def test_a_home_that_comes_back_is_reminded_by_whoever_remembers_and_tells_all() -> None:
    """A region alone still holds what the primary has given up."""
    group = Group("eu", "us")
    eu, us = (Peer(name, "regional", f"http://{name}") for name in ("eu", "us"))
    primary = Peer("p", "primary", "http://p")
    group.nodes["eu"].know([primary, us])
    group.nodes["us"].know([primary, eu])
    group.run(2.0)
    group.register("eu", "w1")
    group.run(2.0)
    group.cut.update({frozenset({"eu", "p"}), frozenset({"us", "p"}), frozenset({"eu", "us"})})
    group.run(5.0)
    group.nodes["p"].view.drop("w1")
    assert group.keys("us") == {"w1"}
    group.nodes["eu"] = Node("eu", boot=2, settled=False)
    group.nodes["eu"].know([primary, us])
    group.cut.clear()
    group.run(4.0)
    assert group.keys("eu") == group.keys("us") == group.keys("p") == {"w1"}


def test_a_region_that_loses_the_primary_does_not_judge_the_others() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    group.register("eu", "w1")
    group.run(2.0)
    group.cut.update({frozenset({"us", "p"}), frozenset({"eu", "p"})})
    group.run(1200.0, step=0.5)
    assert group.nodes["us"].standing("eu", group.now) == "unknown"
    assert group.keys("us") == {"w1"}


def test_a_restart_forgets_positions_and_loses_nobody() -> None:
    group = Group("eu", "us")
    group.run(2.0)
    group.register("eu", "w1")
    group.run(1.0)
    reborn = Node("eu", boot=2, settled=False)
    reborn.know([Peer("p", "primary", "http://p")])
    group.nodes["eu"] = reborn
    group.run(15.0)
    assert group.keys("us") == group.keys("eu") == {"w1"}
    reborn.settle(group.now)
    group.run(15.0)
    assert not group.keys("us")


def test_a_clock_that_went_back_does_not_shut_a_coordinator_out() -> None:
    group = Group("eu", "us")
    group.nodes["eu"].boot = group.nodes["eu"].changes.boot = 1_000
    group.run(2.0)
    group.register("eu", "w1")
    group.run(2.0)
    reborn = Node("eu", boot=5)
    reborn.know([Peer("p", "primary", "http://p")])
    group.nodes["eu"] = reborn
    group.register("eu", "w2")
    group.run(15.0)
    assert reborn.boot == 1_001
    assert group.keys("us") == {"w2"}


@pytest.fixture
def talk() -> tuple[Node, Exchange]:
    """A primary, and a good message for it."""
    primary, region = Node("p", boot=7, role="primary"), Node("eu", boot=3)
    primary.know([Peer("eu")])
    region.know([Peer("p", "primary", "http://p")])
    ((_, hello),) = region.poll(0.0)
    region.answered("p", primary.receive(hello, 0.0), 0.0)
    region.publish(Record("w1", "eu", 1, 1, 3, 1), 0.0)
    ((_, message),) = region.poll(1.0)
    return primary, message


def test_a_replay_is_refused_and_counted(talk: tuple[Node, Exchange]) -> None:
    primary, message = talk
    primary.receive(message, 1.0)
    with pytest.raises(Refused, match="replayed"):
        primary.receive(message, 1.1)
    assert primary.counts["refused_replayed"] == 1


def test_a_recording_is_worthless_after_a_restart(talk: tuple[Node, Exchange]) -> None:
    _, message = talk
    reborn = Node("p", boot=8, role="primary")
    reborn.know([Peer("eu")])
    answer = reborn.receive(message, 2.0)
    assert not reborn.view.records
    assert not answer.records
    assert reborn.standing("eu", 2.0) == "unknown"


@pytest.mark.parametrize(
    ("changes", "reason"), [({"to": "q"}, "misdirected"), ({"sender": "mallory"}, "stranger"), ({"boot": 2}, "")]
)
def test_other_peoples_messages_are_refused(
    talk: tuple[Node, Exchange], changes: dict[str, object], reason: str
) -> None:
    primary, message = talk
    primary.receive(message, 1.0)
    with pytest.raises(Refused, match=reason or "outlived"):
        primary.receive(replace(message, **changes), 1.0)  # type: ignore[arg-type]


def test_a_region_cannot_speak_for_another(talk: tuple[Node, Exchange]) -> None:
    primary, message = talk
    foreign = replace(message.records[0], key="w2", home="us")
    primary.receive(replace(message, records=(foreign, *message.records)), 1.0)
    assert set(primary.view.records) == {"w1"}
    assert primary.counts["refused_foreign"] == 1


def test_a_forged_claim_is_refused(talk: tuple[Node, Exchange]) -> None:
    primary, message = talk
    primary.genuine = lambda record: False
    primary.receive(message, 1.0)
    assert not primary.view.records
    assert primary.counts["refused_forged"] == 1


def test_a_flood_is_throttled(talk: tuple[Node, Exchange]) -> None:
    primary, message = talk
    for number in range(61):
        primary.receive(replace(message, number=message.number + number), 1.0)
    with pytest.raises(Refused, match="throttled"):
        primary.receive(replace(message, number=message.number + 62), 1.0)
    primary.receive(replace(message, number=message.number + 63), 1.1)


def test_an_answer_to_another_question_is_refused() -> None:
    primary, region = Node("p", boot=7, role="primary"), Node("eu", boot=3)
    primary.know([Peer("eu")])
    region.know([Peer("p", "primary", "http://p")])
    ((_, hello),) = region.poll(0.0)
    answer = primary.receive(hello, 0.0)
    with pytest.raises(Refused, match="foreign"):
        region.answered("p", replace(answer, answers=answer.answers + 1), 0.0)
    with pytest.raises(Refused, match="foreign"):
        region.answered("p", replace(answer, have=(2, 0)), 0.0)
    region.answered("p", answer, 0.0)
    with pytest.raises(Refused, match="foreign"):
        region.answered("p", answer, 0.0)
