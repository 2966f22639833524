"""Signing in by XOAUTH2, and servers that take few connections; real dialogues."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailer_svc.channels.smtp.tokens import SmtpTokens, microsoft
from mailer_svc.channels.smtp.urls import TlsMode
from mailer_svc.domain import SendResult
from tests.integration.mailer.support import Rig, State, certificate, message, smtp_settings
from tests.integration.mailer.test_smtp_outcomes import Marks, job, provider_for
from tocsin.egress.client import HttpClient, HttpLimits
from tocsin.testing.clock import FakeClock
from tocsin.testing.http import HttpSink, Reply
from tocsin.testing.smtp import Raw, ScriptedReply, SmtpSink, Stage


class TokenPile:
    """Gives the tokens of a pile in turn, the last one for ever."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refused: list[str] = []

    async def token(self) -> str:
        """The one on top."""
        return self.tokens[0]

    async def close(self) -> None:
        """Has nothing to close."""

    def invalidate(self, token: str) -> None:
        """Takes it off."""
        self.refused.append(token)
        self.tokens[:] = self.tokens[1:] or self.tokens


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[SmtpSink, Path]]:
    """A server that takes the token "good" of the user "tocsin", over TLS."""
    context, ca = certificate(tmp_path)
    sink = SmtpSink(user="tocsin", password="-", tokens=["good"], tls=context)
    await sink.start()
    yield sink, ca
    await sink.stop()


@pytest.mark.parametrize(
    ("tokens", "result", "code", "refused"),
    [
        (["good"], SendResult.SENT, 250, []),
        (["stale", "good"], SendResult.SENT, 250, ["stale"]),
        (["bad", "worse", "good"], SendResult.MISCONFIGURED, 535, ["bad"]),
    ],
)
async def test_a_token_signs_in(
    secure: tuple[SmtpSink, Path], clock: FakeClock, tokens: list[str], result: SendResult, code: int, refused: list[str]
) -> None:
    """A refusal is a 334 that wants an empty line; another token is had once, and after that it is the operator's matter."""
    pile = TokenPile(*tokens)
    provider = provider_for(secure[0], clock, tls=TlsMode.STARTTLS, ca=secure[1], tokens=pile)
    await provider.start()
    outcome = await provider.send(job(), hand_over=Marks())
    assert (outcome.result, outcome.code, pile.refused) == (result, code, refused)
    assert "good" not in outcome.detail
    await provider.stop()


@pytest.mark.parametrize(
    ("reply", "result", "code"),
    [
        (ScriptedReply(432, "4.3.2 concurrent connections"), SendResult.PROVIDER_DOWN, 432),
        (ScriptedReply(454, "4.7.0 temporary"), SendResult.PROVIDER_DOWN, 454),
        (ScriptedReply(534, "5.7.9 too weak"), SendResult.MISCONFIGURED, 534),
        (Raw(b"334 \xff\r\n", goes_on=True), SendResult.MISCONFIGURED, 500),
        (Raw(b"220-\r\n", close=True), SendResult.PROVIDER_DOWN, 0),
    ],
)
async def test_what_else_a_server_says_to_a_token(
    secure: tuple[SmtpSink, Path], clock: FakeClock, reply: ScriptedReply | Raw, result: SendResult, code: int
) -> None:
    """Nothing of it is the message's fault, and nothing hangs."""
    secure[0].script(Stage.AUTH, reply)
    provider = provider_for(secure[0], clock, tls=TlsMode.STARTTLS, ca=secure[1], tokens=TokenPile("good"))
    await provider.start()
    outcome = await provider.send(job(), hand_over=Marks())
    assert (outcome.result, outcome.code) == (result, code)
    assert (await provider.send(job(), hand_over=Marks())).result is SendResult.SENT
    await provider.stop()


async def test_a_server_without_xoauth2_is_not_given_a_token(smtp_sink: SmtpSink, clock: FakeClock) -> None:
    """Nor a password instead."""
    provider = provider_for(smtp_sink, clock, tokens=TokenPile("good"))
    await provider.start()
    outcome = await provider.send(job(), hand_over=Marks())
    assert outcome.result is SendResult.PROVIDER_DOWN
    assert "does not offer XOAUTH2" in outcome.detail
    await provider.stop()


@pytest.mark.parametrize(
    ("stage", "reply"),
    [(Stage.CONNECT, ScriptedReply(421, "4.7.0 too many concurrent connections")), (Stage.EHLO, ScriptedReply(432, "4.3.2 too many"))],
)
async def test_a_server_of_few_connections_gets_fewer(smtp_sink: SmtpSink, clock: FakeClock, stage: Stage, reply: ScriptedReply) -> None:
    """Mails wait for the connections that stand, none fails, and later more are tried again."""
    provider = provider_for(smtp_sink, clock)
    await provider.start()
    asked = itertools.count(1)
    smtp_sink.script(stage, reply, times=None, when=lambda _line: next(asked) in range(3, 20))
    outcomes = await asyncio.gather(*(provider.send(job(), hand_over=Marks()) for _ in range(20)))
    assert {outcome.result for outcome in outcomes} == {SendResult.SENT}
    assert (smtp_sink.taken, provider.connections, provider.fault()) == (20, 2, "")
    smtp_sink.clear()
    await clock.advance(16)
    await asyncio.gather(*(provider.send(job(), hand_over=Marks()) for _ in range(20)))
    assert (smtp_sink.taken, provider.connections) == (20, 3)
    await provider.stop()


async def test_a_token_of_microsoft_goes_all_the_way(tmp_path: Path, secure: tuple[SmtpSink, Path]) -> None:
    """From the token endpoint to the mail; a token that the server refuses is replaced once."""
    async with HttpSink() as issuer:
        replies = [{"access_token": name, "token_type": "Bearer", "expires_in": 3600} for name in ("stale", "good")]
        issuer.script(*(Reply.of_json(reply) for reply in replies))
        oauth = {"smtp_oauth": "microsoft", "smtp_oauth_client_id": "app", "smtp_oauth_client_secret": "s3cret"}
        server = {"smtp_host": "localhost", "smtp_tls": "starttls", "smtp_ca_file": secure[1], "smtp_username": "tocsin"}
        rig = Rig(folder=tmp_path, **smtp_settings(secure[0], **oauth, **server, smtp_oauth_token_url=f"{issuer.url}/token"))
        await rig.start()
        (ack,) = await rig.deliver(message(1))
        await rig.settled(ack.delivery, State.SENT)
        await rig.stop()
    assert [b"client_secret=s3cret" in request.body for request in issuer.requests] == [True, True]


async def test_an_issuer_that_refuses_is_the_operators_matter(tmp_path: Path, secure: tuple[SmtpSink, Path], clock: FakeClock) -> None:
    """Nothing dies, and the server is not bothered."""
    async with HttpSink() as issuer:
        issuer.script(Reply.of_json({"error": "invalid_client"}, status=401))
        http = HttpClient(allowed=None, limits=HttpLimits(connections=1))
        tokens = SmtpTokens(grant=microsoft(directory="", client_id="a", secret="b", token_url=issuer.url), http=http, clock=clock)
        provider = provider_for(secure[0], clock, tls=TlsMode.STARTTLS, ca=secure[1], tokens=tokens)
        await provider.start()
        outcome = await provider.send(job(), hand_over=Marks())
        await provider.stop()
    assert (outcome.result, secure[0].sessions) == (SendResult.MISCONFIGURED, 0)
    assert "invalid_client" in outcome.detail
