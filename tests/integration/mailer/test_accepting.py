"""What comes in, on each database: a message that cannot be stored is refused alone, and one that is known keeps its delivery."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailer_svc.domain import Ack, Channel, Channels, Content, NewDelivery, Submission, TemplateUse, delivery_id
from mailer_svc.domain.channels import nobody
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.service import Accepting, Composer, DeliveryPublisher, Gates, PiiScreen
from mailer_svc.store import SqlJournal, SqlPeopleFacts
from tests.integration.mailer.incidents import no_links
from tests.integration.mailer.stored import Store
from tocsin.addresses import normal_address
from tocsin.database import DataRefused
from tocsin.errors import Unavailable
from tocsin.pii import DEFAULT_MEASURES, Measure, PiiArea, PiiGuard, PiiKind, PiiPolicy, PolicyBook
from tocsin.redis import EventBus, Redis
from tocsin.testing.alerts import RecordedAlerts


class _NoTemplates:
    """A tenant whose templates are gone."""

    async def current(self, used: object) -> dict[tuple[str, str], Any]:
        """None of them."""
        del used
        return {}


class _Broken:
    """A journal that cannot be written, or read."""

    async def accept(self, deliveries: Sequence[NewDelivery]) -> set[str]:
        """Fails."""
        raise Unavailable

    known = accept


class _Picky:
    """A journal whose database refuses what has a certain subject, as PostgreSQL does with U+0000: the whole transaction fails."""

    def __init__(self, journal: SqlJournal) -> None:
        self._journal = journal
        self.known = journal.known

    async def accept(self, deliveries: Sequence[NewDelivery]) -> Mapping[str, NewDelivery]:
        """Stores all, or none."""
        if any(delivery.content.subject == "bad" for delivery in deliveries):
            raise DataRefused
        return await self._journal.accept(deliveries)


def accepting(store: Store, *, journal: Any = None, policies: Sequence[PiiPolicy] = (), alerts: RecordedAlerts | None = None) -> Accepting:
    """A mailer with its inbox alone."""
    clock = store.clock
    book = PolicyBook(policies, defaults=DEFAULT_MEASURES)
    channels = Channels([Channel(name="inbox", normal_address=normal_address, kept=True)], default="inbox")
    composer = Composer(
        templates=_NoTemplates(),  # pyright: ignore[reportArgumentType]  what it asks
        renderer=None,  # pyright: ignore[reportArgumentType]  nothing is rendered
        channels=channels,
        gates=Gates(people=SqlPeopleFacts(database=store.database), clock=clock),
        screen=PiiScreen(guard=PiiGuard(book=lambda: book, alerts=alerts or RecordedAlerts())),
        answering=no_links(clock),
        domain="example.org",
        leave_link=lambda _: "",
    )
    return Accepting(
        journal=journal or store.journal,
        composer=composer,
        channels=channels,
        publisher=DeliveryPublisher(
            hints=EventBus(redis=Redis(url=None, clock=clock), clock=clock), meter=DeliveryMetrics(CollectorRegistry())
        ),
        clock=clock,
        expand=nobody,
    )


def message(key: int, content: Content | TemplateUse | None = None) -> Submission:
    """A message of a firing of its own."""
    said = content or Content("hello", "text")
    return Submission(key=key, tenant="t1", firing=f"f{key}", alarm="a", to="ann@example.com", channel="", priority=2, content=said)


async def answers(to: Accepting, *batch: Submission) -> dict[int, Ack]:
    """The acknowledgements by key."""
    return {ack.key: ack async for some in to.accept(batch) for ack in some}


@pytest.mark.parametrize("bad", [0, 7, 19])
async def test_a_message_that_no_database_takes_is_refused_alone(store: Store, bad: int) -> None:
    """Its batch is stored; handed in again, nothing is doubled and it is refused again, for good."""
    to = accepting(store, journal=_Picky(store.journal))
    batch = [message(key, Content("bad" if key == bad else "good", "text")) for key in range(20)]
    first, again = await answers(to, *batch), await answers(to, *batch)
    assert {key for key, ack in first.items() if ack.delivery} == set(range(20)) - {bad}
    assert (first[bad].reason, first[bad].retryable) == ("DATA_REFUSED", False)
    assert again == first
    assert len(await store.journal.known([ack.delivery for ack in first.values()])) == 19


async def test_a_message_that_is_known_is_not_judged_once_more(store: Store) -> None:
    """Its template is gone when it comes again, for its acknowledgement was lost: the same delivery; a new one is refused."""
    to = accepting(store)
    (first,) = (await answers(to, message(1))).values()
    acks = await answers(to, *(message(key, TemplateUse("gone", {})) for key in (1, 2)))
    assert (acks[1].delivery, acks[1].reason) == (first.delivery, "")
    assert (acks[2].delivery, acks[2].reason) == ("", "TEMPLATE_NOT_FOUND")
    assert first.delivery == delivery_id(tenant="t1", origin="f1", channel="", address="ann@example.com")


async def test_without_a_database_everything_may_come_again(store: Store) -> None:
    """What would be refused as well: nobody can know whether it was stored before."""
    acks = await answers(accepting(store, journal=_Broken()), message(1), message(2, TemplateUse("gone", {})))
    assert [ack.retryable for ack in acks.values()] == [True, True]


CARD = "4111 1111 1111 1111"


def policy(measure: Measure, **values: Any) -> PiiPolicy:
    """One on messages."""
    return PiiPolicy(tenant="t1", measure=measure, area=PiiArea.MESSAGES, **values)


@pytest.mark.parametrize(
    ("measure", "state", "text"),
    [
        (None, "SENT", f"pay {CARD}"),
        (Measure.ALLOW, "SENT", f"pay {CARD}"),
        (Measure.FLAG, "SENT", f"pay {CARD}"),
        (Measure.REDACT, "SENT", "pay [card]"),
        (Measure.BLOCK, "SUPPRESSED", ""),
    ],
)
async def test_personal_data_is_treated_as_the_policy_says(store: Store, measure: Measure | None, state: str, text: str) -> None:
    """In every part of a message; each finding is an alert, the timeline says why, and nothing but what was allowed keeps the value."""
    alerts = RecordedAlerts()
    served = accepting(store, policies=[policy(measure)] if measure else [], alerts=alerts)
    content = Content(f"card {CARD}", f"pay {CARD}", f"<p>{CARD}</p>")
    ((ack,),) = [answers async for answers in served.accept([message(1, content)])]
    found = await store.reader.get(tenant="t1", id=ack.delivery)
    assert found is not None
    assert found.state.name == state
    inbox = await store.inbox.get(tenant="t1", id=ack.delivery)
    assert (inbox.content.text if inbox else "") == text
    told = measure in (Measure.FLAG, Measure.REDACT, Measure.BLOCK)
    assert [(each.place, each.detail.partition(":")[0]) for each in alerts.all] == ([("messages", "card")] if told else [])
    if measure in (Measure.REDACT, Measure.BLOCK):
        assert "1111" not in repr((found, inbox, alerts.all))
        assert any("card" in entry.detail for entry in found.timeline)
    assert (found.reason if measure is Measure.BLOCK else "PII_BLOCKED") == "PII_BLOCKED"


async def test_a_policy_is_of_a_kind_and_a_tenant(store: Store) -> None:
    """Mail addresses are blocked, cards are not; another tenant's policy is not ours."""
    other = PiiPolicy(tenant="t2", measure=Measure.BLOCK)
    served = accepting(store, policies=[policy(Measure.BLOCK, kinds=frozenset({PiiKind.EMAIL})), other])
    batch = [message(1, Content("x", CARD)), message(2, Content("x", "ann@example.com"))]
    ((first, second),) = [answers async for answers in served.accept(batch)]
    states = [found.state.name for ack in (first, second) if (found := await store.reader.get(tenant="t1", id=ack.delivery))]
    assert states == ["SENT", "SUPPRESSED"]
