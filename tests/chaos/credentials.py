"""What happened to credentials while what knows them was killed, and whether it was right."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

REFUSED = frozenset({401, 403})


@dataclass(slots=True)
class CredentialAccount:
    """Collects a run's facts, by the credential.

    Attributes:
        counts: what was done: "sign-ins", "uses", "refreshes", "revocations", "keys".
        valid: good for all that anybody was told.
        revoked: of which an answer said that they are no more.
        successors: of each refresh token, how many pairs it gave.
        refused: a valid one was told that it is not, with where and the status: while auth_svc is away that is 503.
        revived: was refused at a gateway after its revocation, and taken by the same one later.
        taken: was revoked, and is still taken at the end.
        lost: is valid, and refused at the end.
        broken_chains: tenants whose audit log does not verify.
    """

    counts: Counter[str] = field(default_factory=Counter)
    valid: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    successors: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    broken_chains: list[str] = field(default_factory=list)

    @property
    def doubled(self) -> list[str]:
        """Refresh tokens that gave more than one pair."""
        return [token for token, count in self.successors.items() if count > 1]

    @property
    def faults(self) -> Mapping[str, list[str]]:
        """What was wrong, by kind."""
        found = {
            "refused although valid": self.refused,
            "lost": self.lost,
            "taken although revoked": self.taken,
            "revived": self.revived,
            "refresh tokens doubled": self.doubled,
            "audit logs broken": self.broken_chains,
        }
        return {kind: each for kind, each in found.items() if each}

    @property
    def verdict(self) -> str:
        """Is "valid", "invalid", or "unknown" for a run that did not try everything."""
        if self.faults:
            return "invalid"
        tried = all(self.counts[each] for each in ("sign-ins", "uses", "refreshes", "revocations", "keys"))
        return "valid" if tried and self.valid and self.revoked else "unknown"

    def __str__(self) -> str:
        """The account in one line."""
        done = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        faults = ", ".join(f"{kind} {len(each)}" for kind, each in self.faults.items()) or "no faults"
        return f"{self.verdict}: {done}; at the end {len(self.valid)} valid, {len(self.revoked)} revoked; {faults}"
