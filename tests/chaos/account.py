"""The account of a chaos run, after Jepsen's total-queue checker: what was asked, what was promised, and what came out.

An attempt is *accepted* when the client saw a 2xx. It is *lost* if it was accepted and never came out, *unexpected* if it came out and was
never attempted, *duplicated* if it came out more than once, and *recovered* if it came out although the client saw no 2xx. Where the far
end cannot tell whether it took a message (RFC 1047), the product has to say so: such a one is *unknown*; it may be missing or there twice,
and is then neither lost nor duplicated. A run without attempts proves nothing and is not valid.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Account:
    """Collects a run's facts by id.

    Attributes:
        attempted: what was asked for.
        accepted: what was promised.
        delivered: what came out, and how often.
        unknown: what the product itself says it cannot know the outcome of (OUTCOME_UNKNOWN in the delivery or in its timeline).
        dead: what the far end refused for good, as the product itself says (DEAD); filled by scenarios that make far ends do so.
        unaccounted: due times that the ledger lacks, and rows of the ledger that no rule asked for (`tocsin audit`).
        whereabouts: where what is lost was last seen.
    """

    attempted: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    delivered: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    unaccounted: int = 0
    whereabouts: str = ""

    def deliver(self, ids: Iterable[str]) -> None:
        """Adds what came out."""
        self.delivered.update(ids)

    @property
    def lost(self) -> set[str]:
        """Promised, and never came out, and nobody said that this might be."""
        return self.accepted - self.delivered.keys() - self.unknown - self.dead

    @property
    def unexpected(self) -> set[str]:
        """Came out, and nobody had asked, or it had been given up."""
        return (self.delivered.keys() - self.attempted) | (self.delivered.keys() & self.dead)

    @property
    def twice(self) -> set[str]:
        """Came out more than once, allowed or not."""
        return {each for each, times in self.delivered.items() if times > 1}

    @property
    def duplicated(self) -> set[str]:
        """Came out more than once, although its outcome was known."""
        return self.twice - self.unknown

    @property
    def recovered(self) -> set[str]:
        """Came out although the client was never told so."""
        return (self.attempted - self.accepted) & self.delivered.keys()

    @property
    def verdict(self) -> str:
        """Is "valid", "invalid", or "unknown" for a run that tried nothing."""
        if not self.attempted or not self.accepted:
            return "unknown"
        return "invalid" if self.lost or self.unexpected or self.duplicated or self.unaccounted else "valid"

    def __str__(self) -> str:
        """The account in one line."""
        counts = {
            "attempted": len(self.attempted),
            "accepted": len(self.accepted),
            "delivered": len(self.delivered),
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
            "unexpected": len(self.unexpected),
            "recovered": len(self.recovered),
            "outcome unknown": len(self.unknown),
            "dead": len(self.dead),
            "unaccounted": self.unaccounted,
        }
        return f"{self.verdict}: " + ", ".join(f"{name} {count}" for name, count in counts.items())

    def faults(self, most: int = 20) -> str:
        """The ids that make it invalid, for a failure's report."""
        ids = [f"{name} {sorted(getattr(self, name))[:most]}" for name in ("lost", "duplicated", "unexpected")]
        return "\n".join([*ids, self.whereabouts])
