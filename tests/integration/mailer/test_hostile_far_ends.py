"""Far ends that answer late, torn, for ever, with bombs or with another protocol, on every channel that is spoken to by HTTP."""

import asyncio
import gzip
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from mailer_svc.channels import discord, email, gotify, ntfy, pagerduty, sendgrid, slack, sms, telegram, webhook
from mailer_svc.channels.push import onesignal
from mailer_svc.domain import SendResult
from tests.integration.mailer.far_ends import SECRET, Attempts, job, parts
from tests.integration.mailer.support import Rig, State, message, smtp_settings
from tests.integration.tocsin.test_egress import endless, headers_without_end, informational, silence, trickle
from tocsin.testing.http import HttpSink, Reply, SeenRequest
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.waiting import eventually

Behaviour = Callable[[SeenRequest, asyncio.StreamWriter], Awaitable[None]]

ACCOUNT: Final = "AC" + "0" * 32
BOT: Final = "123456:ABC-def_ghijklmnopqrstuvwxyz"
APP: Final = "1dd608f2-c6a1-11e3-851d-000c2940e62c"
KINDS: Final[Mapping[str, tuple[Any, Any, dict[str, Any], str]]] = {
    "webhook": (webhook.WEBHOOK, webhook.WebhookConfig, {"secrets": SECRET}, "{url}/hook"),
    "ntfy": (ntfy.NTFY, ntfy.NtfyConfig, {"url": "{url}"}, "alarms"),
    "gotify": (gotify.GOTIFY, gotify.GotifyConfig, {"url": "{url}"}, "AbCdEf.GhI-12_x"),
    "slack": (slack.SLACK, slack.SlackConfig, {}, "{url}/services/T0/B0/xyz"),
    "telegram": (telegram.TELEGRAM, telegram.TelegramConfig, {"token": BOT, "url": "{url}"}, "-100200"),
    "discord": (discord.DISCORD, discord.DiscordConfig, {}, "{url}/api/webhooks/1/token"),
    "pagerduty": (pagerduty.PAGERDUTY, pagerduty.PagerDutyConfig, {"url": "{url}"}, "R" * 32),
    "sms": (
        sms.TWILIO,
        sms.TwilioConfig,
        {"account": ACCOUNT, "auth_token": "t", "sender": "+15005550006", "url": "{url}"},
        "+41791234567",
    ),
    "sendgrid": (
        email.SENDGRID,
        sendgrid.SendGridConfig,
        {"api_key": "SG.x", "sender": "a@example.org", "url": "{url}"},
        "ann@example.com",
    ),
    "onesignal": (onesignal.ONESIGNAL, onesignal.OneSignalConfig, {"app_id": APP, "api_key": "k", "url": "{url}"}, f"onesignal:{APP}"),
}
"""The provider of each channel: its kind, its configuration, and an address."""

KNOW_IT_AGAIN: Final = {"webhook", "pagerduty", "onesignal"}
"""Far ends that know a message that comes again, so that an outcome which nobody knows is no riddle."""
READ_THE_ANSWER: Final = {"telegram", "onesignal"}
"""Far ends whose 200 says what became of the message: one that cannot be read is asked again."""

NO_ANSWER: Final[list[Reply | Behaviour]] = [
    silence, trickle, informational, headers_without_end, Reply(raw=b""), Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-le"),
    Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"), Reply(raw=b"SSH-2.0-OpenSSH_9\r\n\r\n"), Reply(raw=b"\x00" * 500),
    Reply(raw=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n"),
]  # fmt: skip
ODD_ANSWERS: Final[list[Reply | Behaviour]] = [
    endless, Reply(body=b"x" * 10_000_000), Reply(body=b'{"a":' * 100_000), Reply(body=b"<html>Sign in to the Wi-Fi</html>"),
    Reply(body=b"[1]"), Reply(body=b'{"id": {"id": 1}, "sid": [2], "ok": "yes", "errors": 7, "result": null}'),
    Reply(body=gzip.compress(b" " * 10_000_000), headers={"content-encoding": "gzip", "content-type": "application/json"}),
]  # fmt: skip
REDIRECTS: Final[list[Reply | Behaviour]] = [
    Reply(status=status, headers={"location": "http://10.0.0.1/"}) for status in (301, 302, 307, 308)
]


def attempts_at(channel: str, url: str, *, seconds: float) -> tuple[Attempts, str]:
    """A fresh provider of the channel that waits so long for an answer, and an address."""
    kind, config, values, address = KINDS[channel]
    given = {name: value.replace("{url}", url) for name, value in values.items()}
    return Attempts(kind, config(**given, timeout_seconds=seconds), parts()), address.replace("{url}", url)


async def outcome_of(channel: str, sink: HttpSink, answer: Reply | Behaviour, *, seconds: float) -> SendResult:
    """What becomes of a message whose far end answers so. It was handed over once, asked about once, and a redirect is not followed."""
    sink.script(answer)
    attempts, to = attempts_at(channel, sink.url, seconds=seconds)
    try:
        outcome = await attempts.send(job(to))
    finally:
        await attempts.provider.stop()
    assert (attempts.marks, len(sink.requests)) == (1, 1)
    assert len(outcome.detail) <= 1000
    return outcome.result


@pytest.mark.parametrize("channel", KINDS)
async def test_what_a_far_end_answers_costs_its_message_alone(channel: str, record_property: Callable[[str, object], None]) -> None:
    """Nothing of it is taken for success that is none, nothing is tried again that may have arrived, nobody dies for a torn answer."""
    unknown = SendResult.DEFERRED if channel in KNOW_IT_AGAIN else SendResult.UNKNOWN
    counts: Counter[str] = Counter()
    async with HttpSink() as sink:
        for answers, seconds, expected in (
            (NO_ANSWER, 0.5, {unknown}),
            (ODD_ANSWERS, 60.0, {SendResult.DEFERRED if channel in READ_THE_ANSWER else SendResult.SENT}),
            (REDIRECTS, 60.0, {SendResult.REFUSED, SendResult.MISCONFIGURED}),
        ):
            for answer in answers:
                found = await outcome_of(channel, sink, answer, seconds=seconds)
                counts[found.name] += 1
                assert found in expected, answer
    record_property("outcomes", dict(counts))
    assert counts.total() == len(NO_ANSWER) + len(ODD_ANSWERS) + len(REDIRECTS)


async def test_far_ends_that_hang_hold_no_other_lane(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Eight channels whose far end never answers, with more messages than they have connections: mail and a webhook beside them go out."""
    async with HttpSink() as hanging, HttpSink() as works:
        hanging.script(silence)
        urls = {f"{name}_url": hanging.url for name in ("ntfy", "gotify", "telegram", "sms", "pagerduty", "onesignal")}
        secrets = {"webhook_secrets": SECRET, "telegram_token": BOT, "onesignal_app_id": APP, "onesignal_api_key": "k"}
        account = {"sms_account": ACCOUNT, "sms_auth_token": "t", "sms_from": "+15005550006"}
        rig = Rig(folder=tmp_path)
        await rig.start(**smtp_settings(smtp_sink), **urls, **secrets, **account, egress_allow=("127.0.0.1",))
        try:
            channels = {name: KINDS[name][3].format(url=hanging.url) for name in KINDS if name not in ("sendgrid", "onesignal", "webhook")}
            channels |= {"push": KINDS["onesignal"][3], "webhook": f"{hanging.url}/hook"}
            stuck = [
                message(1000 * place + number, channel=name, to=to)
                for place, (name, to) in enumerate(channels.items())
                for number in range(40)
            ]
            await rig.deliver(*stuck)
            await eventually(lambda: len(hanging.requests) >= 4 * len(channels), what="every lane at its far end")
            mails = [message(20_000 + number) for number in range(50)]
            hooks = [message(30_000 + number, channel="webhook", to=f"{works.url}/{number}") for number in range(50)]
            for ack in await rig.deliver(*mails, *hooks):
                await rig.settled(ack.delivery, State.SENT)
            assert (smtp_sink.taken, len(works.requests)) == (50, 50)
            assert len(hanging.requests) < len(stuck), "nothing waited: this says nothing"
        finally:
            await hanging.end_connections()
            await rig.stop()
