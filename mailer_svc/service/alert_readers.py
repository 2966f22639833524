"""Telling people of a tenant of its security alerts, which auth_svc keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mailer_svc.domain import Notification, Priority, TemplateUse
from mailer_svc.ports import PeopleFacts, TenantKey
from mailer_svc.service.notifications import Notifications
from mailer_svc.service.on_call import OnCall

_MOST: Final = 1000
_ROTATIONS: Final = "rotations/"
_GROUPS: Final = "groups/"


@dataclass(frozen=True, slots=True)
class CheckedReader:
    """A resource name, whether there is such a thing, and how many recipients with an address it leads to."""

    name: str
    exists: bool
    reached: int


class AlertReaders:
    """Finds readers, and tells them."""

    def __init__(self, *, people: PeopleFacts, on_call: OnCall, notifications: Notifications) -> None:
        """Makes it.

        Args:
            people: knows recipients and groups.
            on_call: knows who is behind rotations.
            notifications: take what is to be said.
        """
        self._people = people
        self._on_call = on_call
        self._notifications = notifications

    async def check(self, tenant: str, names: Sequence[str]) -> list[CheckedReader]:
        """Whom each of the names leads to now.

        Raises:
            Unavailable: the database is away.
        """
        missing = set(await self._people.missing(tenant, names))
        return [await self._checked(tenant, name, missing) for name in names]

    async def _checked(self, tenant: str, name: str, missing: set[str]) -> CheckedReader:
        if name in missing:
            return CheckedReader(name, exists=False, reached=0)
        duty = await self._on_call.behind(tenant=tenant, targets=[name], at=0)
        people = {*duty.people, *await self._people.expand(tenant, [name], after="", limit=_MOST)}
        keys = [TenantKey(tenant, person) for person in people if not person.startswith((_GROUPS, _ROTATIONS))]
        return CheckedReader(name, exists=True, reached=min(_MOST, len(await self._people.active_addresses(keys))))

    async def tell(self, tenant: str, reader: str, *, id: str, template: str, urgent: bool, variables: Mapping[str, str]) -> None:  # noqa: A002 - as in the contract
        """Takes a notification of the tenant; one of the same ``id`` is the same one.

        Raises:
            InvalidInput: it cannot be made.
            Unavailable: the database is away.
        """
        draft = Notification(
            id="",
            tenant=tenant,
            priority=Priority.CRITICAL if urgent else Priority.NORMAL,
            recipients=(reader,),
            content=TemplateUse(template, variables),
            send_time=0,
            created=0,
            updated=0,
        )
        await self._notifications.send(draft, request_id=f"security-alert-{id}", check_recipients=False)
