"""What is done about personal data where a value comes in."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from tocsin.alerts import AlertKind, Alerts, Severity
from tocsin.errors import FieldViolation, InvalidInput
from tocsin.pii.detection import find, redact
from tocsin.pii.findings import EVERY_KIND, PiiKind
from tocsin.pii.policies import Measure, PiiArea, PiiRules, PolicyBook
from tocsin.pii.values import scan_value

_AT_ONCE: Final = 8_000
"""Characters that are looked at on the event loop: about a millisecond."""
_GRAVE: Final = frozenset({PiiKind.CARD, PiiKind.IBAN, PiiKind.NATIONAL_ID})


class PiiRefused(InvalidInput):
    """The request holds personal data that a policy does not let in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PiiVerdict:
    """What came of a check.

    Attributes:
        measure: the strictest that applied; ALLOW when nothing was found.
        values: the values, with marks where a policy wants them.
        kinds: what was found, by field.
    """

    measure: Measure
    values: Mapping[str, Any]
    kinds: Mapping[str, frozenset[PiiKind]]

    @property
    def blocked(self) -> bool:
        """Whether the values must not go on."""
        return self.measure is Measure.BLOCK

    @property
    def words(self) -> str:
        """The kinds, for people: "card, email"."""
        return _words(kind for kinds in self.kinds.values() for kind in kinds)

    def require(self) -> Mapping[str, Any]:
        """The values that may go on.

        Raises:
            PiiRefused: a policy blocks them; the error names fields and kinds, never a value.
        """
        if not self.blocked:
            return self.values
        violations = [FieldViolation(field, f"holds personal data: {_words(kinds)}") for field, kinds in self.kinds.items()]
        raise PiiRefused("; ".join(f"{each.field}: {each.description}" for each in violations), violations=violations)


class PiiGuard:
    """Checks values against the policies in force, and reports what it finds."""

    def __init__(self, *, book: Callable[[], PolicyBook], alerts: Alerts) -> None:
        """Makes the guard.

        Args:
            book: the policies in force.
            alerts: told of each finding.
        """
        self._book = book
        self._alerts = alerts

    def rules(self, tenant: str, area: PiiArea, subject: str) -> PiiRules:
        """What is done about values of a subject; false when nobody wants them looked at."""
        return self._book().rules(tenant, area, subject)

    async def check(
        self,
        *,
        tenant: str,
        area: PiiArea,
        subject: str,
        values: Mapping[str, Any],
        identifiers: Mapping[str, str] | None = None,
        caller: str = "",
    ) -> PiiVerdict:
        """Looks at values, and reports what is found.

        Args:
            tenant: whose they are.
            area: where they come in.
            subject: what a policy may name: a key, a handler, a topic, a template.
            values: free-form JSON by field.
            identifiers: texts by field that cannot bear a mark, for others know the thing by them: they are blocked instead.
            caller: the subject of the token.
        """
        rules = self.rules(tenant, area, subject)
        if not rules:
            return PiiVerdict(measure=Measure.ALLOW, values=values, kinds={})
        names = identifiers or {}
        if _is_long(values) or _is_long(names):
            verdict = await asyncio.to_thread(_verdict, rules, values, names)
        else:
            verdict = _verdict(rules, values, names)
        if verdict.kinds:
            self._report(verdict, tenant=tenant, area=area, subject=subject, caller=caller)
        return verdict

    def _report(self, verdict: PiiVerdict, *, tenant: str, area: PiiArea, subject: str, caller: str) -> None:
        found = {kind for kinds in verdict.kinds.values() for kind in kinds}
        place = area.value.lower()
        latest = f"{place}/{redact(subject, find(subject, EVERY_KIND))}" if subject else place
        self._alerts.report(
            kind=AlertKind.PII_FOUND,
            severity=Severity.HIGH if found & _GRAVE else Severity.MEDIUM,
            tenant=tenant,
            subject=caller,
            place=place,
            latest=latest,
            detail=f"{verdict.words}: {_DONE[verdict.measure]}",
        )


_DONE: Final = {Measure.ALLOW: "passed", Measure.FLAG: "passed", Measure.REDACT: "redacted", Measure.BLOCK: "blocked"}


def _verdict(rules: PiiRules, values: Mapping[str, Any], identifiers: Mapping[str, str]) -> PiiVerdict:
    found: dict[str, frozenset[PiiKind]] = {}
    shown: dict[str, Any] = {}
    measure = Measure.ALLOW
    for field, value in values.items():
        scanned = scan_value(value, rules.kinds, marked=rules.marked, path=field, about=field)
        shown[field] = scanned.value
        for path, kinds in scanned.kinds.items():
            found[path] = kinds
            measure = max(measure, rules.of(kinds), key=_strictness)
    for field, text in identifiers.items():
        kinds = frozenset(each.kind for each in find(text, rules.kinds))
        if kinds:
            found[field] = kinds
            wanted = rules.of(kinds)
            measure = max(measure, Measure.BLOCK if wanted is Measure.REDACT else wanted, key=_strictness)
    return PiiVerdict(measure=measure, values=shown, kinds=found)


def _strictness(measure: Measure) -> int:
    return measure.strictness


def _is_long(value: object) -> bool:
    """Whether looking at a JSON value takes longer than a moment: by a count that ends as soon as it is known."""
    room = _AT_ONCE
    waiting: list[Any] = [value]
    while waiting and room > 0:
        item = waiting.pop()
        room -= 20
        if isinstance(item, str):
            room -= len(item)
        elif isinstance(item, Mapping):
            members = cast("Mapping[str, Any]", item)
            room -= sum(map(len, members))
            waiting += members.values()
        elif isinstance(item, list):
            waiting += cast("list[Any]", item)
    return room <= 0


def _words(kinds: Any) -> str:
    return ", ".join(sorted({kind.value for kind in kinds}))
