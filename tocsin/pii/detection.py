"""PiiFinding personal data in a text, in time that grows with its length alone."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias

from tocsin.pii.addresses import emails, ip_addresses
from tocsin.pii.budget import Budget
from tocsin.pii.findings import EVERY_KIND, PiiFinding, PiiKind
from tocsin.pii.folding import fold
from tocsin.pii.phones import phones
from tocsin.pii.shapes import Announcements, shaped

MAX_CHARACTERS: Final = 1_000_000
"""Characters of a text that are looked at; the rest counts as found."""
MAX_FINDINGS: Final = 10_000
"""Findings of each detector in one text; what comes after them counts as found."""

_Detector: TypeAlias = Callable[[Budget], Iterator[PiiFinding]]

_WORTH: Final = re.compile(r"[@&:]|[0-9]\.[0-9]|[A-Za-z]{5}[0-9]{4}[A-Za-z]|[0-9](?:[^0-9]{0,12}[0-9]){5}")
"""Without any of these a text in ASCII holds nothing: a sign of an address, the Indian PAN, or six digits that are not far apart."""

_RANK: Final = {
    kind: number
    for number, kind in enumerate(
        (PiiKind.EMAIL, PiiKind.IBAN, PiiKind.CARD, PiiKind.NATIONAL_ID, PiiKind.IP_ADDRESS, PiiKind.PHONE, PiiKind.UNSCANNED)
    )
}
"""What something is when it could be two things."""


def find(text: str, kinds: Collection[PiiKind] = EVERY_KIND, *, about: str = "") -> list[PiiFinding]:
    """Where personal data stands in a text, from left to right; findings do not overlap.

    Args:
        text: any text.
        kinds: what is looked for. `PiiKind.UNSCANNED` comes uncalled for: the part of the text that is beyond a bound.
        about: what the text is about, such as the name of its field: it may announce a number.
    """
    if text.isascii() and _WORTH.search(text) is None and len(text) <= MAX_CHARACTERS:
        return []
    folded = fold(text[:MAX_CHARACTERS])
    found: list[PiiFinding] = []
    ends: list[int] = []
    for detector in _detectors(folded.text, kinds, about):
        budget = Budget()
        batch = list(islice(detector(budget), MAX_FINDINGS + 1))
        if len(batch) > MAX_FINDINGS:
            budget.end(batch.pop().start)
        if budget.ended is not None:
            ends.append(folded.original(budget.ended, budget.ended + 1)[0])
        found += batch
    spans = [PiiFinding(each.kind, *folded.original(each.start, each.end)) for each in _apart(found)]
    return _with_rest(spans, begin=min((*ends, MAX_CHARACTERS)), length=len(text))


def _detectors(text: str, kinds: Collection[PiiKind], about: str) -> Iterator[_Detector]:
    """What looks for the kinds, each with a budget of its own."""
    announced = Announcements(text, about)
    if PiiKind.EMAIL in kinds and "@" in text:
        yield lambda _: emails(text)
    if PiiKind.IP_ADDRESS in kinds:
        yield lambda _: ip_addresses(text)
    wanted = {kind: kind in kinds for kind in (PiiKind.IBAN, PiiKind.CARD, PiiKind.NATIONAL_ID)}
    if any(wanted.values()):
        yield lambda budget: shaped(text, wanted, announced, budget)
    if PiiKind.PHONE in kinds:
        yield lambda budget: phones(text, announced, budget)


def _with_rest(spans: list[PiiFinding], *, begin: int, length: int) -> list[PiiFinding]:
    """The findings, and what was not looked at from ``begin`` on."""
    if begin >= length:
        return spans
    kept = [each for each in spans if each.start < begin]
    start = max(begin, kept[-1].end) if kept else begin
    return [*kept, PiiFinding(PiiKind.UNSCANNED, start, length)] if start < length else kept


def _apart(found: Sequence[PiiFinding]) -> list[PiiFinding]:
    """The findings in order; of those that overlap one is left, which covers them all."""
    apart: list[PiiFinding] = []
    for each in sorted(found, key=lambda one: (one.start, _RANK[one.kind], -one.end)):
        if apart and each.start < apart[-1].end:
            before = apart[-1]
            kind = min(before.kind, each.kind, key=_RANK.__getitem__)
            apart[-1] = PiiFinding(kind, before.start, max(before.end, each.end))
        else:
            apart.append(each)
    return apart


def redact(text: str, findings: Sequence[PiiFinding]) -> str:
    """The text with a mark such as ``[email]`` in the place of each finding; they are in order and do not overlap."""
    parts: list[str] = []
    behind = 0
    for each in findings:
        parts += text[behind : each.start], each.kind.mark
        behind = each.end
    return "".join((*parts, text[behind:])) if parts else text
