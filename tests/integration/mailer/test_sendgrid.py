"""Mail by SendGrid, alone and beside SMTP."""

from pathlib import Path

from tests.integration.mailer.support import Rig, State, message, smtp_settings
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.smtp import SmtpSink


async def test_sendgrid_sends_alone(tmp_path: Path) -> None:
    """It is a provider of email like any other: the default channel, a timeline, its name for the message."""
    async with HttpSink() as api:
        api.script(Reply(status=202, headers={"X-Message-Id": "m1"}))
        rig = Rig(folder=tmp_path, sendgrid_api_key="SG.x", sendgrid_url=api.url, smtp_from="tocsin@example.org")
        await rig.start()
        (ack,) = await rig.deliver(message(1))
        delivery = await rig.settled(ack.delivery, State.SENT)
        await rig.stop()
    assert (delivery.channel, delivery.timeline[-1].provider, delivery.timeline[-1].code) == ("email", "sendgrid", 202)
    (seen,) = api.requests
    assert seen.json["personalizations"][0]["custom_args"] == {"delivery": ack.delivery.removeprefix("deliveries/")}


async def test_the_lane_has_the_order_that_is_set(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """SendGrid first, and SMTP at the next attempt while it refuses our key; the message is not to blame."""
    async with HttpSink() as api:
        api.script(Reply(status=401))
        lane = {"sendgrid_api_key": "SG.x", "sendgrid_url": api.url, "email_lane": ("sendgrid", "smtp")}
        rig = Rig(folder=tmp_path, **smtp_settings(smtp_sink, **lane))
        await rig.start()
        (ack,) = await rig.deliver(message(1))
        delivery = await rig.settled(ack.delivery, State.SENT)
        await rig.stop()
    assert len(api.requests) == 1
    assert [(event.state, event.provider) for event in delivery.timeline if event.code] == [
        (State.RETRYING, "sendgrid"),
        (State.SENT, "smtp"),
    ]
