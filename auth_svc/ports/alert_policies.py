"""Stores who is told of security alerts, and of which they were told."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeAlias

from auth_svc.domain import AccountMail, AlertDelivery, AlertPolicy, AlertReader
from tocsin.alerts import Alert

WriteAlertMails: TypeAlias = Callable[[Sequence[Alert]], Sequence[AccountMail]]
"""The mails that tell of alerts."""


class AlertPolicyStore(Protocol):
    """Settings of tenants, and what waits to be told. Every method is one transaction."""

    async def get_alert_policy(self, tenant: str) -> AlertPolicy | None:
        """The policy of a tenant; None if it has set none, or none that can be read."""
        ...

    async def set_alert_policy(self, tenant: str, policy: AlertPolicy, *, due: datetime, now: datetime) -> None:
        """Replaces the policy of a tenant; what waits for a daily mail is told at ``due``."""
        ...

    async def alert_readers(self, tenant: str, to: Sequence[str], *, limit: int) -> Sequence[AlertReader]:
        """The addresses that ``to`` leads to: of users who are active those that are confirmed, and the others as they are."""
        ...

    async def tenants_to_tell(self, *, limit: int) -> Sequence[str]:
        """Tenants with alerts of which nobody has decided yet when to tell of them."""
        ...

    async def tell_alerts(
        self, tenant: str, *, choose: Callable[[Alert], AlertDelivery], write: WriteAlertMails, due: datetime, limit: int
    ) -> int:
        """Decides for the oldest alerts of a tenant: mails are stored for those that are told at once, others wait until ``due``.

        What an address gets too much of is told to all daily. Returns for how many alerts it decided.
        """
        ...

    async def due_digests(self, *, now: datetime, limit: int) -> Sequence[str]:
        """Tenants whose daily mail is due."""
        ...

    async def close_digest(self, tenant: str, *, write: WriteAlertMails, now: datetime) -> int:
        """Stores the daily mails of a tenant if they are due, and ends the wait of their alerts; of how many they tell."""
        ...
