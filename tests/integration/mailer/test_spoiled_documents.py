"""A document that somebody spoiled, and whatever one item of a batch brings about, costs that alone: the loops go on for all others."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import pytest
from sqlalchemy import select, update

from mailer_svc.domain import Content, Notification, Priority
from mailer_svc.domain.preferences import Preferences, QuietHours
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.service import Expansion, Gates
from mailer_svc.service.gates import GateAnswer, GateQuestion
from mailer_svc.store.people_tables import categories, digests, notifications, preferences, recipients
from mailer_svc.store.tables import contents, deliveries, events
from tests.integration.mailer.engine import Engine, make_engine
from tests.integration.mailer.stored import Store
from tests.integration.mailer.test_status_callbacks import Listener, callbacks, notify, sent

DOCUMENTS: Final = {
    "too deep a list": "[" * 50_000,
    "too deep an object": '{"a":' * 50_000,
    "a key that nobody knows, too deep": '{"x":' * 50_000 + "1" + "}" * 50_000,
    "nothing": "null",
    "another shape": '[[1, {"a": null}]]',
    "a number of many digits": "9" * 5000,
    "half a surrogate": '{"a": "\\ud800"}',
    "empty": "",
}
"""What no version wrote."""


@pytest.fixture
def engine(store: Store) -> Engine:
    """On each database in turn."""
    return make_engine(store)


async def spoil(store: Store, column: Any, value: Any, *where: Any) -> None:
    """Sets a column."""
    async with store.database.transaction() as connection:
        assert (await connection.execute(update(column.table).where(*where).values({column.name: value}))).rowcount


async def test_what_is_known_of_people_holds_nobody(engine: Engine) -> None:
    """Preferences of a recipient and of the tenant, rules, attributes and channels of a category: everybody else is written to."""
    await engine.people("ann", "bob", wants=Preferences())
    await engine.category("odd", channels='["email"]')
    await engine.put(preferences, {"recipient": "", "document": "{}"})
    for count, (name, document) in enumerate(DOCUMENTS.items(), 1):
        for column in (recipients.c.rules, recipients.c.attributes):
            await spoil(engine.store, column, document, recipients.c.id == "ann")
        await spoil(engine.store, preferences.c.document, document, preferences.c.recipient.in_(["", "ann"]))
        await spoil(engine.store, categories.c.channels, document, categories.c.id == "odd")
        for category in ("", "odd"):
            await engine.send(f"n{count}{category}", recipients=("recipients/ann", "recipients/bob"), category=category)
        assert [person for person, *_ in await engine.states()].count("bob") == 2 * count, name


async def test_a_digest_closes_over_what_cannot_be_read(engine: Engine) -> None:
    """The buttons of one of its messages: they are left out."""
    people = [f"p{place}" for place, _ in enumerate(DOCUMENTS)]
    await engine.people(*people)
    await engine.category("news", window=60)
    for name in ("n1", "n2"):
        await engine.send(name, recipients=tuple(f"recipients/{person}" for person in people), category="news")
    for person, document in zip(people, DOCUMENTS.values(), strict=True):
        first = select(deliveries.c.id).where(deliveries.c.recipient_id == person).order_by(deliveries.c.id).limit(1).scalar_subquery()
        await spoil(engine.store, contents.c.actions, document, contents.c.delivery == first)
    await engine.store.clock.advance(60)
    await engine.closer.close_due()
    ended = Counter(state for _, state, _ in await engine.states())
    assert ended == {"ACCEPTED": len(people), "DIGESTED": 2 * len(people)}


async def test_callbacks_pass_over_what_cannot_be_said(store: Store) -> None:
    """Metadata that nobody can read, and a time outside every calendar: both are told as far as they can be, and others follow."""
    listener = Listener()
    component = callbacks(store, listener)
    await component.gather()
    for place, document in enumerate(DOCUMENTS.values(), 1):
        await notify(store, f"n{place}", url=f"https://{place}.example/")
        await sent(store, place, f"n{place}")
        await spoil(store, notifications.c.metadata, document, notifications.c.id == f"n{place}")
    await spoil(store, events.c.at, 2**62, events.c.delivery == "d1")
    await component.gather()
    await component.post()
    for place, _ in enumerate(DOCUMENTS, 1):
        assert listener.states(f"https://{place}.example/") == ["ACCEPTED", "SENDING", "SENT"]
    assert json.loads(listener.told[0].body)["timestamp"].startswith("9999-12-31")


def refuse(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes the gates fail, as nobody foresaw, for the recipients in the list."""
    refused, original = ["ann"], Gates.ask

    async def ask(gates: Gates, questions: Sequence[GateQuestion]) -> list[GateAnswer]:
        if any(each.recipient_id in refused for each in questions):
            raise KeyError(refused[0])
        return await original(gates, questions)

    monkeypatch.setattr(Gates, "ask", ask)
    return refused


async def test_a_digest_that_cannot_be_closed_holds_no_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again later, and its round ends."""
    await engine.people("ann", "bob", "cat")
    await engine.category("news", window=60)
    await engine.send(recipients=("recipients/ann", "recipients/bob", "recipients/cat"), category="news")
    await engine.store.clock.advance(60)
    refused = refuse(monkeypatch)
    await engine.closer.close_due()
    assert {person: state for person, state, _ in await engine.states() if state != "DIGESTED"} == {
        "ann": "HELD",
        "bob": "ACCEPTED",
        "cat": "ACCEPTED",
    }
    refused.clear()
    await engine.closer.close_due()
    assert ("ann", "HELD", "DIGEST") in await engine.states()
    await engine.store.clock.advance(300)
    await engine.closer.close_due()
    assert "ACCEPTED" in [state for person, state, _ in await engine.states() if person == "ann"]
    assert not await _still_open(engine)


async def test_what_is_held_and_cannot_be_released_holds_no_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays held until its claim ends."""
    always = tuple(WeeklyWindow(weekday=day, start=0, end=23 * 60 + 59) for day in range(1, 8))
    await engine.people("ann", "bob", wants=Preferences(quiet_hours=QuietHours(times=always)))
    await engine.send(recipients=("recipients/ann", "recipients/bob"))
    assert {state for _, state, _ in await engine.states()} == {"HELD"}
    await spoil(engine.store, preferences.c.document, "{}", preferences.c.recipient.in_(["ann", "bob"]))
    refused = refuse(monkeypatch)
    await engine.store.clock.advance(24 * 3600)
    await engine.releaser.release_due()
    assert [(person, state) for person, state, _ in await engine.states()] == [("ann", "HELD"), ("bob", "ACCEPTED")]
    refused.clear()
    await engine.store.clock.advance(61)
    await engine.releaser.release_due()
    assert {state for _, state, _ in await engine.states()} == {"ACCEPTED"}


async def test_a_notification_that_cannot_be_expanded_holds_no_other(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those claimed with it are claimed one by one, and it is put off; none is made twice."""
    await engine.people("ann", "bob")
    for place, person in enumerate(("bob", "ann", "bob", "bob")):
        await engine.announce(f"n{place}", recipients=(f"recipients/{person}",), content=Content(f"N{place}"))
    original, broken = Expansion.parts, ["n1"]

    async def parts(expansion: Expansion, claimed: Sequence[Notification], *, until: int) -> Any:
        if any(item.id in broken for item in claimed):
            raise KeyError("n1")
        return await original(expansion, claimed, until=until)

    monkeypatch.setattr(Expansion, "parts", parts)
    await engine.expand()
    assert sorted(item.subject for item in await engine.deliveries()) == ["N0", "N2", "N3"]
    assert not await engine.fanout.expand_some(Priority.NORMAL)
    broken.clear()
    await engine.store.clock.advance(61)
    await engine.expand()
    assert sorted(item.subject for item in await engine.deliveries()) == ["N0", "N1", "N2", "N3"]


async def test_digests_of_no_channel_that_is_known_close(engine: Engine) -> None:
    """A row whose channel and recipient no version knows."""
    await engine.put(digests, {"id": "odd", "key": "k", "recipient_id": "nobody", "channel": "pigeon", "address": "\U0001f54a"})
    await engine.closer.close_due()
    assert not await _still_open(engine)


async def _still_open(engine: Engine) -> Sequence[Any]:
    async with engine.store.database.read() as connection:
        return (await connection.execute(select(digests).where(digests.c.closed.is_(None)))).all()
