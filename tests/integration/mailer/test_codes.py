"""Codes that prove addresses: how they end, on each database, and who may take one."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from mailer_svc.domain import (
    Ack,
    AddressState,
    AddressSuppressed,
    Channel,
    Channels,
    CodeNotNeeded,
    CodeTooSoon,
    CodeVoid,
    CodeWrong,
    Recipient,
    RecipientAddress,
    Submission,
    Suppression,
    SuppressionReason,
    TemplateUse,
)
from mailer_svc.ports.people import SuppressionQuery
from mailer_svc.service import Accepting, AddressVerification
from mailer_svc.store import SqlAddresses, SqlPeopleFacts, SqlRecipients, SqlSuppressions
from mailer_svc.store.people_tables import addresses
from tests.integration.mailer.stored import Store
from tocsin.errors import FailedPrecondition, Unavailable


class Postbox:
    """Takes messages, and keeps the codes; ``ack`` is what it answers."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.channels: list[str] = []
        self.locales: list[Any] = []
        self.ack = Ack(key=1, delivery="d")

    async def accept(self, batch: Sequence[Submission]) -> AsyncIterator[Sequence[Ack]]:
        """As `Accepting.accept`."""
        for message in batch:
            assert isinstance(message.content, TemplateUse)
            self.codes.append(message.content.variables["code"])
            self.locales.append((message.content.recipient or {}).get("locale"))
            self.channels.append(message.channel)
        yield [self.ack]


class Codes:
    """A recipient with an address of each channel, and what sends codes to them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.box = Postbox()
        self.numbers = iter(range(10_000_000, 99_999_999, 1_234_567))
        channels = Channels(
            [
                Channel(name="email", normal_address=str, codes=True, missing="no server"),
                Channel(name="inbox", normal_address=str, codes=True, shares="email"),
                Channel(name="webhook", normal_address=str),
            ],
            default="inbox",
        )
        self.verification = AddressVerification(
            store=SqlAddresses(database=store.database),
            people=SqlPeopleFacts(database=store.database),
            accepting=cast("Accepting", self.box),
            channels=channels,
            key=lambda: b"key",
            clock=store.clock,
            draw=lambda _: next(self.numbers),
            new_id=lambda: "id",
        )

    async def request(self, id: str = "mail") -> RecipientAddress:  # noqa: A002 - the word of the contract
        """Asks for a code."""
        return await self.verification.request(tenant="t1", recipient="ann", id=id)

    async def verify(self, code: str) -> RecipientAddress:
        """Brings one back."""
        return await self.verification.verify(tenant="t1", recipient="ann", id="mail", code=code)


@pytest.fixture
async def codes(store: Store) -> Codes:
    """On each database."""
    owned = (
        RecipientAddress(id="mail", channel="email", value="a@x.org", state=AddressState.PENDING),
        RecipientAddress(id="hook", channel="webhook", value="https://x.org", state=AddressState.RETIRED),
    )
    await SqlRecipients(database=store.database).create(Recipient(tenant="t1", id="ann", locale="de-CH", addresses=owned))
    return Codes(store)


async def test_a_code_goes_by_a_channel_that_can_send(codes: Codes) -> None:
    """Where there is no mail server, by the inbox, which shares the addresses; nothing of the code is stored but a hash."""
    await codes.request()
    assert codes.box.channels == ["inbox"]
    async with codes.store.database.read() as connection:
        rows: list[Any] = list((await connection.execute(addresses.select())).all())
    assert codes.box.codes[0] not in str(rows)
    with pytest.raises(CodeNotNeeded):
        await codes.request("hook")


async def test_a_code_is_in_the_language_of_its_recipient(codes: Codes) -> None:
    """Although the address is not known to work yet."""
    await codes.request()
    assert codes.box.locales == ["de-CH"]


@pytest.mark.parametrize(
    ("suppression", "refused"),
    [
        ({"reason": SuppressionReason.BOUNCE}, "bounce"),
        ({"reason": SuppressionReason.MANUAL}, "manual"),
        ({"reason": SuppressionReason.UNSUBSCRIBE, "category": "news"}, ""),
        ({"reason": SuppressionReason.BOUNCE, "until": 0}, ""),
        ({"reason": SuppressionReason.BOUNCE, "tenant": "t2"}, ""),
        ({"reason": SuppressionReason.BOUNCE, "channel": "sms"}, ""),
    ],
)
async def test_a_suppressed_address_gets_no_code(codes: Codes, suppression: dict[str, Any], refused: str) -> None:
    """Whoever asks is told so, with the reason, and nothing is sent; what is of one category, over, or elsewhere does not count."""
    values: dict[str, Any] = {"tenant": "t1", "id": "s", "channel": "email", "address": "a@x.org", **suppression}
    kept = SqlSuppressions(database=codes.store.database)
    await kept.add([Suppression(**values)])
    if not refused:
        await codes.request()
        return
    with pytest.raises(AddressSuppressed, match=refused) as told:
        await codes.request()
    assert [violation.field for violation in told.value.violations] == ["name"]
    assert codes.box.codes == []
    await kept.delete(tenant="t1", id="s")
    await codes.request()  # at once: no code was spent


async def test_a_code_that_comes_back_lifts_what_nobody_decided_on(codes: Codes) -> None:
    """A soft suppression is over, for the address works; a manual one stays."""
    await codes.request()
    kept, end = SqlSuppressions(database=codes.store.database), codes.store.clock.micros() + 10**12
    for id, category, reason in (("soft", "", SuppressionReason.BOUNCE), ("manual", "news", SuppressionReason.MANUAL)):  # noqa: A001
        await kept.add([Suppression(tenant="t1", id=id, channel="email", address="a@x.org", category=category, reason=reason, until=end)])
    await codes.verify(codes.box.codes[0])
    assert [left.id for left in await kept.page(SuppressionQuery(tenant="t1"), after="", limit=10)] == ["manual"]


async def test_a_new_code_voids_the_one_before(codes: Codes) -> None:
    """After a minute, not sooner."""
    await codes.request()
    await codes.store.clock.advance(59)
    with pytest.raises(CodeTooSoon):
        await codes.request()
    await codes.store.clock.advance(1)
    await codes.request()
    first, second = codes.box.codes
    with pytest.raises(CodeWrong):
        await codes.verify(first)
    assert (await codes.verify(second)).state is AddressState.ACTIVE


async def test_five_wrong_ones_void_a_code(codes: Codes) -> None:
    """The right one is refused then, until another one was sent."""
    await codes.request()
    for guess in ("", "0", "x" * 30, "é", codes.box.codes[0] + "0"):
        with pytest.raises(CodeWrong):
            await codes.verify(guess)
    with pytest.raises(CodeVoid):
        await codes.verify(codes.box.codes[0])
    await codes.store.clock.advance(60)
    await codes.request()
    assert (await codes.verify(codes.box.codes[1])).state is AddressState.ACTIVE
    with pytest.raises(CodeNotNeeded):
        await codes.verify(codes.box.codes[1])


async def test_a_code_ends_after_a_quarter_of_an_hour(codes: Codes) -> None:
    """At that moment."""
    await codes.request()
    await codes.store.clock.advance(900)
    with pytest.raises(CodeVoid):
        await codes.verify(codes.box.codes[0])


async def test_what_cannot_be_sent_is_told(codes: Codes) -> None:
    """A refusal, and a mailer that cannot store it now."""
    codes.box.ack = Ack(key=1, reason="SUPPRESSED_ADDRESS", message="it is suppressed")
    with pytest.raises(FailedPrecondition, match="it is suppressed"):
        await codes.request()
    codes.box.ack = Ack(key=1, reason="DATABASE_UNAVAILABLE", message="not now", retryable=True)
    await codes.store.clock.advance(60)
    with pytest.raises(Unavailable):
        await codes.request()
