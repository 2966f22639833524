"""The gates: whether a message goes out, waits, or does not go out, and why (pure).

In this order: the identity of an address, suppression, category and preference, quiet hours, cap, digest. The last two are counted and
joined by the transaction that stores the message; what it says and what the PII gate finds in that comes between.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mailer_svc.domain.model import PASSED, DeliveryState, GateRuling
from mailer_svc.domain.people import Category, CategoryKind, SuppressionReason
from mailer_svc.domain.personal_rules import span
from mailer_svc.domain.preferences import UNSAID, Preferences, QuietPolicy, allows, cap, quiet_policy, quiet_until
from tocsin.errors import InvalidInput
from tocsin.priority import Priority
from tocsin.stored import instant

_UTC: Final = "UTC"


class GateReason(StrEnum):
    """Why a message waits or is not sent."""

    UNKNOWN_RECIPIENT = "UNKNOWN_RECIPIENT"
    NO_ADDRESS = "NO_ADDRESS"
    NOBODY_ON_CALL = "NOBODY_ON_CALL"
    SUPPRESSED_ADDRESS = "SUPPRESSED_ADDRESS"
    OPTED_OUT = "OPTED_OUT"
    QUIET_HOURS = "QUIET_HOURS"
    CAPPED = "CAPPED"
    DIGEST = "DIGEST"
    PII_BLOCKED = "PII_BLOCKED"
    PERSONAL_RULE = "PERSONAL_RULE"
    INCIDENT_ANSWERED = "INCIDENT_ANSWERED"
    MESSAGE_QUOTA = "MESSAGE_QUOTA"


class Situation(Struct, frozen=True, kw_only=True):
    """What the gates know of one message.

    Attributes:
        channel: by which it leaves.
        priority: how urgent it is.
        category: its id; empty: none.
        kind: of the category; that of a category which is gone is TRANSACTIONAL.
        digest_window: of the category, in microseconds.
        suppressions: of the address that hold now: the category that each is of (empty: any), and its reason.
        recipient_id: whose address it is; empty: nobody's.
        time_zone: of the recipient.
        wants: the recipient's preferences.
        tenant_wants: those of the tenant.
    """

    channel: str
    priority: Priority
    category: str = ""
    kind: CategoryKind = CategoryKind.TRANSACTIONAL
    digest_window: int = 0
    suppressions: Sequence[tuple[str, SuppressionReason]] = ()
    recipient_id: str = ""
    time_zone: str = ""
    wants: Preferences = UNSAID
    tenant_wants: Preferences = UNSAID


def decide(found: Situation, now: int) -> GateRuling:
    """What the gates say of a message at ``now``, in microseconds since the epoch."""
    mandatory = found.kind is CategoryKind.MANDATORY
    for category, reason in found.suppressions:
        if (not category or category == found.category) and not (mandatory and reason is SuppressionReason.UNSUBSCRIBE):
            return suppressed(GateReason.SUPPRESSED_ADDRESS, _suppression(category, reason))
    if mandatory:
        return PASSED
    wants, tenant_wants = found.wants, found.tenant_wants
    if not allows(wants, tenant_wants, found.category, found.channel):
        return suppressed(GateReason.OPTED_OUT, _opted_out(found))
    if found.priority is Priority.CRITICAL:
        return PASSED
    window = found.digest_window
    if not found.recipient_id:
        return GateRuling(digest_window=window) if window else PASSED
    policy = quiet_policy(wants, tenant_wants, found.priority)
    if policy is not QuietPolicy.PASS:
        end = _quiet_until(found, now)
        if end is not None and policy is QuietPolicy.DROP:
            return suppressed(GateReason.QUIET_HOURS, f"these are quiet hours of recipients/{found.recipient_id}, in which nothing is sent")
        if end is not None:
            return held_until(end, f"recipients/{found.recipient_id} has quiet hours")
    most = cap(wants, tenant_wants)
    if most is None and not window:
        return PASSED
    return GateRuling(cap_count=most.count if most else 0, cap_window=most.window if most else 0, digest_window=window)


def suppressed(reason: GateReason, detail: str) -> GateRuling:
    """It is not sent."""
    return GateRuling(state=DeliveryState.SUPPRESSED, reason=reason, detail=f"{reason}: {detail}")


def held_until(end: int, why: str) -> GateRuling:
    """It waits until then, in microseconds since the epoch, and is asked about again."""
    detail = f"{GateReason.QUIET_HOURS}: {why} until {_said(end)}"
    return GateRuling(state=DeliveryState.HELD, reason=GateReason.QUIET_HOURS, detail=detail, hold_until=end)


def held_by_rule(end: int, rule: str) -> GateRuling:
    """It waits until then, in microseconds since the epoch, as a recipient's personal rule wants it; the gates are asked then."""
    detail = f"{GateReason.PERSONAL_RULE}: {rule}: waits until {_said(end)}, and is sent unless somebody has answered"
    return GateRuling(state=DeliveryState.HELD, reason=GateReason.PERSONAL_RULE, detail=detail, hold_until=end)


def by_rule(ruling: GateRuling, rule: str) -> GateRuling:
    """The ruling, of a message that is made by a personal rule and does not wait for it."""
    return replace(ruling, detail="; ".join(part for part in (ruling.detail, rule) if part))


def capped(ruling: GateRuling) -> GateRuling:
    """It is one more than its recipient wants."""
    return suppressed(GateReason.CAPPED, f"the recipient has had {ruling.cap_count} within {span(ruling.cap_window)}, and wants no more")


def over_quota(limit: int, *, next_day: int, again: bool) -> GateRuling:
    """It is one more than its tenant may send in a day: it waits for the next one, in microseconds since the epoch, but not ``again``."""
    why = f"the tenant may send {limit:,} messages a day, and has"
    if again:
        return suppressed(GateReason.MESSAGE_QUOTA, f"{why}; it waited since yesterday, and is not sent")
    detail = f"{GateReason.MESSAGE_QUOTA}: {why}; waits until {_said(next_day)}"
    return GateRuling(state=DeliveryState.HELD, reason=GateReason.MESSAGE_QUOTA, detail=detail, hold_until=next_day)


def digested(ruling: GateRuling, *, digest: str, closes: int) -> GateRuling:
    """It waits for others to go out with."""
    detail = f"{GateReason.DIGEST}: waits for others of its category until {_said(closes)}"
    return replace(ruling, state=DeliveryState.HELD, reason=GateReason.DIGEST, detail=detail, cap_count=0, digest_window=0, digest=digest)


def situation_of_category(category: Category | None) -> tuple[CategoryKind, int]:
    """The kind and the digest's window of a category; of one that is gone too."""
    return (CategoryKind.TRANSACTIONAL, 0) if category is None else (category.kind, category.digest_window)


def _quiet_until(found: Situation, now: int) -> int | None:
    try:
        return quiet_until(found.wants, found.tenant_wants, found.time_zone or _UTC, now)
    except InvalidInput:  # a zone that tzdata has no more: its hours are those of UTC until somebody says another
        return quiet_until(found.wants, found.tenant_wants, _UTC, now)


def _suppression(category: str, reason: SuppressionReason) -> str:
    of = f"messages of categories/{category}" if category else "messages"
    return f"the address gets no {of}: {getattr(reason, 'name', str(reason)).lower()}"


def _opted_out(found: Situation) -> str:
    who = f"recipients/{found.recipient_id}" if found.recipient_id else "the tenant"
    what = f"messages of categories/{found.category}" if found.category else "messages"
    return f"{who} wants no {what} by {found.channel}"


def _said(micros: int) -> str:
    return instant(micros).strftime("%Y-%m-%d %H:%M:%SZ")
