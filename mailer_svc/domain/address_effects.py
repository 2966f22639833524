"""What a far end's word about a message means for the address that it went to: one table, for answers and for later reports (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mailer_svc.domain.attempts import SendResult
from mailer_svc.domain.people import Suppression, SuppressionReason
from mailer_svc.domain.status_reports import ReportKind, StatusReport
from tocsin.clock import DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressEffect:
    """What becomes of an address.

    Attributes:
        retire: it is RETIRED, if it is a recipient's: only a code makes it ACTIVE again.
        suppress: why it gets nothing any more; None: it goes on.
        category_only: it gets nothing of the message's category; otherwise nothing at all.
        lasts: microseconds after which the suppression ends; None: never.
        lifts: reasons of suppressions that end now, unless they are of one category.
        lifts_lasting: also those that would never end by themselves.
    """

    retire: bool = False
    suppress: SuppressionReason | None = None
    category_only: bool = False
    lasts: int | None = None
    lifts: tuple[SuppressionReason, ...] = ()
    lifts_lasting: bool = False

    def suppression(
        self,
        address: tuple[str, str, str],
        *,
        id: str,  # noqa: A002 - the word of the contract
        category: str,
        source: str,
        detail: str,
        now: int,
    ) -> Suppression | None:
        """The suppression that follows for an address (tenant, channel, value) at ``now``, microseconds since the epoch; None: no one."""
        if self.suppress is None:
            return None
        tenant, channel, value = address
        return Suppression(
            tenant=tenant,
            id=id,
            channel=channel,
            address=value,
            category=category if self.category_only else "",
            reason=self.suppress,
            source=source,
            detail=detail,
            until=None if self.lasts is None else now + self.lasts,
            created=now,
        )


NO_EFFECT: Final = AddressEffect()
_LEFT: Final = AddressEffect(suppress=SuppressionReason.UNSUBSCRIBE)

WORKS: Final = AddressEffect(lifts=(SuppressionReason.BOUNCE, SuppressionReason.PROVIDER))
"""A message reached it, or somebody read there: what nobody decided on and would end by itself, ends."""

EFFECTS: Final[Mapping[SendResult | ReportKind, AddressEffect]] = {
    SendResult.GONE: AddressEffect(retire=True),
    SendResult.OPTED_OUT: _LEFT,
    ReportKind.DELIVERED: WORKS,
    ReportKind.BOUNCED: AddressEffect(suppress=SuppressionReason.BOUNCE, retire=True),
    ReportKind.COMPLAINED: AddressEffect(suppress=SuppressionReason.COMPLAINT),
    ReportKind.UNSUBSCRIBED: AddressEffect(suppress=SuppressionReason.UNSUBSCRIBE, category_only=True),
    ReportKind.OPTED_OUT: _LEFT,
    ReportKind.OPTED_IN: AddressEffect(lifts=(SuppressionReason.UNSUBSCRIBE,), lifts_lasting=True),
    # A provider's own list of addresses: whoever is taken off it there is asked again after a while.
    ReportKind.DROPPED: AddressEffect(suppress=SuppressionReason.PROVIDER, lasts=7 * DAY),
}
"""What follows from an answer and from a report; nothing from those that are not here."""

_MAY_BE_SOFT: Final = (ReportKind.BOUNCED, ReportKind.DROPPED)


def effect_of_answer(result: SendResult) -> AddressEffect:
    """What an answer to an attempt means for the address."""
    return EFFECTS.get(result, NO_EFFECT)


def effect_of_report(report: StatusReport) -> AddressEffect:
    """What a report means for the address."""
    return NO_EFFECT if report.soft and report.kind in _MAY_BE_SOFT else EFFECTS.get(report.kind, NO_EFFECT)
