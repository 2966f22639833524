"""What the gates ask about people, on each database."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, insert

from mailer_svc.domain.people import AddressState, CategoryKind, MemberKind, Suppression, SuppressionReason
from mailer_svc.domain.preferences import UNSAID, PreferenceChoice, Preferences, encode
from mailer_svc.ports import ActiveAddress, AddressKey, PersonKey, SuppressionFacts, SuppressionQuery, TenantKey
from mailer_svc.store import SqlAddressRetirement, SqlPeopleFacts, SqlSuppressions
from mailer_svc.store import people_tables as tables
from tests.integration.mailer.stored import Store
from tocsin.database import Database

_DEFAULTS: dict[Any, Any] = {str: "", int: 0, bool: False}


async def put(database: Database, table: Table, *rows: dict[str, Any]) -> None:
    """Stores rows; what they do not say is empty or zero."""
    empty = {column.name: None if column.nullable else _DEFAULTS[column.type.python_type] for column in table.columns}
    async with database.transaction() as connection:
        await connection.execute(insert(table), [empty | row for row in rows])


@pytest.fixture
async def facts(store: Store) -> SqlPeopleFacts:
    """Two tenants' people."""
    database = store.database
    active, pending = int(AddressState.ACTIVE), int(AddressState.PENDING)
    await put(
        database,
        tables.recipients,
        *({"tenant": t, "id": i, "time_zone": z} for t, i, z in (("t1", "ann", "Asia/Tokyo"), ("t1", "bob", ""), ("t2", "ann", ""))),
    )
    await put(
        database,
        tables.addresses,
        {"id": "1", "tenant": "t1", "recipient": "ann", "channel": "email", "value": "a@x", "state": active, "created": 2},
        {"id": "2", "tenant": "t1", "recipient": "ann", "channel": "email", "value": "a2@x", "state": active, "created": 1},
        {"id": "3", "tenant": "t1", "recipient": "ann", "channel": "sms", "value": "+41", "state": pending},
        {"id": "4", "tenant": "t2", "recipient": "ann", "channel": "email", "value": "a@x", "state": active},
    )
    await put(
        database,
        tables.preferences,
        {"tenant": "t1", "recipient": "", "document": encode(Preferences(choices=(PreferenceChoice(enabled=False),)))},
        {"tenant": "t1", "recipient": "ann", "document": "{broken"},
        {"tenant": "t2", "recipient": "ann", "document": '{"cap": {"count": "many"}}'},
    )
    await put(
        database,
        tables.suppressions,
        {"tenant": "t1", "channel": "email", "address": "a@x", "id": "s1", "reason": 1},
        {"tenant": "t1", "channel": "email", "address": "a@x", "id": "s2", "reason": 3, "category": "news", "until": 100},
        {"tenant": "t1", "channel": "email", "address": "b@x", "id": "s3", "reason": 99},
    )
    await put(database, tables.categories, {"tenant": "t1", "id": "news", "kind": 3, "channels": '["email"]', "digest_window": 5})
    return SqlPeopleFacts(database=database)


KEYS = [TenantKey("t1", "ann"), TenantKey("t1", "bob"), TenantKey("t2", "ann"), TenantKey("t2", "bob"), TenantKey("t1", "\0\ud800")] * 2


async def test_each_question_is_answered_for_every_tenant_of_a_batch_at_once(facts: SqlPeopleFacts) -> None:
    """Also for keys that are asked for twice, that nobody has, and that no database could hold."""
    assert await facts.active_addresses(KEYS) == {
        KEYS[0]: [ActiveAddress("email", "a2@x"), ActiveAddress("email", "a@x")],
        KEYS[2]: [ActiveAddress("email", "a@x")],
    }
    categories = await facts.categories([TenantKey("t1", "news"), TenantKey("t2", "news")])
    assert {key: (item.kind, item.channels, item.digest_window) for key, item in categories.items()} == {
        TenantKey("t1", "news"): (CategoryKind.MARKETING, ("email",), 5)
    }
    assert await facts.categories([]) == {}


async def test_whose_an_address_is(facts: SqlPeopleFacts) -> None:
    """Of each tenant its own; an address that waits for its code is nobody's, and who is named is asked about whether known or not."""
    raw = [PersonKey(tenant, "email", value, "") for tenant in ("t1", "t2") for value in ("a@x", "b@x", "a2@x", "\ud800")]
    named = [PersonKey("t1", "sms", "+41", "bob"), PersonKey("t2", "email", "a@x", "bob"), PersonKey("t1", "email", "", "\0\ud800")]
    people = [*raw, PersonKey("t1", "sms", "+41", ""), *named, raw[0]]
    found = await facts.about(people, now=0)
    assert [item.recipient_id for item in found] == ["ann", "", "ann", "", "ann", "", "", "", "", "bob", "bob", "\0\ud800", "ann"]
    zones = [item.recipient.time_zone if item.recipient else None for item in found]
    assert zones == ["Asia/Tokyo", None, "Asia/Tokyo", None, "UTC", None, None, None, None, "UTC", None, None, "Asia/Tokyo"]
    assert await facts.about([], now=0) == []


async def test_a_document_that_cannot_be_read_costs_itself(facts: SqlPeopleFacts) -> None:
    """Its recipient says nothing; the tenant's own is there, and is nobody else's."""
    people = [PersonKey("t1", "email", "a@x", ""), PersonKey("t1", "email", "z@x", ""), PersonKey("t2", "email", "", "ann")]
    assert [item.wants for item in await facts.about(people, now=0)] == [UNSAID] * 3
    own = {"t1": Preferences(choices=(PreferenceChoice(enabled=False),)), "t2": UNSAID}
    assert await facts.tenants_in_use({"t1", "t2", "t3"}) == own


@pytest.mark.parametrize(("now", "of_news"), [(99, True), (100, False)])
async def test_a_suppression_holds_until_it_ends(facts: SqlPeopleFacts, now: int, of_news: bool) -> None:
    """One for a category holds for that; a reason of a newer version is shown as it is."""
    addresses = [("t1", "a@x"), ("t1", "b@x"), ("t2", "a@x")] * 2
    found = [item.suppressions for item in await facts.about([PersonKey(one, "email", value, "") for one, value in addresses], now=now)]
    both = {SuppressionFacts("", SuppressionReason.BOUNCE), SuppressionFacts("news", SuppressionReason.UNSUBSCRIBE)}
    assert set(found[0]) == {item for item in both if of_news or not item.category}
    assert [(item.category, int(item.reason)) for item in found[1]] == [("", 99)]
    assert found[2] == ()
    assert [set(more) for more in found[3:]] == [set(one) for one in found[:3]]


async def test_groups_are_expanded_in_pages_each_recipient_once(store: Store, facts: SqlPeopleFacts) -> None:
    """Groups in groups, also in a circle; what is named is there whether known or not, in the order of the bytes."""
    people, groups = int(MemberKind.RECIPIENT), int(MemberKind.GROUP)
    rows = [("all", groups, f"g{number}") for number in range(120)] + [
        ("g7", groups, "all"),
        ("all", people, "Zoe"),
        ("all", people, "ann"),
    ]
    rows += [(f"g{number}", people, f"p{member:02}") for number in range(120) for member in range(number % 40)]
    members = [{"tenant": "t1", "group_id": group, "kind": kind, "member": member} for group, kind, member in rows]
    await put(store.database, tables.group_members, *members, {"tenant": "t2", "group_id": "all", "kind": people, "member": "other"})
    await put(store.database, tables.groups, *({"tenant": "t1", "id": group} for group in {row[0] for row in rows}))
    targets = ["groups/all", "recipients/nobody", "recipients/p03", "raw@example.com", "groups/none"]
    expected = sorted({"Zoe", "ann", "groups/none", "nobody", *(f"p{member:02}" for member in range(39))})
    for limit in (1, 7, 1000):
        found: list[str] = []
        while page := await facts.expand("t1", targets, after=found[-1] if found else "", limit=limit):
            assert len(page) <= limit
            found += page
        assert found == expected
    assert await facts.expand("t1", ["recipients/b", "recipients/a"], after="", limit=5) == ["a", "b"]
    assert await facts.expand("t1", ["groups/none", "groups/g1"], after="", limit=5) == ["groups/none", "p00"]


async def test_a_suppression_is_there_once_for_an_address_and_a_category(store: Store, facts: SqlPeopleFacts) -> None:
    """Added again it says what was said last; texts from outside are stored as far as they can be; pages are by id."""
    kept = SqlSuppressions(database=store.database)
    first = Suppression(tenant="t1", id="n1", channel="email", address="c@x", detail="550 \0\ud800", created=7)
    await kept.add([first, replace(first, id="n2", category="news"), replace(first, id="n3", address="d@x")])
    changed = await kept.put(replace(first, id="n9", reason=SuppressionReason.COMPLAINT, detail="spam", until=5, created=9))
    assert changed == replace(first, reason=SuppressionReason.COMPLAINT, detail="spam", until=5)
    assert (await kept.get(tenant="t1", id="n2")) == replace(first, id="n2", category="news", detail="550 \ufffd?")
    assert await kept.get(tenant="t2", id="n2") is None
    query = SuppressionQuery(tenant="t1", equal=(("channel", "email"),), unequal=(("address", "a@x"),))
    assert [item.id for item in await kept.page(query, after="n1", limit=2)] == ["n2", "n3"]
    assert [item.id for item in await kept.page(query, after="n3", limit=2)] == ["s3"]
    assert not await kept.delete(tenant="t2", id="n2")
    assert await kept.delete(tenant="t1", id="n2")
    assert await kept.get(tenant="t1", id="n2") is None
    await kept.add([])


async def test_a_retired_address_gets_nothing(store: Store, facts: SqlPeopleFacts) -> None:
    """It costs its tenant's address alone, whatever the provider's words hold."""
    gone = {
        AddressKey("t1", "email", "a@x"): "unregistered \0",
        AddressKey("t1", "email", "none@x"): "",
        AddressKey("t1", "\ud800", ""): "",
    }
    await SqlAddressRetirement(database=store.database).retire(gone, now=50)
    assert await facts.active_addresses(KEYS) == {KEYS[0]: [ActiveAddress("email", "a2@x")], KEYS[2]: [ActiveAddress("email", "a@x")]}
    await SqlAddressRetirement(database=store.database).retire({}, now=50)


async def test_an_address_that_moved_is_another_one(store: Store, facts: SqlPeopleFacts) -> None:
    """Where the tenant has that already, the old one is gone; a neighbour's stays as it is."""
    kept = SqlAddressRetirement(database=store.database)
    await kept.replace(AddressKey("t1", "email", "a@x"), "moved@x", now=50)
    await kept.replace(AddressKey("t1", "email", "moved@x"), "a2@x", now=60)
    await kept.replace(AddressKey("t1", "email", "none@x"), "new@x", now=60)
    await kept.replace(AddressKey("t1", "email", "a2@x"), "\ud800", now=60)
    assert await facts.active_addresses(KEYS) == {KEYS[0]: [ActiveAddress("email", "a2@x")], KEYS[2]: [ActiveAddress("email", "a@x")]}


async def test_a_batch_without_tenants_has_none_in_use(facts: SqlPeopleFacts) -> None:
    """Such as one of messages to recipients alone."""
    assert await facts.tenants_in_use(set()) == {}
