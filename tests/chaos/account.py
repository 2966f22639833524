"""The account of a chaos run, after Jepsen's total-queue checker: what was asked, what was promised, and what came out.

An attempt is *accepted* when the client saw a 2xx. It is *lost* if it was accepted and never came out, *unexpected* if it came out and was
never attempted, *duplicated* if it came out more than once, and *recovered* if it came out although the client saw no 2xx. A run without
attempts proves nothing and is not valid.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Account:
    """Collects a run's facts by id."""

    attempted: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    delivered: Counter[str] = field(default_factory=Counter)

    def deliver(self, ids: Iterable[str]) -> None:
        """Adds what came out."""
        self.delivered.update(ids)

    @property
    def lost(self) -> set[str]:
        """Promised, and never came out."""
        return self.accepted - self.delivered.keys()

    @property
    def unexpected(self) -> set[str]:
        """Came out, and nobody had asked."""
        return self.delivered.keys() - self.attempted

    @property
    def duplicated(self) -> set[str]:
        """Came out more than once."""
        return {each for each, times in self.delivered.items() if times > 1}

    @property
    def recovered(self) -> set[str]:
        """Came out although the client was never told so."""
        return (self.attempted - self.accepted) & self.delivered.keys()

    @property
    def verdict(self) -> str:
        """Is "valid", "invalid", or "unknown" for a run that tried nothing."""
        if not self.attempted or not self.accepted:
            return "unknown"
        return "invalid" if self.lost or self.unexpected or self.duplicated else "valid"

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
        }
        return f"{self.verdict}: " + ", ".join(f"{name} {count}" for name, count in counts.items())
