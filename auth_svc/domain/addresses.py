"""Another email address of a user: asked for, confirmed by a mail to it, and taken back by a mail to the one of before (pure)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tocsin.errors import ResourceExhausted

ADDRESS_CHANGES_AN_HOUR: Final = 5
"""That one user may ask for; each is a mail to an address that may be a stranger's."""

ADDRESS_CHANGES_KEPT: Final = timedelta(days=8)
"""Longer than the link to take one back may be on its way, and works then."""


class TooManyAddressChanges(ResourceExhausted):
    """You have asked for too many changes of your address; retry later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressChange:
    """One change.

    Attributes:
        id: of it.
        tenant: of the user.
        user: whose address it is.
        before: the address when it was asked for; empty: there was none.
        after: the one that was asked for.
        session: from which it was asked for; it goes on when the change counts.
        created: when it was asked for.
        confirmed: since when it counts; None: not yet.
    """

    id: str
    tenant: str
    user: str
    before: str
    after: str
    session: str
    created: datetime
    confirmed: datetime | None = None

    @property
    def name(self) -> str:
        """What one-time tokens of it are about."""
        return f"users/{self.user}/addressChanges/{self.id}"
