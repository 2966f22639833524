"""What is done about personal data: which policy wins, what a verdict says, and what an alert tells."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.alerts import AlertKind, Severity
from tocsin.pii import (
    DEFAULT_MEASURES,
    EVERY_KIND,
    MAX_CHARACTERS,
    Measure,
    PiiArea,
    PiiGuard,
    PiiKind,
    PiiPolicy,
    PiiRefused,
    PolicyBook,
    measures_of,
    readable,
    scan_value,
)
from tocsin.pii.values import MAX_DEPTH
from tocsin.testing.alerts import RecordedAlerts

CARD = "4111111111111111"


def policy(measure: Measure, **values: Any) -> PiiPolicy:
    """One of the tenant t."""
    return PiiPolicy(tenant="t", measure=measure, **values)


def guard(*policies: PiiPolicy, alerts: RecordedAlerts | None = None) -> PiiGuard:
    """With these policies alone."""
    book = PolicyBook(policies, defaults=DEFAULT_MEASURES)
    return PiiGuard(book=lambda: book, alerts=alerts or RecordedAlerts())


@pytest.mark.parametrize(
    ("policies", "kind", "measure"),
    [
        ([], PiiKind.CARD, Measure.FLAG),
        ([policy(Measure.ALLOW)], PiiKind.CARD, Measure.ALLOW),
        ([policy(Measure.BLOCK), policy(Measure.ALLOW, area=PiiArea.RECORDS)], PiiKind.CARD, Measure.ALLOW),
        ([policy(Measure.BLOCK, area=PiiArea.EVENTS)], PiiKind.CARD, Measure.FLAG),
        ([policy(Measure.BLOCK, subject="order-*"), policy(Measure.REDACT, subject="ord*")], PiiKind.CARD, Measure.BLOCK),
        ([policy(Measure.BLOCK, subject="order-*"), policy(Measure.REDACT, subject="order-17")], PiiKind.CARD, Measure.REDACT),
        ([policy(Measure.BLOCK, subject="order-18")], PiiKind.CARD, Measure.FLAG),
        ([policy(Measure.REDACT), policy(Measure.BLOCK)], PiiKind.CARD, Measure.BLOCK),
        ([policy(Measure.BLOCK, kinds=frozenset({PiiKind.EMAIL}))], PiiKind.CARD, Measure.FLAG),
        ([policy(Measure.BLOCK, kinds=frozenset({PiiKind.EMAIL}))], PiiKind.EMAIL, Measure.BLOCK),
        ([PiiPolicy(tenant="other", measure=Measure.BLOCK)], PiiKind.CARD, Measure.FLAG),
    ],
)
def test_the_most_specific_policy_wins(policies: list[PiiPolicy], kind: PiiKind, measure: Measure) -> None:
    """By area, then by the length of the subject, for each kind; of equals the stricter, in whatever order they come."""
    for ordered in (policies, policies[::-1]):
        book = PolicyBook(ordered, defaults=DEFAULT_MEASURES)
        assert book.rules("t", PiiArea.RECORDS, "order-17").measures[kind] is measure
        assert book.rules("t", PiiArea.RECORDS, "order-17") is book.rules("t", PiiArea.RECORDS, "order-17") or not policies


def test_what_passes_by_is_let_through_by_default() -> None:
    """Nobody pays for a gate that nobody asked for; what is stored is flagged."""
    book = PolicyBook(defaults=measures_of(()))
    assert [bool(book.rules("t", area, "x")) for area in PiiArea] == [True, True, False, False]
    strict = PolicyBook(defaults=measures_of(["events=block", " messages = redact"]))
    assert strict.rules("t", PiiArea.EVENTS, "x").of([PiiKind.CARD]) is Measure.BLOCK
    for bad in ("events", "events=maybe", "nothing=block", ""):
        with pytest.raises(ValueError, match="is not records"):
            measures_of([bad])


def test_a_policy_of_a_later_version_is_read() -> None:
    """An area or a kind that is not known here means nothing here; a measure is taken for the strictest."""
    odd = readable(tenant="t", measure="SHRED", area="", subject="*", kinds=["CARD", "FACE"])
    assert (odd.measure, odd.kinds) == (Measure.BLOCK, frozenset({PiiKind.CARD}))
    face = readable(tenant="t", measure="BLOCK", area="", subject="*", kinds=["FACE"])
    elsewhere = readable(tenant="t", measure="BLOCK", area="DREAMS", subject="*", kinds=[])
    book = PolicyBook([face, elsewhere], defaults=DEFAULT_MEASURES)
    assert all(book.rules("t", PiiArea.RECORDS, "x").measures[kind] is Measure.FLAG for kind in EVERY_KIND)


async def test_a_flag_passes_and_tells() -> None:
    """With where it was, and never what it was: not in the alert, not in the verdict's words."""
    alerts = RecordedAlerts()
    verdict = await guard(alerts=alerts).check(
        tenant="t", area=PiiArea.RECORDS, subject="ann@example.com", values={"value": f"x {CARD}"}, caller="users/1"
    )
    assert verdict.require() == {"value": f"x {CARD}"}
    (alert,) = alerts.all
    assert (alert.kind, alert.severity, alert.tenant, alert.subject) == (AlertKind.PII_FOUND, Severity.HIGH, "t", "users/1")
    assert (alert.place, alert.latest, alert.detail) == ("records", "records/[email]", "card: passed")
    assert CARD not in repr(alert)


async def test_a_block_names_fields_and_kinds() -> None:
    """In members inside of members, by their paths; a name that is personal data itself is marked in it."""
    alerts = RecordedAlerts()
    values = {"input": {"a": [{"pan": int(CARD)}, {"ann@example.com": 1}], "ok": "fine"}}
    verdict = await guard(policy(Measure.BLOCK), alerts=alerts).check(tenant="t", area=PiiArea.TASKS, subject="pay", values=values)
    with pytest.raises(PiiRefused) as raised:
        verdict.require()
    fields = {each.field: each.description for each in raised.value.violations}
    assert fields == {"input.a[0].pan": "holds personal data: card", 'input.a[1]["[email]"]': "holds personal data: email"}
    assert not any(secret in f"{raised.value} {alerts.all}" for secret in (CARD, "ann@"))
    assert alerts.all[0].detail == "card, email: blocked"


async def test_a_redaction_keeps_the_rest() -> None:
    """Marks stand in texts, names and numbers; names that become the same stay apart; what is not to be marked stays."""
    wanted = guard(policy(Measure.REDACT), policy(Measure.ALLOW, area=PiiArea.EVENTS, kinds=frozenset({PiiKind.IP_ADDRESS})))
    values = {"data": {"a@b.co": 1, "c@d.co": [CARD, 4111111111111111.0, 17, True, None, 1.5, "10.0.0.1"], "x": "pay 4111-1111-1111-1111!"}}
    verdict = await wanted.check(tenant="t", area=PiiArea.EVENTS, subject="orders", values=values)
    assert verdict.measure is Measure.REDACT
    assert verdict.require() == {
        "data": {"[email]": 1, "[email] 2": ["[card]", "[card]", 17, True, None, 1.5, "10.0.0.1"], "x": "pay [card]!"}
    }


async def test_an_identifier_cannot_be_marked() -> None:
    """Others know the thing by it: it is refused where a mark is wanted, and flagged where a flag is."""
    for measure, blocked in ((Measure.FLAG, False), (Measure.REDACT, True), (Measure.BLOCK, True)):
        verdict = await guard(policy(measure)).check(
            tenant="t", area=PiiArea.RECORDS, subject="a@b.co", values={"value": "x"}, identifiers={"key": "a@b.co"}
        )
        assert verdict.blocked is blocked
        assert list(verdict.kinds) == ["key"]


async def test_what_is_too_large_is_treated_like_the_worst() -> None:
    """A text beyond the bound, and a value that is nested too deep; long ones are looked at in a thread."""
    deep: Any = CARD
    for _ in range(MAX_DEPTH + 2):
        deep = [deep]
    for value in ("x" * (MAX_CHARACTERS + 1), deep, ["y" * MAX_CHARACTERS, "z"]):
        block = await guard(policy(Measure.BLOCK, kinds=frozenset({PiiKind.CARD}))).check(
            tenant="t", area=PiiArea.EVENTS, subject="x", values={"data": value}
        )
        assert block.blocked
        mark = await guard(policy(Measure.REDACT)).check(tenant="t", area=PiiArea.EVENTS, subject="x", values={"data": value})
        assert "[unscanned]" in repr(mark.require())
        assert CARD not in repr(mark.require())


async def test_nothing_is_looked_at_where_nobody_wants_it() -> None:
    """The value itself comes back."""
    values = {"data": {"card": CARD}}
    verdict = await guard().check(tenant="t", area=PiiArea.EVENTS, subject="x", values=values)
    assert verdict.require() is values
    assert not guard().rules("t", PiiArea.EVENTS, "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_value_can_be_walked(value: Any) -> None:
    """Nothing that was not found is changed, and nothing is found that was not there."""
    scanned = scan_value(value, EVERY_KIND, marked=EVERY_KIND)
    if not scanned.kinds:
        assert scanned.value == value
    assert scan_value(value, EVERY_KIND).value == value
