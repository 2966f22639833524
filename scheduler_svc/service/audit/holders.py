"""What held back an incident: silences and other incidents, and when they did so. Pure."""

from collections.abc import Mapping
from typing import Final

from scheduler_svc.domain.silences import SilenceTimes
from scheduler_svc.ports.incident_audit import IncidentLife
from tocsin.recurrence import Micros

SILENCES: Final = "silences/"
INCIDENTS: Final = "incidents/"


class Holders:
    """The silences of a tenant, and the incidents that its timelines name as the reason why nobody was told."""

    def __init__(self, silences: Mapping[str, SilenceTimes]) -> None:
        """Knows no incident yet."""
        self.silences = silences
        self.lives: dict[str, IncidentLife | None] = {}
        """By id; None for one that is not there any more."""

    def could(self, holder: str, at: Micros, *, skew: Micros) -> bool:
        """Whether an incident could hold back others at an instant: it was open, by some clock, or nobody knows."""
        life = self.lives.get(holder.removeprefix(INCIDENTS))
        return life is None or (life.opened <= at + skew and (life.ended is None or life.ended >= at - skew))

    def free_at(self, holder: str, held_at: Micros, now: Micros) -> Micros:
        """When what holds back a step was over at the latest; ``now`` or later: it is not."""
        if holder.startswith(INCIDENTS):
            life = self.lives.get(holder.removeprefix(INCIDENTS))
            return now if life is None or life.ended is None else max(held_at, life.ended)
        times = self.silences.get(holder.removeprefix(SILENCES))
        if times is None:
            return held_at
        found = times.until(held_at)
        while found is not None and found < now and (further := times.until(found)) is not None:
            found = further
        return held_at if found is None else found
