"""How many workers of each region may run a service that has a maximum in the whole fleet. Pure.

The primary grants; a region obeys its last grant for as long as it is cut off. What was granted counts until the region
has said that it has the lower one, so the sum never exceeds the maximum, whoever hears what and when.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Grant = dict[str, int]


def divide(maximum: int, weights: Mapping[str, int]) -> Grant:
    """In whole parts, by weight; the largest remainders first, then by name. Without any weight, evenly."""
    if not weights:
        return {}
    total = sum(weights.values())
    shares = {name: maximum * (weight if total else 1) / (total or len(weights)) for name, weight in weights.items()}
    parts = {name: int(share) for name, share in shares.items()}
    rest = maximum - sum(parts.values())
    for name in sorted(shares, key=lambda name: (parts[name] - shares[name], name))[:rest]:
        parts[name] += 1
    return parts


@dataclass(slots=True)
class Quotas:
    """`maxima` by service. `outstanding[region][service]` may be in use there; `offered` is what we last said."""

    maxima: Mapping[str, int]
    outstanding: dict[str, Grant] = field(default_factory=dict)
    offered: dict[str, Grant] = field(default_factory=dict)

    def plan(self, regions: Mapping[str, int]) -> dict[str, Grant]:
        """What to tell each region now, by how many workers each has."""
        for service, maximum in self.maxima.items():
            self._share(service, maximum, divide(maximum, regions))
        return {region: dict(self.offered.get(region, {})) for region in regions}

    def acknowledged(self, region: str, grant: Mapping[str, int]) -> None:
        """A region says by which grant it goes now."""
        offered, outstanding = self.offered.get(region, {}), self.outstanding.setdefault(region, {})
        for service, amount in grant.items():
            if service in offered and amount == offered[service]:
                outstanding[service] = amount

    def _share(self, service: str, maximum: int, targets: Grant) -> None:
        used = sum(grant.get(service, 0) for grant in self.outstanding.values())
        for region, target in targets.items():
            outstanding = self.outstanding.setdefault(region, {})
            had = outstanding.get(service, 0)
            more = max(0, min(target - had, maximum - used))
            used += more
            outstanding[service] = had + more
            self.offered.setdefault(region, {})[service] = min(target, had + more)
