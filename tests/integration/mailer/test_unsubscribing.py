"""Leaving with one click: who looks changes nothing, who sends the form leaves at once, on each database."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from google.api import httpbody_pb2
from sqlalchemy import insert, select

from mailer_svc.channels.email import unsubscribe_tokens
from mailer_svc.domain import UnsubscribeTokenInvalid, UnsubscribeTokens, Unsubscription
from mailer_svc.domain.people import SuppressionReason
from mailer_svc.domain.preferences import DeliveryCap, PreferenceChoice, Preferences, decode, encode
from mailer_svc.handlers.unsubscribing import UnsubscribeHandlers
from mailer_svc.service import Unsubscribing
from mailer_svc.store import SqlCategoryChoices, SqlSuppressions
from mailer_svc.store.people_tables import categories, preferences, recipients, suppressions
from tests.integration.mailer.people import People
from tests.integration.mailer.stored import Store
from tests.integration.mailer.support import SCOPES, Rig
from tocsin.api.mailer.v1 import (
    category_service_pb2,
    inbox_service_pb2,
    notification_service_pb2,
    recipient_service_pb2,
    template_service_pb2,
)
from tocsin.api.mailer.v1 import unsubscribe_service_pb2 as pb
from tocsin.api.mailer.v1 import unsubscribe_service_pb2_grpc as rpc
from tocsin.installation_key import KEY_FILE, InstallationKey
from tocsin.mesh.context import Call, CallNote, enter
from tocsin.testing.waiting import eventually

TOKENS = UnsubscribeTokens(b"k" * 64)
ANN = Unsubscription("t1", "ann", "ann@example.com", "news", "email")
RAW = Unsubscription("t1", "", "raw@example.com", "news", "email")
BEFORE = Preferences(
    choices=(PreferenceChoice(enabled=True, category="news", channel="email"), PreferenceChoice(enabled=True, category="other")),
    cap=DeliveryCap(count=3, window=10),
)


def unsubscribing(store: Store) -> Unsubscribing:
    """The use case on a store."""
    return Unsubscribing(
        tokens=TOKENS,
        choices=SqlCategoryChoices(database=store.database),
        suppressions=SqlSuppressions(database=store.database),
        clock=store.clock,
        new_id=lambda: "s1",
    )


async def put(store: Store, table: Any, **values: Any) -> None:
    """A row."""
    async with store.database.transaction() as connection:
        await connection.execute(insert(table).values(**values))


async def rows(store: Store, table: Any) -> list[Any]:
    """All rows."""
    async with store.database.read() as connection:
        return list(await connection.execute(select(table)))


@pytest.fixture
async def people(store: Store) -> Store:
    """A store that knows Ann, what she chose, and a category."""
    stamps = {"created": 0, "updated": 0}
    person = {"display_name": "Ann", "name_key": "ann", "locale": "", "time_zone": "", "attributes": "{}"}
    await put(store, recipients, tenant="t1", id="ann", **person, **stamps)
    await put(store, categories, tenant="t1", id="news", display_name="Our news", kind=3, channels="[]", digest_window=0, **stamps)
    return store


async def test_looking_changes_nothing(people: Store) -> None:
    """The category is called by its name; scanners may look as often as they like."""
    target = await unsubscribing(people).describe(TOKENS.seal(ANN))
    assert (target.category, target.address) == ("Our news", "ann@example.com")
    assert await rows(people, preferences) + await rows(people, suppressions) == []


@pytest.mark.parametrize("before", [None, BEFORE])
async def test_a_recipient_leaves_the_category(people: Store, before: Preferences | None) -> None:
    """By every channel; other choices stay; again, and many times at once, is the same."""
    if before is not None:
        await put(people, preferences, tenant="t1", recipient="ann", document=encode(before), updated=0)
    await asyncio.gather(*(unsubscribing(people).leave(TOKENS.seal(ANN)) for _ in range(5)))
    ((tenant, recipient, document, _),) = await rows(people, preferences)
    found = decode(document)
    off = PreferenceChoice(enabled=False, category="news")
    assert (tenant, recipient) == ("t1", "ann")
    assert found.choices == ((off,) if before is None else (PreferenceChoice(enabled=True, category="other"), off))
    assert found.cap == (None if before is None else BEFORE.cap)
    assert await rows(people, suppressions) == []


@pytest.mark.parametrize("what", [RAW, Unsubscription("t1", "gone", "raw@example.com", "news", "email")])
async def test_an_address_of_nobody_is_suppressed_for_the_category(people: Store, what: Unsubscription) -> None:
    """Also if it was a recipient's who is not there any more; again is the same."""
    for _ in range(2):
        await unsubscribing(people).leave(TOKENS.seal(what))
    (row,) = await rows(people, suppressions)
    assert (row.tenant, row.channel, row.address, row.category) == ("t1", "email", "raw@example.com", "news")
    assert (row.reason, row.until) == (SuppressionReason.UNSUBSCRIBE, None)


async def test_preferences_that_cannot_be_read_do_not_hold_anybody(people: Store) -> None:
    """Whoever wants to leave leaves."""
    await put(people, preferences, tenant="t1", recipient="ann", document="{", updated=0)
    await unsubscribing(people).leave(TOKENS.seal(ANN))
    ((_, _, document, _),) = await rows(people, preferences)
    assert decode(document).choices == (PreferenceChoice(enabled=False, category="news"),)


async def test_a_token_of_nobody_changes_nothing(people: Store) -> None:
    """Nor does it show anything."""
    for call in (unsubscribing(people).describe, unsubscribing(people).leave):
        with pytest.raises(UnsubscribeTokenInvalid):
            await call(TOKENS.seal(RAW)[:-1])
    assert await rows(people, suppressions) == []


async def test_a_template_has_the_link_of_what_may_be_left(tmp_path: Path) -> None:
    """It opens the page of just that category and address; a mandatory category, and none, have no link."""
    rig = Rig(folder=tmp_path, public_url="https://tocsin.example")
    await rig.start()
    kinds = category_service_pb2.Category
    text = "{% if recipient.unsubscribe_url %}leave {{ recipient.unsubscribe_url }}{% else %}stay{% endif %}"
    whom = {"ann": "ann@example.com", "raw": "raw@example.com"}
    owned = recipient_service_pb2.Address(channel="email", value=whom["ann"], state=recipient_service_pb2.Address.ACTIVE)
    await People(rig).create("ann", addresses=[owned])
    found: dict[tuple[str, str], str] = {}
    with rig.user("t1", scopes=(*SCOPES, "recipients:write", "notifications:write")):
        for name, kind in (("news", kinds.MARKETING), ("law", kinds.MANDATORY)):
            category = kinds(name=f"categories/{name}", kind=kind)
            await rig.categories.CreateCategory(category_service_pb2.CreateCategoryRequest(category=category))
        template = template_service_pb2.Template(name="templates/t", subject="s", text=text)
        await rig.templates.CreateTemplate(template_service_pb2.CreateTemplateRequest(template=template))
        for category in ("news", "law", ""):
            given = notification_service_pb2.Notification(
                to=[whom["raw"]], recipients=["recipients/ann"], template="templates/t", channels=["inbox"]
            )
            given.category = category and f"categories/{category}"
            await rig.notifications.SendNotification(notification_service_pb2.SendNotificationRequest(notification=given))
            for who, address in whom.items():
                found[category, who] = await arrived(rig, address, len(found) // 2 + 1)
    assert {key for key, said in found.items() if said != "stay"} == {("news", "ann"), ("news", "raw")}
    tokens = unsubscribe_tokens(InstallationKey(secret="", file=tmp_path / KEY_FILE))
    prefix = "leave https://tocsin.example/u/"
    assert tokens.open(found["news", "ann"].removeprefix(prefix)) == Unsubscription("t1", "ann", whom["ann"], "news", "email")
    assert tokens.open(found["news", "raw"].removeprefix(prefix)) == Unsubscription("t1", "", whom["raw"], "news", "email")
    await rig.stop()


async def arrived(rig: Rig, address: str, count: int) -> str:
    """The text of the newest message to an address, once there are so many."""
    texts: list[str] = []

    async def there() -> bool:
        page = await rig.inbox.ListMessages(inbox_service_pb2.ListMessagesRequest())
        texts[:] = [message.text for message in page.messages if address in message.to]
        return len(texts) == count

    await eventually(there, what=f"{count} messages to {address}")
    return texts[0].strip()


@pytest.mark.parametrize(
    ("token", "form", "status", "words"),
    [
        ("good", b"List-Unsubscribe=One-Click", 200, "Sie sind abgemeldet"),
        ("good", b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--', 200, "Sie sind abgemeldet"),
        ("good", b"", 400, "Es hat sich nichts"),
        ("bad", b"List-Unsubscribe=One-Click", 404, "Dieser Link funktioniert nicht"),
        ("bad", b"", 404, "Dieser Link funktioniert nicht"),
    ],
)
async def test_strangers_need_no_token_of_ours(rig: Rig, token: str, form: bytes, status: int, words: str) -> None:
    """The RPC asks nobody who they are, only what the link says."""
    key = InstallationKey(secret="", file=rig.folder / KEY_FILE)
    sealed = unsubscribe_tokens(key).seal(RAW) if token == "good" else "1bad"
    stub: Any = rpc.UnsubscribeServiceStub(rig.mesh_of("gateway").channel("mailer_svc"))
    headers = {"accept-language": "de"}
    body = httpbody_pb2.HttpBody(content_type="application/x-www-form-urlencoded", data=form)
    answer = await stub.Unsubscribe(pb.UnsubscribeRequest(token=sealed, form=body, headers=headers))
    assert (answer.status, answer.page.content_type) == (status, "text/html; charset=utf-8")
    assert words in answer.page.data.decode()
    shown = await stub.ShowUnsubscribePage(pb.ShowUnsubscribePageRequest(token=sealed))
    assert ("Unsubscribe?" in shown.page.data.decode()) is (token == "good")


async def test_the_audit_log_learns_who_leaves_what(people: Store) -> None:
    """No token says it: the link does. Whatever state the tenant is in, it works."""
    handlers = UnsubscribeHandlers(unsubscribing=unsubscribing(people))
    call, context = Call(), cast("Any", None)
    call.note = CallNote()
    enter(call)
    form = httpbody_pb2.HttpBody(data=b"List-Unsubscribe=One-Click")
    assert (await handlers.Unsubscribe(pb.UnsubscribeRequest(token=TOKENS.seal(ANN), form=form), context)).status == 200
    assert (call.note.tenant, call.note.subject, call.note.resource) == ("t1", "recipients/ann", "categories/news")
