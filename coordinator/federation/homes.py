"""The other coordinators as they are heard, by themselves or through the primary: who is there, who is lost, and when
the workers of one that is lost are given up. Pure."""

from dataclasses import dataclass, field
from typing import Final, Literal

from coordinator.federation.link import LOST_AFTER, SUSPECT_AFTER
from coordinator.federation.messages import HomeState

ORPHANS_FOR: Final = 60.0  # a lost home's workers are routable, and have so long to find another
UNKNOWN_FOR: Final = 3600.0  # so long for one that we would hear of only through somebody who is away himself

Standing = Literal["present", "suspect", "lost", "unknown"]


@dataclass(slots=True)
class Home:
    """`heard`: when it last spoke, `through` whom we know that (None: itself). `lost_since`: it is not present."""

    heard: float
    through: str | None = None
    workers: int = 0
    accept_rate: float = 0.0
    lost_since: float | None = None


@dataclass(slots=True)
class Homes:
    """By name; never the coordinator's own."""

    known: dict[str, Home] = field(default_factory=dict)

    def hear(self, name: str, heard: float, through: str | None = None, state: HomeState | None = None) -> None:
        """It spoke at `heard`; older news are no news."""
        home = self.known.get(name)
        if home is None:
            home = self.known[name] = Home(heard, through)
        if heard >= home.heard:
            home.heard, home.through = heard, through
        if state is not None:
            home.workers, home.accept_rate = state.workers, state.accept_rate

    def through(self, name: str) -> str | None:
        home = self.known.get(name)
        return None if home is None else home.through

    def standing(self, name: str, hears_from: bool, now: float) -> Standing:
        """`hears_from`: whether we hear the one through whom we hear of it."""
        home = self.known.get(name)
        if home is None:
            return "unknown"
        silent = now - home.heard
        if silent < SUSPECT_AFTER:
            return "present"
        if home.through is not None and not hears_from:
            return "unknown"
        return "suspect" if silent < LOST_AFTER else "lost"

    def given_up(self, name: str, standing: Standing, now: float) -> bool:
        """Whether its workers have had the time to find another home."""
        home = self.known.setdefault(name, Home(now))
        if standing == "present":
            home.lost_since = None
            return False
        if standing == "suspect":
            return False
        if home.lost_since is None:  # who started after it was lost goes by the others' word, and gives up with them
            hearsay = home.through is not None and standing == "lost"
            home.lost_since = home.heard + LOST_AFTER if hearsay else now
        return now >= home.lost_since + (ORPHANS_FOR if standing == "lost" else UNKNOWN_FOR)

    def heard_directly(self, now: float) -> dict[str, HomeState]:
        """What a primary tells on."""
        return {
            name: HomeState(now - home.heard, home.workers, home.accept_rate)
            for name, home in self.known.items()
            if home.through is None
        }
