"""Mail that is for us: replies by which people answer incidents, and alerts for integrations, in real conversations."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mailer_svc.bounces import AlertMail, BounceDoor, BounceListener, ReplyMail, ReturnedMail
from mailer_svc.domain import ReturnPaths
from mailer_svc.domain.answers import LASTING
from mailer_svc.metrics import BounceMetrics
from mailer_svc.ports.incidents import IncidentKey, IncidentStanding, LinkAnswer, PersonalAnswer
from mailer_svc.service.replying import Replying
from mailer_svc.store import SqlDeliveryReader
from tests.integration.mailer.engine import Engine, make_engine
from tests.integration.mailer.stored import Store
from tocsin.clock import HOUR, SECOND
from tocsin.errors import InvalidInput, NotFound, ResourceExhausted, TocsinError, Unavailable
from tocsin.testing.clock import FakeClock

BOUNCES = ReturnPaths(address="mail@example.org", key=b"b" * 32)
REPLIES = ReturnPaths(address="mail@example.org", key=b"r" * 32)
KEY = "abcdefghijklmnopqrstuvwxyz234567"


class Alerts:
    """Takes mails as the scheduler does; or fails."""

    def __init__(self) -> None:
        self.taken: list[dict[str, str]] = []
        self.failing: TocsinError | None = None

    async def receive(self, **mail: str) -> None:
        """Notes it."""
        if self.failing:
            raise self.failing
        self.taken.append(mail)


class Post:
    """A listener for replies to Ann's mail about an incident, and for alerts."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.alerts = Alerts()
        self.registry = CollectorRegistry()
        self.delivery = ""
        nobody: Any = None
        asked = SqlDeliveryReader(database=engine.store.database, order=engine.store.order)
        replying = Replying(asked=asked, incidents=engine.incidents, clock=engine.store.clock)
        takers = [
            ReturnedMail(paths=BOUNCES, reports=nobody),
            ReplyMail(paths=REPLIES, replying=replying),
            AlertMail(domain="Alerts.example.org", intake=self.alerts, own_domain="example.org"),
        ]
        door = BounceDoor(takers=takers, metrics=BounceMetrics(self.registry))
        self.listener = BounceListener(host="127.0.0.1", port=0, door=door)

    async def start(self) -> None:
        """Ann is told."""
        self.engine.incidents.open("i")
        await self.engine.people("ann", "bea")
        await self.engine.send("step", recipients=("recipients/ann", "recipients/bea"), incident="i")
        self.delivery = next(item.id for item in await self.engine.deliveries() if item.recipient_id == "ann")
        await self.listener.start()

    async def reply(self, text: str, *, sender: str = "Ann <Ann@Example.com>", to: str = "", **headers: str) -> str:
        """A reply to Ann's mail; what the listener says to it, "" if it takes it."""
        message = EmailMessage()
        message["From"] = sender
        message["Message-ID"] = "<1@example.com>"
        for name, value in headers.items():
            del message[name.replace("_", "-")]
            message[name.replace("_", "-")] = value
        message.set_content(text)
        return await self.hand_in(message.as_bytes(policy=SMTP), to or REPLIES.of(self.delivery))

    async def hand_in(self, data: bytes, to: str) -> str:
        """Any mail; likewise."""

        def talk() -> str:
            with smtplib.SMTP("127.0.0.1", self.listener.port, timeout=20) as client:
                try:
                    client.sendmail("ann@example.com", [to], data)
                except smtplib.SMTPRecipientsRefused as refused:
                    code, words = refused.recipients[to]
                    return f"{code} {words.decode()}"
                except smtplib.SMTPResponseException as refused:
                    return f"{refused.smtp_code} {refused.smtp_error!r}"
            return ""

        return await asyncio.to_thread(talk)

    @property
    def said(self) -> list[tuple[str, str, PersonalAnswer]]:
        """What reached the scheduler."""
        return [(actor, via, answer._replace(message_id="")) for _, actor, via, answer in self.engine.incidents.said]

    def counted(self, kind: str) -> float:
        """How many mails of a kind came."""
        return self.registry.get_sample_value("tocsin_returned_mails_total", {"kind": kind}) or 0.0


@pytest.fixture
async def post(store: Store) -> AsyncIterator[Post]:
    """On each database."""
    made = Post(make_engine(store))
    await made.start()
    yield made
    await made.listener.stop()


ACK = PersonalAnswer(LinkAnswer.ACKNOWLEDGE)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("ack\n\n> Disk full\n", ACK),
        ("Übernehme ich!\n\nAm 29.11.2026 schrieb Tocsin:\n> resolve\n", ACK),
        ("Resolved.", PersonalAnswer(LinkAnswer.RESOLVE)),
        ("snooze 1h", PersonalAnswer(LinkAnswer.SNOOZE, snooze=HOUR)),
        ("Who changed the disks?\n> ack", PersonalAnswer(LinkAnswer.NOTE, note="Who changed the disks?")),
    ],
)
async def test_a_reply_answers(post: Post, text: str, answer: PersonalAnswer) -> None:
    """By its first line, with who said it; what is not understood is a note."""
    assert await post.reply(text) == ""
    assert post.said == [("recipients/ann", "reply", answer)]
    assert post.counted(f"reply_{answer.kind.value}") == 1


async def test_an_answer_twice_is_one(post: Post) -> None:
    """What a relay hands in again has the same id; after the end nothing is put off any more, and that is said."""
    for _ in range(2):
        assert await post.reply("snooze 1h") == ""
    first, second = (answer.message_id for *_, answer in post.engine.incidents.said)
    assert first == second
    assert await post.reply("resolve", Message_ID="<2@example.com>") == ""
    key = IncidentKey("t1", "i")
    assert await post.reply("ack", Message_ID="<3@example.com>") == ""
    assert post.engine.incidents.standing[key].standing is IncidentStanding.RESOLVED
    assert "incident is over" in await post.reply("snooze 1h", Message_ID="<4@example.com>")


async def test_only_the_address_that_was_asked_may_answer(post: Post) -> None:
    """Whoever got hold of the mail otherwise is told so, and nothing happens."""
    both = "ann@example.com, bea@example.com"
    for sender in ("Bea <bea@example.com>", both, '"ann@example.com" <mallory@example.net>', "nobody"):
        assert "only the address" in await post.reply("ack", sender=sender)
    assert post.said == []


async def test_forged_and_expired_addresses_answer_nothing(post: Post) -> None:
    """550: before any content for what we did not make; the return path is no address of replies; a message is too old some day."""
    good = REPLIES.of(post.delivery)
    for wrong in (good[:-13] + "0@example.org", good.replace("example", "other"), "mail+x@example.org", "mail@example.org"):
        assert "550" in await post.reply("ack", to=wrong)
    assert "550" in await post.reply("ack", to=REPLIES.of("0" * 32)), "a delivery that is not there"
    clock = post.engine.store.clock
    assert isinstance(clock, FakeClock)
    await post.engine.send("plain", recipients=("recipients/ann",))
    [plain] = [item.id for item in await post.engine.deliveries() if item.recipient_id == "ann" and item.id != post.delivery]
    assert "550" in await post.reply("ack", to=REPLIES.of(plain)), "it asked nothing"
    await clock.advance(LASTING / SECOND)
    assert "too old" in await post.reply("ack")
    assert post.said == []


AUTOMATIC: list[dict[str, str]] = [
    {"Auto_Submitted": "auto-replied"},
    {"Auto_Submitted": "auto-generated; owner-email=ann@example.com"},
    {"Precedence": "bulk"},
    {"Precedence": "Auto_Reply"},
    {"X_Auto_Response_Suppress": "All"},
    {"X_Autoreply": "yes"},
    {"List_Id": "<ops.example.org>"},
    {"Subject": "Out of Office: Disk full"},
    {"Subject": "Automatische Antwort: Disk full"},
    {"Subject": "=?utf-8?q?Abwesenheitsnotiz=3A?= Disk full"},
]


async def test_what_a_program_answers_is_no_answer(post: Post) -> None:
    """It is taken, counted and forgotten: a refusal would be one more mail to a program."""
    for headers in AUTOMATIC:
        assert await post.reply("ack", **headers) == ""
    assert (post.said, post.counted("auto_reply")) == ([], len(AUTOMATIC))
    assert await post.reply("ack", Auto_Submitted="no") == ""
    assert post.said != []


async def test_an_empty_reply_says_nothing(post: Post) -> None:
    """Nor does one that only quotes."""
    for text in ("", "> ack\n", "\n\nOn Sunday Tocsin wrote:\n> ack\n"):
        assert await post.reply(text) == ""
    assert (post.said, post.counted("reply_nothing")) == ([], 3)


async def test_while_the_scheduler_is_away_a_reply_comes_again(post: Post) -> None:
    """451, and what the relay hands in then is taken."""
    post.engine.incidents.away = True
    assert "451" in await post.reply("ack")
    post.engine.incidents.away = False
    assert await post.reply("ack") == ""
    assert post.said == [("recipients/ann", "reply", ACK)]


async def test_a_reply_in_html_alone_is_read(post: Post) -> None:
    """Without what it quotes."""
    html = "<div>ack</div><br><div class='gmail_quote'>Disk full<blockquote>resolve</blockquote></div>"
    message = EmailMessage()
    message["From"] = "ann@example.com"
    message.set_content(html, subtype="html")
    assert await post.hand_in(message.as_bytes(policy=SMTP), REPLIES.of(post.delivery)) == ""
    assert post.said == [("recipients/ann", "reply", ACK)]


def alert(text: str = "The disk of db-1 is full.", **headers: str) -> bytes:
    """A mail of a monitoring system."""
    message = EmailMessage()
    message["From"] = "Nagios <nagios@example.com>"
    message["Subject"] = "PROBLEM: Disk fäll"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes(policy=SMTP)


async def test_a_mail_to_the_key_of_an_integration_is_an_alert(post: Post) -> None:
    """In any case; cron and others say that they are generated, which is no answer to anything."""
    for to in (f"{KEY}@alerts.example.org", f"{KEY.upper()}@ALERTS.example.ORG"):
        assert await post.hand_in(alert(Message_ID="<7@nagios>", Auto_Submitted="auto-generated"), to) == ""
    expected = {"key": KEY, "message_id": "<7@nagios>", "sender": "nagios@example.com", "subject": "PROBLEM: Disk fäll"}
    assert post.alerts.taken == [{**expected, "text": "The disk of db-1 is full."}] * 2
    assert await post.hand_in(alert(), f"{KEY}@alerts.example.org") == ""
    assert len(post.alerts.taken[-1]["message_id"]) == 32, "one is made up, of what it says"


async def test_what_cannot_be_a_key_is_refused_before_any_content(post: Post) -> None:
    """550."""
    wrong = ("short@alerts.example.org", f"{KEY}@example.org", f"{KEY}+x@alerts.example.org", f"{'a' * 65}@alerts.example.org", f"{KEY}@")
    for to in wrong:
        assert await post.hand_in(alert(), to) != ""
    assert post.alerts.taken == []


async def test_what_the_scheduler_says_is_told(post: Post) -> None:
    """For good, or for now."""
    refused = InvalidInput.at("subject", "is empty")
    for error, code in ((NotFound(), "550"), (refused, "550"), (ResourceExhausted(), "452"), (Unavailable(), "451")):
        post.alerts.failing = error
        assert code in await post.hand_in(alert(), f"{KEY}@alerts.example.org")


async def test_loops_end_here(post: Post) -> None:
    """Answers of programs, our own mails, and what has come round many times."""
    for data in (
        alert(Auto_Submitted="auto-replied"),
        alert(Auto_Submitted="auto-notified"),
        alert(Message_ID=f"<{'0' * 32}@example.org>"),
        b"Received: from a by b\r\n" * 31 + alert(),
    ):
        assert "554" in await post.hand_in(data, f"{KEY}@alerts.example.org")
    assert post.alerts.taken == []


async def test_a_bomb_of_parts_is_refused_and_a_long_text_is_cut(post: Post) -> None:
    """Before it is parsed."""
    to = f"{KEY}@alerts.example.org"
    assert "554" in await post.hand_in(b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" * 1000, to)
    assert "554" in await post.hand_in(b"Content-Type: message/rfc822\r\n\r\n" * 1000, REPLIES.of(post.delivery))
    assert "554" in await post.hand_in(b"Content-Type: multipart/mixed; boundary*=a\x00b''x\r\n\r\n", to)
    assert await post.hand_in(alert("é\n" * 60_000), to) == ""
    assert 60_000 < len(post.alerts.taken[-1]["text"].encode()) <= 65_536


ODD = (
    b"",
    b"\x00\xff\xfe",
    b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\ud800",
    b"Content-Type: text/plain; charset=rot13\r\n\r\nack",
    b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
    b"Subject: =?utf-8?b?!!!?= =?nope?q?=FF?=\r\nFrom: <@@@>\r\n\r\n",
    b"Content-Type: multipart/alternative\r\n\r\nno boundary",
    b"From: a@b.c\r\nFrom: d@e.f\r\n\r\n\x80",
    b"From: " + b"(" * 900 + b"\r\n\r\nx",
    "Subject: =?ü?q?x?=\r\n\r\nx".encode(),
    b"Content-Type: text/plain; charset*=a\x00b''x\r\n\r\nx",
)


async def test_odd_mails_cost_themselves(post: Post) -> None:
    """What of them can be read is handed over, and can be stored."""
    for data in ODD:
        assert await post.hand_in(data, f"{KEY}@alerts.example.org") == ""
    assert len(post.alerts.taken) == len(ODD)
    for value in (value for mail in post.alerts.taken for value in mail.values()):
        assert "\0" not in value
        value.encode()
