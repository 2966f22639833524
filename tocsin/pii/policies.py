"""What a tenant wants done about personal data: allow, flag, redact or block; by area, by subject, by kind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from tocsin.pii.findings import EVERY_KIND, PiiKind
from tocsin.stored import known

_REMEMBERED: Final = 10_000


class Measure(Enum):
    """What is done about a finding, the mildest first."""

    ALLOW = "ALLOW"
    FLAG = "FLAG"
    REDACT = "REDACT"
    BLOCK = "BLOCK"

    @property
    def strictness(self) -> int:
        """Greater for the stricter one."""
        return _STRICTNESS[self]


_STRICTNESS: Final = {measure: number for number, measure in enumerate(Measure)}


class PiiArea(Enum):
    """Where values come in; a policy's subject is a key of a record, a handler, a topic, the code of a template."""

    RECORDS = "RECORDS"
    TASKS = "TASKS"
    EVENTS = "EVENTS"
    MESSAGES = "MESSAGES"


DEFAULT_MEASURES: Final[Mapping[PiiArea, Measure]] = {
    area: Measure.FLAG if area in (PiiArea.RECORDS, PiiArea.TASKS) else Measure.ALLOW for area in PiiArea
}
"""What holds where nobody has said anything (docs/pii.md): what is stored is flagged, what passes by is let through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PiiPolicy:
    """One policy of a tenant.

    Attributes:
        tenant: whose it is.
        measure: what is done.
        area: where; None for everywhere.
        subject: of what: a name, or its beginning with "*" behind it; "*" for everything.
        kinds: about what; none for every kind.
    """

    tenant: str
    measure: Measure
    area: PiiArea | None = None
    subject: str = "*"
    kinds: frozenset[PiiKind] = frozenset()

    def covers(self, area: PiiArea, subject: str) -> bool:
        """Whether it is about this subject."""
        if self.area not in (None, area):
            return False
        return subject.startswith(self.subject[:-1]) if self.subject.endswith("*") else subject == self.subject

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """Greater for the one that wins: by its area, then by its subject, the longer the better; of equals, the stricter."""
        return self.area is not None, not self.subject.endswith("*"), len(self.subject), self.measure.strictness


@dataclass(frozen=True)
class PiiRules:
    """What is done about each kind, for one subject; false when nothing is."""

    measures: Mapping[PiiKind, Measure]

    def __bool__(self) -> bool:
        return bool(self.kinds)

    @cached_property
    def kinds(self) -> frozenset[PiiKind]:
        """What has to be looked for."""
        return frozenset(kind for kind, measure in self.measures.items() if measure is not Measure.ALLOW)

    @cached_property
    def marked(self) -> frozenset[PiiKind]:
        """What gets a mark in its place."""
        return frozenset(kind for kind in self.kinds if self.measures[kind] is Measure.REDACT)

    def of(self, kinds: Iterable[PiiKind]) -> Measure:
        """The strictest measure for what was found; what was not looked at is treated like the worst that it could hold."""
        strictest = max(self.measures.values(), key=_STRICTNESS.__getitem__)
        found = (strictest if kind is PiiKind.UNSCANNED else self.measures.get(kind, Measure.ALLOW) for kind in kinds)
        return max(found, key=_STRICTNESS.__getitem__, default=Measure.ALLOW)


def readable(*, tenant: str, measure: str, area: str, subject: str, kinds: Iterable[str]) -> PiiPolicy:
    """The policy in these names. Of what only a later version knows, an area or a kind means nothing here, a measure the strictest."""
    names = list(kinds)
    found = frozenset(PiiKind[name] for name in names if name in PiiKind.__members__)
    strict = Measure(measure) if measure in Measure.__members__ else Measure.BLOCK
    covered = known(PiiArea, area) if area else None
    return PiiPolicy(
        tenant=tenant, measure=strict, area=covered, subject=subject, kinds=found or frozenset({PiiKind.UNSCANNED} if names else ())
    )


def measures_of(entries: Iterable[str]) -> dict[PiiArea, Measure]:
    """The measures in a setting: "records=flag"; areas that it leaves out have those of `DEFAULT_MEASURES`.

    Raises:
        ValueError: an entry is none.
    """
    found = dict(DEFAULT_MEASURES)
    for entry in entries:
        area, _, measure = entry.partition("=")
        try:
            found[PiiArea(area.strip().upper())] = Measure(measure.strip().upper())
        except ValueError:
            areas, measures = ("|".join(member.value.lower() for member in kind) for kind in (PiiArea, Measure))
            msg = f"{entry!r} is not {areas}, then =, then {measures}"
            raise ValueError(msg) from None
    return found


class PolicyBook:
    """Every tenant's policies, and the measures where it has none. Looking one up costs a microsecond."""

    def __init__(self, policies: Iterable[PiiPolicy] = (), *, defaults: Mapping[PiiArea, Measure], version: int = 0) -> None:
        """Makes the book.

        Args:
            policies: of all tenants.
            defaults: of the installation.
            version: grows with each change.
        """
        self.version = version
        self.defaults = dict(defaults)
        self._by_tenant: dict[str, list[PiiPolicy]] = {}
        for policy in policies:
            self._by_tenant.setdefault(policy.tenant, []).append(policy)
        for owned in self._by_tenant.values():
            owned.sort(key=lambda policy: policy.rank)
        self._default = {area: PiiRules(dict.fromkeys(EVERY_KIND, defaults.get(area, Measure.ALLOW))) for area in PiiArea}
        self._known: dict[tuple[str, PiiArea, str], PiiRules] = {}

    @property
    def policies(self) -> Sequence[PiiPolicy]:
        """All policies."""
        return [policy for owned in self._by_tenant.values() for policy in owned]

    def rules(self, tenant: str, area: PiiArea, subject: str) -> PiiRules:
        """What is done about values of a subject."""
        owned = self._by_tenant.get(tenant)
        if owned is None:
            return self._default[area]
        key = tenant, area, subject
        found = self._known.get(key)
        if found is None:
            found = self._made(owned, area, subject)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = found
        return found

    def _made(self, owned: Sequence[PiiPolicy], area: PiiArea, subject: str) -> PiiRules:
        measures = dict(self._default[area].measures)
        for policy in owned:  # the one that wins comes last
            if policy.covers(area, subject):
                measures.update(dict.fromkeys(policy.kinds or EVERY_KIND, policy.measure))
        return PiiRules(measures)
