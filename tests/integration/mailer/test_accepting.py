"""What comes in, on each database: a message that cannot be stored is refused alone, and one that is known keeps its delivery."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailer_svc.domain import Ack, Channel, Channels, Content, NewDelivery, Submission, TemplateUse, delivery_id
from mailer_svc.domain.channels import nobody
from mailer_svc.metrics import DeliveryMetrics
from mailer_svc.service import Accepting, Composer, DeliveryPublisher, Gates
from mailer_svc.store import SqlJournal, SqlPeopleFacts
from tests.integration.mailer.stored import Store
from tocsin.addresses import normal_address
from tocsin.database import DataRefused
from tocsin.errors import Unavailable
from tocsin.redis import EventBus, Redis


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


def accepting(store: Store, *, journal: Any = None) -> Accepting:
    """A mailer with its inbox alone."""
    clock = store.clock
    channels = Channels([Channel(name="inbox", normal_address=normal_address, kept=True)], default="inbox")
    composer = Composer(
        templates=_NoTemplates(),  # pyright: ignore[reportArgumentType]  what it asks
        renderer=None,  # pyright: ignore[reportArgumentType]  nothing is rendered
        channels=channels,
        gates=Gates(people=SqlPeopleFacts(database=store.database), clock=clock),
        domain="example.org",
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
