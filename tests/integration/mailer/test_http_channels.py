"""Each channel that is spoken to by HTTP, against a server that speaks its documented API: the request, and what every answer means."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import parse_qs

import pytest

from mailer_svc.channels import discord, gotify, ntfy, pagerduty, slack, sms, telegram, webhook
from mailer_svc.domain import Content, MessageAction, MessageAlert, MessageEvent, Priority, SendResult
from tests.integration.mailer.far_ends import Attempts, job, parts
from tocsin.clock import SystemClock
from tocsin.standard_webhooks import WebhookSecret, verify
from tocsin.testing.http import HttpSink, Reply, SeenRequest

SECRETS: Final = [WebhookSecret(bytes(range(seed, seed + 32))) for seed in (1, 2)]
BOT: Final = "123456:ABC-def_ghijklmnopqrstuvwxyz"
ACCOUNT: Final = "AC" + "0" * 32
ROUTING_KEY: Final = "R" * 32
SENT, DEFERRED, REFUSED = SendResult.SENT, SendResult.DEFERRED, SendResult.REFUSED
AWAY, GONE, CONFIG, UNKNOWN = SendResult.PROVIDER_DOWN, SendResult.GONE, SendResult.MISCONFIGURED, SendResult.UNKNOWN
LONG: Final = Content("S" * 2000, "🙂ü" * 60_000, "<p>x</p>" * 5000, (MessageAction("L" * 300, f"https://x.example/{'y' * 900}"),) * 20)


async def silence(_request: SeenRequest, _writer: asyncio.StreamWriter) -> None:
    """Nothing, for ever."""
    await asyncio.Event().wait()


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """The far end."""
    async with HttpSink() as server:
        yield server


@pytest.fixture
async def far_end(sink: HttpSink) -> AsyncIterator[Any]:
    """Attempts by a channel's provider at messages to the server."""
    made: list[Attempts] = []

    def provider(channel: str) -> Attempts:
        url = sink.url
        kind, config = {
            "webhook": (webhook.WEBHOOK, webhook.WebhookConfig(secrets=" ".join(map(str, SECRETS)), timeout_seconds=1)),  # pyright: ignore[reportArgumentType]
            "ntfy": (ntfy.NTFY, ntfy.NtfyConfig(url=url, token="tk_1", timeout_seconds=1)),  # pyright: ignore[reportArgumentType]
            "gotify": (gotify.GOTIFY, gotify.GotifyConfig(url=f"{url}/gotify/", timeout_seconds=1)),
            "slack": (slack.SLACK, slack.SlackConfig(timeout_seconds=1)),
            "telegram": (telegram.TELEGRAM, telegram.TelegramConfig(token=BOT, url=url, timeout_seconds=1)),  # pyright: ignore[reportArgumentType]
            "discord": (discord.DISCORD, discord.DiscordConfig(timeout_seconds=1)),
            "pagerduty": (pagerduty.PAGERDUTY, pagerduty.PagerDutyConfig(url=url, timeout_seconds=1)),
            "sms": (
                sms.TWILIO,
                sms.TwilioConfig(account=ACCOUNT, auth_token="token", sender="+15005550006", url=url, timeout_seconds=1),  # pyright: ignore[reportArgumentType]
            ),
        }[channel]
        attempts = Attempts(kind, config, parts())
        made.append(attempts)
        return attempts

    yield provider
    for attempts in made:
        await attempts.provider.stop()


def address(channel: str, sink: HttpSink) -> str:
    """An address of the channel."""
    return {
        "webhook": f"{sink.url}/hook?team=1",
        "ntfy": "alarms",
        "gotify": "AbCdEf.GhI-12_x",
        "slack": f"{sink.url}/services/T0/B0/xyz",
        "telegram": "-100200",
        "discord": f"{sink.url}/api/webhooks/1/token?thread_id=7",
        "pagerduty": ROUTING_KEY,
        "sms": "+41791234567",
    }[channel]


def telegram_error(status: int, description: str, **parameters: Any) -> Reply:
    """An error of the Bot API."""
    body = {"ok": False, "error_code": status, "description": description}
    return Reply.of_json({**body, "parameters": parameters} if parameters else body, status=status)


def twilio_error(status: int, code: int) -> Reply:
    """An error of Twilio's."""
    return Reply.of_json({"code": code, "message": "words", "more_info": "https://…", "status": status}, status=status)


def plain(status: int, body: str = "", **headers: str) -> Reply:
    """An answer without JSON."""
    return Reply(status=status, body=body.encode(), headers=headers)


AFTER = {"Retry-After": "7"}
ANSWERS: list[tuple[str, Any, SendResult]] = [
    *(("webhook", plain(status), SENT) for status in (200, 201, 202, 204)),
    *(("webhook", plain(status), REFUSED) for status in (301, 302, 307, 308)),
    *(("webhook", plain(status), DEFERRED) for status in (400, 401, 403, 404, 413, 500, 501)),
    *(("webhook", plain(status, **AFTER), AWAY) for status in (429, 502, 503, 504)),
    ("webhook", plain(410), GONE), ("webhook", silence, DEFERRED), ("webhook", Reply(raw=b""), DEFERRED),

    ("ntfy", Reply.of_json({"id": "m1", "event": "message"}), SENT),
    *(("ntfy", Reply.of_json({"code": 40001, "http": status, "error": "words"}, status=status), result)
      for status, result in ((400, REFUSED), (413, REFUSED), (401, CONFIG), (403, CONFIG), (429, AWAY), (500, DEFERRED), (507, DEFERRED))),
    ("ntfy", plain(302, Location="/login"), REFUSED), ("ntfy", silence, UNKNOWN), ("ntfy", plain(200, "<html>"), SENT),

    ("gotify", Reply.of_json({"id": 25, "appid": 5}), SENT),
    ("gotify", Reply.of_json({"error": "Unauthorized", "errorCode": 401, "errorDescription": "token"}, status=401), GONE),
    ("gotify", plain(401, "proxy says no"), CONFIG), ("gotify", plain(403), CONFIG), ("gotify", plain(400), REFUSED),
    ("gotify", plain(429), AWAY), ("gotify", plain(500), DEFERRED), ("gotify", silence, UNKNOWN),

    ("slack", plain(200, "ok"), SENT), ("slack", plain(404, "no_service"), GONE),
    ("slack", plain(404, "channel_not_found"), GONE),
    ("slack", plain(400, "invalid_token"), GONE), ("slack", plain(403, "invalid_token"), GONE),
    ("slack", plain(410, "channel_is_archived"), GONE),
    ("slack", plain(400, "invalid_payload"), REFUSED), ("slack", plain(403, "action_prohibited"), REFUSED),
    ("slack", plain(429, **AFTER), AWAY), ("slack", plain(500, "rollup_error"), DEFERRED), ("slack", silence, UNKNOWN),

    ("telegram", Reply.of_json({"ok": True, "result": {"message_id": 42, "chat": {"id": -100200}}}), SENT),
    *(("telegram", telegram_error(403, f"Forbidden: {words}"), GONE) for words in (
        "bot was blocked by the user", "bot was kicked from the supergroup chat", "user is deactivated", "the group chat was deleted",
        "bot is not a member of the channel chat", "bot can't initiate conversation with a user")),
    ("telegram", telegram_error(400, "Bad Request: chat not found"), GONE),
    ("telegram", telegram_error(400, "Bad Request: can't parse entities"), REFUSED),
    ("telegram", telegram_error(403, "Forbidden: other"), REFUSED),
    ("telegram", telegram_error(401, "Unauthorized"), CONFIG), ("telegram", telegram_error(404, "Not Found"), CONFIG),
    ("telegram", telegram_error(429, "Too Many Requests: retry after 7", retry_after=7), AWAY),
    ("telegram", telegram_error(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-100987654321), DEFERRED),
    ("telegram", plain(502, "<html>"), AWAY), ("telegram", telegram_error(500, "Internal Server Error"), DEFERRED),
    ("telegram", plain(200, "<html>"), DEFERRED), ("telegram", silence, UNKNOWN),

    ("discord", Reply.of_json({"id": "1234", "type": 0}), SENT), ("discord", plain(204), SENT),
    ("discord", Reply.of_json({"message": "Unknown Webhook", "code": 10015}, status=404), GONE),
    ("discord", Reply.of_json({"message": "Invalid Webhook Token", "code": 50027}, status=401), GONE),
    ("discord", Reply.of_json({"embeds": ["0"]}, status=400), REFUSED), ("discord", plain(403), REFUSED),
    ("discord", Reply.of_json({"message": "You are being rate limited.", "retry_after": 6.457}, status=429, headers=AFTER), AWAY),
    ("discord", plain(500), DEFERRED), ("discord", silence, UNKNOWN),

    ("pagerduty", Reply.of_json({"status": "success", "message": "Event processed", "dedup_key": f"{1:032x}"}, status=202), SENT),
    ("pagerduty", Reply.of_json({"status": "invalid event", "message": "Event object is invalid"}, status=400), REFUSED),
    ("pagerduty", plain(413), REFUSED), ("pagerduty", plain(429), AWAY),
    ("pagerduty", plain(500), DEFERRED), ("pagerduty", plain(503), DEFERRED),
    ("pagerduty", silence, DEFERRED), ("pagerduty", Reply(raw=b""), DEFERRED),

    ("sms", Reply.of_json({"sid": "SM1", "status": "queued"}, status=201), SENT),
    *(("sms", twilio_error(400, code), GONE) for code in (21211, 21614)), ("sms", twilio_error(400, 21610), SendResult.OPTED_OUT),
    *(("sms", twilio_error(status, code), CONFIG) for status, code in ((401, 20003), (400, 21606))),
    ("sms", twilio_error(400, 21617), REFUSED), ("sms", twilio_error(403, 21408), REFUSED), ("sms", twilio_error(429, 20429), AWAY),
    ("sms", twilio_error(500, 20500), DEFERRED), ("sms", twilio_error(503, 20503), AWAY),
    ("sms", plain(401), CONFIG), ("sms", silence, UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("channel", "reply", "result"), ANSWERS)
async def test_an_answer_becomes_an_outcome(sink: HttpSink, far_end: Any, channel: str, reply: Any, result: SendResult) -> None:
    """Every class of providers.md."""
    sink.script(reply)
    outcome = await far_end(channel).send(job(address(channel, sink)))
    assert (outcome.result, len(sink.requests)) == (result, 1)


@pytest.mark.parametrize(
    ("channel", "reply", "reference"),
    [
        ("ntfy", Reply.of_json({"id": "m1"}), "m1"),
        ("gotify", Reply.of_json({"id": 25}), "25"),
        ("telegram", Reply.of_json({"ok": True, "result": {"message_id": 42}}), "42"),
        ("discord", Reply.of_json({"id": "1234"}), "1234"),
        ("pagerduty", Reply.of_json({"dedup_key": "k"}, status=202), "k"),
        ("sms", Reply.of_json({"sid": "SM1"}, status=201), "SM1"),
        ("sms", Reply.of_json({"sid": ["odd"]}, status=201), ""),
        ("sms", Reply.of_json({"sid": "x" * 10_000}, status=201), "x" * 500),
    ],
)
async def test_the_far_ends_name_of_a_message_is_kept(sink: HttpSink, far_end: Any, channel: str, reply: Reply, reference: str) -> None:
    """What it tells later names that."""
    sink.script(reply)
    assert (await far_end(channel).send(job(address(channel, sink)))).reference == reference


async def test_a_wait_and_a_new_chat_are_read(sink: HttpSink, far_end: Any) -> None:
    """Telegram tells both in its JSON."""
    sink.script(telegram_error(429, "Too Many Requests", retry_after=7))
    assert (await far_end("telegram").send(job("1"))).retry_after == 7.0
    sink.script(telegram_error(400, "upgraded", migrate_to_chat_id=-100987654321))
    assert (await far_end("telegram").send(job("1"))).new_address == "-100987654321"
    for odd in ({"a": 1}, "5", None, True, 1e300, -1.5):
        sink.script(telegram_error(400, "upgraded", migrate_to_chat_id=odd))
        assert (await far_end("telegram").send(job("1"))).new_address in ("", "-1")


async def request_of(sink: HttpSink, far_end: Any, channel: str, **fields: Any) -> SeenRequest:
    """What the far end gets for a message."""
    await far_end(channel).send(job(address(channel, sink), **fields))
    (request,) = sink.requests
    return request


async def test_a_webhook_is_signed_with_every_secret(sink: HttpSink, far_end: Any) -> None:
    """Whichever the receiver has; the id is the delivery's, at each attempt."""
    request = await request_of(sink, far_end, "webhook", recipient_id="ann", category="ops")
    now = SystemClock().micros() // 1_000_000
    for secret in SECRETS:
        assert verify(request.headers, request.body, secrets=[secret], seconds=now) == f"{1:032x}"
    assert (request.method, request.target, request.headers["content-type"]) == ("POST", "/hook?team=1", "application/json")
    assert request.json == {
        "type": "message",
        "timestamp": "2027-01-15T08:00:00Z",
        "data": {
            "delivery": f"deliveries/{1:032x}",
            "recipient": "recipients/ann",
            "category": "ops",
            "priority": "NORMAL",
            "subject": "Disk full",
            "text": "93 % of /var\nsince 10:15.",
            "html": "",
            "actions": [
                {"label": "Acknowledge", "url": "https://tocsin.example/a?x=1&y=2"},
                {"label": "Runbook", "url": "https://wiki.example/r"},
            ],
        },
    }


async def test_ntfy_gets_a_message_with_buttons(sink: HttpSink, far_end: Any) -> None:
    """As JSON at the root of the server, with the token."""
    request = await request_of(sink, far_end, "ntfy", priority=Priority.CRITICAL)
    assert (request.target, request.headers["authorization"]) == ("/", "Bearer tk_1")
    assert request.json["actions"][0] == {"action": "view", "label": "Acknowledge", "url": "https://tocsin.example/a?x=1&y=2"}
    del request.json["actions"]
    assert {name: request.json[name] for name in ("topic", "title", "message", "priority", "click")} == {
        "topic": "alarms",
        "title": "Disk full",
        "message": "93 % of /var\nsince 10:15.",
        "priority": 5,
        "click": "https://tocsin.example/a?x=1&y=2",
    }


async def test_a_button_of_ntfy_answers_by_itself(sink: HttpSink, far_end: Any) -> None:
    """On the phone, without a page; the notification goes away then. Other buttons open theirs."""
    buttons = (MessageAction("Acknowledge", "https://tocsin.example/i/1x", answers=True), MessageAction("Open", "https://wiki.example/r"))
    request = await request_of(sink, far_end, "ntfy", content=Content("Disk full", "t", "", buttons))
    assert request.json["actions"] == [
        {"action": "http", "label": "Acknowledge", "url": "https://tocsin.example/i/1x", "method": "POST", "clear": True},
        {"action": "view", "label": "Open", "url": "https://wiki.example/r"},
    ]
    assert request.json["click"] == "https://tocsin.example/i/1x", "a page that only shows a button"


async def test_discord_has_room_for_the_link_of_an_answer(sink: HttpSink, far_end: Any) -> None:
    """However long the text is; a link that is too long costs itself."""
    link = "https://tocsin.example/i/1" + "x" * 300
    buttons = (MessageAction("Acknowledge", link, answers=True), MessageAction("No", "https://x.example/" + "y" * 3000))
    request = await request_of(sink, far_end, "discord", content=Content("Disk full", "t" * 9000, "", buttons))
    description = request.json["embeds"][0]["description"]
    assert description.endswith(f"t…\n\n[Acknowledge]({link})")
    assert len(description) == 4096


async def test_the_token_of_ntfy_goes_to_no_other_server(sink: HttpSink, far_end: Any) -> None:
    """A topic may be named by its URL, anywhere; below the operator's server it is the operator's."""
    async with HttpSink() as foreign:
        attempts = far_end("ntfy")
        await attempts.send(job(f"{foreign.url}/sub/path/alarms"))
        await attempts.send(job(f"{sink.url}/alarms"))
    assert (foreign.requests[0].target, foreign.requests[0].json["topic"]) == ("/sub/path/", "alarms")
    assert "authorization" not in foreign.requests[0].headers
    assert sink.requests[0].headers["authorization"] == "Bearer tk_1"


def test_a_topic_without_a_server_is_taken_by_nobody() -> None:
    """By its URL it is."""
    attempts = Attempts(ntfy.NTFY, ntfy.NtfyConfig(), parts())
    assert [attempts.provider.takes(to) for to in ("alarms", "https://ntfy.sh/alarms")] == [False, True]


async def test_gotify_gets_the_token_in_a_header(sink: HttpSink, far_end: Any) -> None:
    """URLs end up in logs."""
    request = await request_of(sink, far_end, "gotify")
    assert (request.target, request.headers["x-gotify-key"]) == ("/gotify/message", "AbCdEf.GhI-12_x")
    assert (request.json["title"], request.json["priority"]) == ("Disk full", 5)
    assert request.json["extras"]["client::notification"] == {"click": {"url": "https://tocsin.example/a?x=1&y=2"}}


async def test_slack_reads_nothing_but_text(sink: HttpSink, far_end: Any) -> None:
    """Nobody is called by what a message says."""
    content = Content("<!channel> & co", "a <b|c>", "", (MessageAction("x>y", "https://x.example/?a|b"),))
    request = await request_of(sink, far_end, "slack", content=content)
    assert request.json["text"] == "*&lt;!channel&gt; &amp; co*\na &lt;b|c&gt;\n<https://x.example/?a%7Cb|x&gt;y>"


async def test_telegram_gets_html_that_is_escaped(sink: HttpSink, far_end: Any) -> None:
    """And a button for each action that Telegram takes."""
    content = Content("<i>&", "a < b", "", (MessageAction("Go", "https://x.example"), MessageAction("No", "http://localhost/")))
    request = await request_of(sink, far_end, "telegram", content=content, priority=Priority.BULK)
    assert request.target == f"/bot{BOT}/sendMessage"
    assert request.json == {
        "chat_id": -100200,
        "text": "<b>&lt;i&gt;&amp;</b>\n\na &lt; b",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "disable_notification": True,
        "reply_markup": {"inline_keyboard": [[{"text": "Go", "url": "https://x.example"}]]},
    }


async def test_discord_mentions_nobody(sink: HttpSink, far_end: Any) -> None:
    """And tells the id, for it is asked to wait; what the user's URL asks for stays."""
    request = await request_of(sink, far_end, "discord", content=Content("S", "@everyone"))
    assert request.target == "/api/webhooks/1/token?thread_id=7&wait=true"
    assert (request.json["embeds"][0]["description"], request.json["allowed_mentions"]) == ("@everyone", {"parse": []})


async def test_pagerduty_gets_an_event_that_knows_itself(sink: HttpSink, far_end: Any) -> None:
    """One that comes again is the same."""
    request = await request_of(sink, far_end, "pagerduty", priority=Priority.CRITICAL)
    event = request.json
    assert request.target == "/v2/enqueue"
    assert (event["routing_key"], event["event_action"], event["dedup_key"]) == (ROUTING_KEY, "trigger", f"{1:032x}")
    assert (event["payload"]["summary"], event["payload"]["severity"], event["payload"]["timestamp"]) == (
        "Disk full", "critical", "2027-01-15T08:00:00+00:00",
    )  # fmt: skip
    assert event["links"][1] == {"href": "https://wiki.example/r", "text": "Runbook"}


@pytest.mark.parametrize("event", MessageEvent)
async def test_pagerduty_is_told_that_somebody_has_it_and_that_it_is_over(sink: HttpSink, far_end: Any, event: MessageEvent) -> None:
    """Under the key of the alert; what is said of it is told by the event that opens it."""
    content = Content("Disk full", "t", "", (), MessageAlert("incidents/7", event))
    told = (await request_of(sink, far_end, "pagerduty", content=content)).json
    assert (told["event_action"], told["dedup_key"]) == (event.name.lower(), "incidents/7")
    assert ("payload" in told) is (event is MessageEvent.TRIGGER)


async def test_an_sms_is_a_form(sink: HttpSink, far_end: Any) -> None:
    """With the credentials of the account, and where to tell what became of it."""
    request = await request_of(sink, far_end, "sms")
    assert request.target == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == f"{ACCOUNT}:token".encode()
    assert parse_qs(request.body.decode()) == {
        "To": ["+41791234567"],
        "From": ["+15005550006"],
        "Body": ["Disk full\n\n93 % of /var\nsince 10:15."],
        "ValidityPeriod": ["14400"],
        "StatusCallback": ["https://tocsin.example/v1/callbacks/twilio"],
    }


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


async def test_a_message_that_is_too_long_is_cut(sink: HttpSink, far_end: Any) -> None:
    """To what each far end takes, in its own measure, behind a whole character; it never fails for that."""
    seen: dict[str, SeenRequest] = {}
    for channel in ("webhook", "ntfy", "gotify", "slack", "telegram", "discord", "pagerduty", "sms"):
        sink.script(Reply.of_json({"ok": True}))
        seen[channel] = await request_of(sink, far_end, channel, content=LONG)
        assert "\ufffd" not in seen[channel].body.decode()
    assert len(seen["ntfy"].json["message"].encode()) <= 4096
    assert len(seen["ntfy"].json["title"].encode()) <= 250
    assert len(seen["ntfy"].json["actions"]) <= 3
    assert len(seen["slack"].json["text"]) <= 40_000
    assert _utf16(seen["telegram"].json["text"]) - len("<b></b>") <= 4096
    assert _utf16(seen["discord"].json["embeds"][0]["title"]) <= 256
    assert _utf16(seen["discord"].json["embeds"][0]["description"]) <= 4096
    assert len(seen["pagerduty"].json["payload"]["summary"]) <= 1024
    assert len(seen["pagerduty"].body) <= 512 * 1024
    assert len(parse_qs(seen["sms"].body.decode())["Body"][0]) <= 480
    assert json.loads(seen["webhook"].body)["data"]["text"].endswith("…")


async def test_what_has_html_alone_is_read(sink: HttpSink, far_end: Any) -> None:
    """By whoever takes no HTML: without its looks, and without what nobody sees."""
    html = (
        "<head><title>T</title><style>p{}</style></head><p>Disk&nbsp;<b>full</b> &lt;now&gt;</p><p>since<br>10:15</p><script>x()</script>"
    )
    request = await request_of(sink, far_end, "ntfy", content=Content("S", "", html))
    assert request.json["message"].replace("\xa0", " ") == "Disk full <now>\n\nsince\n10:15"
