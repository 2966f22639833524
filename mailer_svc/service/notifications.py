"""Notifications: checked and taken, looked up, cancelled."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mailer_svc.domain import (
    Channels,
    Content,
    DeliveryCount,
    Notification,
    NotificationNotFound,
    NotificationStarted,
    NotificationState,
    notification_id,
    repaired_content,
)
from mailer_svc.ports import Journal, NotificationQuery, NotificationStore, PeopleFacts, TenantKey
from mailer_svc.service.templates import Templates
from tocsin.clock import Clock
from tocsin.errors import FieldViolation, InvalidInput

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class CountedNotification:
    """A notification with how many deliveries it has."""

    notification: Notification
    counts: Sequence[DeliveryCount] = ()


class NotificationChecks:
    """Says what is wrong with a notification, before anybody relies on it."""

    def __init__(self, *, templates: Templates, people: PeopleFacts, channels: Channels) -> None:
        self._templates = templates
        self._people = people
        self._channels = channels

    async def require(self, item: Notification, *, recipients: bool) -> None:
        """Returns if deliveries can be made of it.

        Args:
            item: the notification.
            recipients: whether those whom it names must be there.

        Raises:
            InvalidInput: they cannot; every field that is wrong is named, below "notification".
            Unavailable: the database is away.
        """
        wrong = [*self._channel_problems(item), *self._address_problems(item), *await self._content_problems(item)]
        if item.category and not await self._people.categories({TenantKey(item.tenant, item.category)}):
            wrong.append(FieldViolation("notification.category", f"there is no category categories/{item.category}"))
        if recipients and item.recipients:
            missing = set(await self._people.missing(item.tenant, item.recipients))
            wrong += [
                FieldViolation(f"notification.recipients[{place}]", f"there is no {name.partition('/')[0].removesuffix('s')} {name}")
                for place, name in enumerate(item.recipients)
                if name in missing
            ]
        if wrong:
            raise InvalidInput("; ".join(f"{each.field}: {each.description}" for each in wrong[:_SHOWN]), violations=wrong)

    def _channel_problems(self, item: Notification) -> Iterator[FieldViolation]:
        usable = self._channels.usable_by(item.tenant)
        for place, name in enumerate(item.channels):
            if name not in usable:
                own = self._channels.find("").name
                why = f"there is no provider for {name}; the mailer has {', '.join(usable)}, and sends by {own} where no channel is named"
                yield FieldViolation(f"notification.channels[{place}]", why)

    def _address_problems(self, item: Notification) -> Iterator[FieldViolation]:
        usable = self._channels.usable_by(item.tenant)
        channels = [self._channels.find(name) for name in item.channels or ("",) if not name or name in usable]
        for place, address in enumerate(item.to):
            for channel in channels:
                try:
                    channel.normal_address(address)
                except InvalidInput as error:
                    why = error.violations[0].description if error.violations else error.message
                    yield FieldViolation(f"notification.to[{place}]", f"{channel.name}: {why}" if len(channels) > 1 else why)
                    break

    async def _content_problems(self, item: Notification) -> list[FieldViolation]:
        if isinstance(item.content, Content):
            return []
        name = f"templates/{item.content.code}"
        found = await self._templates.described(tenant=item.tenant, codes={item.content.code})
        if not found:
            return [FieldViolation("notification.template", f"there is no template {name}")]
        given, declared = item.content.variables, {variable.name for variable in found[0].declared}
        missing = [required for required in found[0].variables.required or () if required not in given]
        unknown = [variable for variable in given if variable not in declared] if declared else []
        problems = [f"{name} requires {', '.join(missing)}"] if missing else []
        problems += [f"{name} declares no variable {', '.join(unknown)}"] if unknown else []
        return [FieldViolation("notification.variables", problem) for problem in problems]


class Notifications:
    """The notifications of all tenants."""

    def __init__(
        self,
        *,
        journal: Journal,
        store: NotificationStore,
        checks: NotificationChecks,
        clock: Clock,
        new_key: Callable[[], str],
        expand: Callable[[], None],
    ) -> None:
        """Makes it.

        Args:
            journal: stores new ones.
            store: reads them.
            checks: says what is wrong with one.
            clock: source of time.
            new_key: a text that was never given before, for one that the caller does not name.
            expand: wakes whoever makes the deliveries.
        """
        self._journal = journal
        self._store = store
        self._checks = checks
        self._clock = clock
        self._new_key = new_key
        self._expand = expand

    async def send(self, draft: Notification, *, request_id: str, check_recipients: bool = True) -> Notification:
        """Takes a notification; a second one with the same ``request_id`` gives the first one, whatever it says.

        Args:
            draft: what to send; its id and its times are given here, but for a ``send_time`` that is not 0.
            request_id: names the request; empty: it is a new one.
            check_recipients: refuses it if it names one that is not there; otherwise the delivery to that one says so.

        Raises:
            InvalidInput: something in it cannot be used.
        """
        key = ("request", request_id) if request_id else ("made", self._new_key())
        identity = notification_id(tenant=draft.tenant, kind=key[0], key=key[1])
        if request_id and (known := await self._store.get(tenant=draft.tenant, id=identity)) is not None:
            return known
        await self._checks.require(draft, recipients=check_recipients)
        now = self._clock.micros()
        content = repaired_content(draft.content) if isinstance(draft.content, Content) else draft.content
        item = replace(draft, id=identity, content=content, send_time=draft.send_time or now, created=now, updated=now)
        if identity not in await self._journal.announce([item]):
            return await self._get(draft.tenant, identity)
        self._expand()
        return item

    async def get(self, *, tenant: str, id: str) -> CountedNotification:  # noqa: A002 - the word of the contract
        """One notification, and its deliveries by state and reason.

        Raises:
            NotificationNotFound: the tenant has none of this id.
        """
        return CountedNotification(await self._get(tenant, id), await self._store.counts(tenant=tenant, id=id))

    async def _get(self, tenant: str, identity: str) -> Notification:
        found = await self._store.get(tenant=tenant, id=identity)
        if found is None:
            raise NotificationNotFound(f"There is no notification notifications/{identity}")
        return found

    async def page(self, query: NotificationQuery, *, before: tuple[int, str] | None, limit: int) -> list[Notification]:
        """Notifications, the newest first; those older than ``before`` (created, id)."""
        return await self._store.page(query, before=before, limit=limit)

    async def cancel(self, *, tenant: str, id: str) -> Notification:  # noqa: A002 - the word of the contract
        """Cancels one that is PENDING; one that was cancelled before is given as it is.

        Raises:
            NotificationNotFound: the tenant has none of this id.
            NotificationStarted: its deliveries are being made, or are made.
        """
        await self._store.cancel(tenant=tenant, id=id, now=self._clock.micros())
        found = await self._get(tenant, id)
        if found.state is not NotificationState.CANCELLED:
            raise NotificationStarted(f"notifications/{id} is {found.state.name}; only one that is PENDING can be cancelled")
        return found
