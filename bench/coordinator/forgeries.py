"""A million messages that are not a worker's: changed, replayed, foreign, out of time. Not one may be accepted.

In one process and without sockets, by the gate that the coordinator uses: what is measured is whether, not how fast.
"""

import random
from collections.abc import Callable
from time import perf_counter

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from coordinator.identity.gate import Caller, Gate, Refused
from coordinator.identity.nonces import LIFETIME
from edgeproxy.cluster import proof
from edgeproxy.cluster.signer import Signer

COUNT = 1_000_000
FAR = Caller("203.0.113.9", False)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_;v"


class _World:
    """Two coordinators, two workers of the first, and what an eavesdropper has of them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 1000.0
        self.gate, self.other = Gate(), Gate()
        self.workers = {name: self._join(name) for name in ("a", "b")}
        self.heard: list[tuple[str, bytes]] = []  # good heartbeats that were accepted
        self.registered: list[tuple[str, bytes]] = []
        self.speak()

    def _join(self, name: str) -> Signer:
        signer, body = Signer(Ed25519PrivateKey.generate()), b'{"worker_id":"%b"}' % name.encode()
        admission = self.gate.admit(signer.sign(self.gate.challenge(self.now), body), body, FAR, self.now)
        signer.accept(self.gate.opened(name, admission))
        return signer

    def speak(self) -> None:
        """The workers go on with their lives, and are believed."""
        self.now += 1.0
        for name, signer in self.workers.items():
            body = b'{"worker_id":"%b","current_load":%.3f}' % (name.encode(), self.chance.random())
            header = signer.prove(proof.HEARTBEAT, body) or ""
            assert self.gate.heard(header, proof.HEARTBEAT, body) == name
            self.heard = [*self.heard[-200:], (header, body)]
        body = b'{"worker_id":"c%d"}' % len(self.registered)
        header = Signer(Ed25519PrivateKey.generate()).sign(self.gate.challenge(self.now), body)
        self.gate.admit(header, body, FAR, self.now)
        self.registered = [*self.registered[-200:], (header, body)]


def forgeries(count: int = COUNT, seed: int = 1) -> dict[str, float]:
    """`accepted` must be 0."""
    world, accepted, started = _World(seed), 0, perf_counter()
    kinds: list[Callable[[_World], tuple[str, Callable[[], object]]]] = [
        _changed_heartbeat,
        _replayed_heartbeat,
        _foreign_heartbeat,
        _raised_heartbeat,
        _other_action,
        _noise,
        _changed_registration,
        _replayed_registration,
    ]
    counts: dict[str, float] = {}
    for number in range(count):
        if number % 5000 == 0:
            world.speak()
        # registrations cost a hundred microseconds: one in fifty
        kind = kinds[number % 6] if number % 50 else kinds[6 + number // 50 % 2]
        name, attempt = kind(world)
        counts[name] = counts.get(name, 0) + 1
        try:
            attempt()
            accepted += 1
        except Refused:
            pass
    return {"messages": count, "accepted": accepted, "seconds": perf_counter() - started, **counts}


def _attempt(world: _World, header: str, body: bytes, action: bytes = proof.HEARTBEAT) -> Callable[[], object]:
    return lambda: world.gate.heard(header, action, body)


def _mutated(world: _World, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(world.chance.randint(1, 3)):
        place = world.chance.randrange(len(changed))
        match world.chance.randrange(3):
            case 0:
                changed[place] ^= 1 << world.chance.randrange(8)
            case 1:
                changed[place : place + 1] = b""
            case _:
                changed.insert(place, ord(world.chance.choice(_ALPHABET)))
        if not changed:
            return b"x"
    return bytes(changed)


def _changed_heartbeat(world: _World) -> tuple[str, Callable[[], object]]:
    """One that never arrived, changed on its way."""
    name = world.chance.choice("ab")
    body = b'{"worker_id":"%b"}' % name.encode()
    header = world.workers[name].prove(proof.HEARTBEAT, body) or ""
    if world.chance.random() < 0.5:
        changed = _mutated(world, body)
        return "changed", _attempt(world, header, changed if changed != body else body + b" ")
    forged = _mutated(world, header.encode()).decode("latin-1")
    return "changed", _attempt(world, forged if forged != header else header + "A", body)


def _replayed_heartbeat(world: _World) -> tuple[str, Callable[[], object]]:
    return "replayed", _attempt(world, *world.chance.choice(world.heard))


def _foreign_heartbeat(world: _World) -> tuple[str, Callable[[], object]]:
    """A good one, for another coordinator's ears."""
    header, body = world.chance.choice(world.heard)
    return "foreign", lambda: world.other.heard(header, proof.HEARTBEAT, body)


def _raised_heartbeat(world: _World) -> tuple[str, Callable[[], object]]:
    """An old one with a new number."""
    header, body = world.chance.choice(world.heard)
    version, session, sequence, code = header.split(";")
    raised = f"{version};{session};{int(sequence) + world.chance.randint(1, 10**6)};{code}"
    return "raised", _attempt(world, raised, body)


def _other_action(world: _World) -> tuple[str, Callable[[], object]]:
    """A heartbeat's proof, to sign the worker off."""
    header, body = world.chance.choice(world.heard)
    return "other action", _attempt(world, header, body, proof.unregister_action(world.chance.choice("ab")))


def _noise(world: _World) -> tuple[str, Callable[[], object]]:
    text = "".join(world.chance.choices(_ALPHABET, k=world.chance.randrange(120)))
    return "noise", _attempt(world, ("v1;" if world.chance.random() < 0.8 else "") + text, b"{}")


def _changed_registration(world: _World) -> tuple[str, Callable[[], object]]:
    body = b'{"worker_id":"a"}'
    header = Signer(Ed25519PrivateKey.generate()).sign(world.gate.challenge(world.now), body)
    changed = _mutated(world, body)
    return "changed registration", lambda: world.gate.admit(
        header, changed if changed != body else body + b" ", FAR, world.now
    )


def _replayed_registration(world: _World) -> tuple[str, Callable[[], object]]:
    """To the same coordinator again, now or much later, or to another."""
    header, body = world.chance.choice(world.registered)
    gate = world.chance.choice((world.gate, world.other))
    now = world.now + world.chance.choice((0.0, LIFETIME / 2, LIFETIME * 1.5))
    return "replayed registration", lambda: gate.admit(header, body, FAR, now)
