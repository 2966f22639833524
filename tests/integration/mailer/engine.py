"""What makes deliveries of notifications, on a store, with a clock that stands still: each step is taken by hand."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import insert, update

from mailer_svc.domain import Channel, Channels, Content, Delivery, Notification, Priority
from mailer_svc.domain.people import AddressState, CategoryKind, SuppressionReason
from mailer_svc.domain.personal_rules import PersonalRules, PersonalStep
from mailer_svc.domain.personal_rules import encode as encode_rules
from mailer_svc.domain.preferences import Preferences, encode
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.ports import DeliveryQuery
from mailer_svc.service import Composer, DeliveryPublisher, DigestCloser, Expansion, Fanout, Gates, HoldReleaser, OnCall, PiiScreen
from mailer_svc.service.telling_order import TellingOrder
from mailer_svc.store import SqlDigests, SqlHeldDeliveries, SqlNotificationQueue, SqlNotificationStore, SqlPeopleFacts, SqlRotationHistories
from mailer_svc.store.people_tables import addresses, categories, group_members, groups, preferences, recipients, suppressions
from mailer_svc.store.quotas import MessageQuotas
from tests.integration.mailer.incidents import KnownIncidents, no_links
from tests.integration.mailer.stored import Store
from tocsin.addresses import normal_address
from tocsin.pii import DEFAULT_MEASURES, PiiGuard, PolicyBook
from tocsin.redis import EventBus, Redis
from tocsin.testing.alerts import RecordedAlerts

TENANT = "t1"


class _NoTemplates:
    """A tenant without templates."""

    async def current(self, used: object) -> dict[tuple[str, str], Any]:
        """None."""
        del used
        return {}


@dataclass(frozen=True)
class Engine:
    """Everything that makes deliveries go on."""

    store: Store
    notifications: SqlNotificationStore
    fanout: Fanout
    releaser: HoldReleaser
    incidents: KnownIncidents
    closer: DigestCloser

    async def send(self, name: str = "n1", **fields: Any) -> None:
        """Takes a notification and makes all its deliveries."""
        await self.announce(name, **fields)
        await self.expand()

    async def announce(self, name: str = "n1", **fields: Any) -> None:
        """Takes a notification; ``fields`` replace its own."""
        now = self.store.clock.micros()
        values: dict[str, Any] = {"content": Content("Hello", "How are you?"), "send_time": now, "created": now, "updated": now}
        await self.store.journal.announce([Notification(id=name, tenant=TENANT, **values | fields)])

    async def expand(self) -> None:
        """Makes all deliveries that are due, the urgent ones first."""
        for priority in Priority:
            while await self.fanout.expand_some(priority):
                pass

    async def deliveries(self) -> list[Delivery]:
        """All deliveries with their timelines, in the order of who they are for."""
        page = await self.store.reader.page(DeliveryQuery(tenant=TENANT), before=None, limit=1000)
        found = [await self.store.reader.get(tenant=TENANT, id=item.id) for item in page]
        return sorted(
            (item for item in found if item), key=lambda item: (item.recipient_id, item.to, item.channel, item.created, item.subject)
        )

    async def states(self) -> list[tuple[str, str, str]]:
        """For whom, state and reason of each."""
        return [(item.recipient_id or item.to, item.state.name, item.reason) for item in await self.deliveries()]

    async def history(self, subject: str = "Hello") -> list[tuple[str, str]]:
        """State and detail of each change of the only delivery of a subject."""
        (found,) = [item for item in await self.deliveries() if item.subject == subject]
        return [(entry.state.name, entry.detail) for entry in found.timeline]

    async def put(self, table: Any, *rows: dict[str, Any]) -> None:
        """Stores rows; what they do not say is empty or 0."""
        empty = {column.name: "" if column.type.python_type is str else 0 for column in table.columns if not column.nullable}
        async with self.store.database.transaction() as connection:
            for row in rows:
                await connection.execute(insert(table).values({**empty, "tenant": TENANT, **row}))

    async def people(self, *names: str, wants: Preferences | None = None, zone: str = "UTC", channels: Sequence[str] = ("email",)) -> None:
        """Recipients with an address in each channel, who want the same."""
        fixed = {
            "display_name": "",
            "locale": "",
            "time_zone": zone,
            "attributes": json.dumps({"plan": "gold"}),
            "created": 0,
            "updated": 0,
        }
        await self.put(recipients, *({"id": name, **fixed} for name in names))
        for name in names:
            for channel in channels:
                await self.address(name, f"{name}@example.com", channel=channel)
        if wants is not None:
            await self.put(preferences, *({"recipient": name, "document": encode(wants)} for name in names))

    async def address(self, owner: str, value: str, *, channel: str = "email", state: AddressState = AddressState.ACTIVE) -> None:
        """An address of a recipient."""
        identity = f"{channel}/{value}"
        await self.put(addresses, {"id": identity, "recipient": owner, "channel": channel, "value": value, "state": int(state)})

    async def rules(self, *names: str, urgent: Sequence[PersonalStep] = (), other: Sequence[PersonalStep] = ()) -> None:
        """The personal rules of recipients that there are."""
        document = encode_rules(PersonalRules(tuple(urgent), tuple(other)))
        async with self.store.database.transaction() as connection:
            await connection.execute(update(recipients).where(recipients.c.id.in_(names)).values(rules=document))

    async def spoil(self, name: str) -> None:
        """The rules of a recipient cannot be read any more."""
        async with self.store.database.transaction() as connection:
            await connection.execute(update(recipients).where(recipients.c.id == name).values(rules='{"urgent":7}'))

    async def retire(self, owner: str, channel: str) -> None:
        """The addresses of a recipient for a channel are gone."""
        own = (addresses.c.recipient == owner, addresses.c.channel == channel)
        async with self.store.database.transaction() as connection:
            await connection.execute(update(addresses).where(*own).values(state=int(AddressState.RETIRED)))

    async def category(self, name: str, kind: CategoryKind = CategoryKind.TRANSACTIONAL, *, window: int = 0, channels: str = "[]") -> None:
        """A category; ``window`` of its digest in seconds."""
        await self.put(categories, {"id": name, "kind": int(kind), "channels": channels, "digest_window": window * 1_000_000})

    async def group(self, name: str, *members: str) -> None:
        """A group of recipients."""
        await self.put(groups, {"id": name})
        await self.put(group_members, *({"group_id": name, "kind": 1, "member": member} for member in members))

    async def suppress(self, address: str, reason: SuppressionReason, *, category: str = "", channel: str = "email") -> None:
        """An address that gets nothing."""
        row = {"id": f"{address}/{category}", "channel": channel, "address": address, "category": category, "reason": int(reason)}
        await self.put(suppressions, row)


def make_engine(store: Store, *, owner: str = "a", quotas: MessageQuotas | None = None) -> Engine:
    """A mailer that sends by email, and has an inbox; ``owner`` names it among others on the store."""
    clock = store.clock
    channels = Channels(
        [
            Channel(name="email", normal_address=normal_address),
            Channel(name="inbox", normal_address=normal_address, kept=True, shares="email"),
            Channel(name="sms", normal_address=str),
            Channel(name="push", normal_address=str),
            Channel(name="telegram", normal_address=str, missing="there is no bot"),
        ],
        default="email",
    )
    publisher = DeliveryPublisher(
        hints=EventBus(redis=Redis(url=None, clock=clock), clock=clock), meter=DeliveryMetrics(CollectorRegistry())
    )
    people = SqlPeopleFacts(database=store.database)
    on_call = OnCall(histories=SqlRotationHistories(database=store.database), clock=clock)
    gates = Gates(people=people, clock=clock)
    composer = Composer(
        templates=_NoTemplates(),  # pyright: ignore[reportArgumentType]  what it asks
        renderer=None,  # pyright: ignore[reportArgumentType]  nothing is rendered
        channels=channels,
        gates=gates,
        screen=PiiScreen(guard=PiiGuard(book=lambda: PolicyBook(defaults=DEFAULT_MEASURES), alerts=RecordedAlerts())),
        answering=no_links(clock),
        domain="example.org",
        leave_link=lambda _: "",
    )
    incidents = KnownIncidents()
    digests = SqlDigests(database=store.database, order=store.order, acceptance=store.journal.acceptance)
    return Engine(
        store=store,
        notifications=SqlNotificationStore(database=store.database),
        fanout=Fanout(
            queue=SqlNotificationQueue(database=store.database),
            journal=store.journal,
            expansion=Expansion(people=people, on_call=on_call, channels=channels, clock=clock),
            order=TellingOrder(people=people, incidents=incidents, clock=clock),
            composer=composer,
            channels=channels,
            publisher=publisher,
            clock=clock,
            owner=owner,
            sole=False,
        ),
        releaser=HoldReleaser(
            held=SqlHeldDeliveries(database=store.database, order=store.order, quotas=quotas),
            gates=gates,
            incidents=incidents,
            channels=channels,
            publisher=publisher,
            clock=clock,
        ),
        incidents=incidents,
        closer=DigestCloser(digests=digests, gates=gates, channels=channels, publisher=publisher, clock=clock, domain="example.org"),
    )
