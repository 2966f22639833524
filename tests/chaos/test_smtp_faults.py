"""An SMTP server that does everything that RFC 5321 warns of: each mail arrives once, or the mailer says why nobody can know."""

import asyncio
from pathlib import Path

import pytest

from tests.chaos.load import FULL, Load, Note
from tocsin.testing.smtp import ScriptedReply, SmtpFault, SmtpSink, Stage
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(900 if FULL else 600)]

ROUNDS = 12 if FULL else 1
RATE = 40
CONNECTIONS = 4
AWAY_SECONDS = 2.0 if FULL else 0.3
SETTINGS = {
    "HOST": "127.0.0.1",
    "TLS": "none",
    "CONNECTIONS": str(CONNECTIONS),
    "CONNECTION_MESSAGES": "4",  # connections are made again and again, so that some meet what is wrong with connecting
    "CONNECT_TIMEOUT_SECONDS": "0.5",
    "COMMAND_TIMEOUT_SECONDS": "0.5",
    "END_TIMEOUT_SECONDS": "1",
}
NOT_NOW = [(Stage.CONNECT, 421), (Stage.MAIL, 451), (Stage.MAIL, 553), (Stage.RCPT, 450), (Stage.DATA, 451), (Stage.END, 452)]
NEVER = [(Stage.RCPT, 550), (Stage.DATA, 554), (Stage.END, 554)]
SILENCE = [Stage.CONNECT, Stage.MAIL, Stage.DATA, Stage.BODY, Stage.END]
# Before, during and after DATA.
CUTS = [Stage.CONNECT, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.BODY, Stage.END]
SCRIPTS: list[tuple[Stage, ScriptedReply | SmtpFault]] = [
    *((stage, ScriptedReply(code, "not now")) for stage, code in NOT_NOW),
    *((stage, ScriptedReply(code, "never")) for stage, code in NEVER),
    *((stage, SmtpFault.HANG) for stage in SILENCE),
    *((stage, SmtpFault.CUT) for stage in CUTS),
]


class Sink(SmtpSink):
    """Tells the subjects of what it took."""

    def __init__(self) -> None:
        super().__init__()
        self._subjects: list[str] = []

    async def subjects(self) -> list[str]:
        """Of every message, in order; each is parsed once."""
        self._subjects += [str(received.message["Subject"]) for received in self.messages[len(self._subjects) :]]
        return self._subjects


async def misbehave(sink: Sink) -> None:
    """Does everything of the list in turn, while mails come; then nobody listens for a while."""
    for _ in range(ROUNDS):
        for stage, action in SCRIPTS:
            sink.script(stage, action, times=1)
            # After some of them in a row the circuit of the server stays open for up to a minute.
            await eventually(lambda: sink.pending == 0, seconds=150, what=f"a mail that meets {action} at {stage}")
        await sink.stop()
        await asyncio.sleep(AWAY_SECONDS)
        await sink.start()


async def dead(load: Load) -> set[str]:
    """Subjects of the mails that were given up."""
    return {delivery["subject"] for delivery in await load.pages("/v1/deliveries", "deliveries", filter='state="DEAD"')}


async def settled(load: Load, sink: Sink) -> bool:
    """Whether every mail arrived, is dead, or is known to be unknown."""
    await load.ask_for_unknown(())
    return load.account.accepted <= load.account.unknown | set(await sink.subjects()) | await dead(load)


async def test_a_bad_smtp_server_loses_and_doubles_nothing(tmp_path: Path, record_property: Note) -> None:
    """Each refusal, silence and cut at each stage: arrived once, dead by a refusal for good, or unknown where nobody can know."""
    sink = Sink()
    await sink.start()
    settings = {**SETTINGS, "PORT": str(sink.port)}
    env = {f"TOCSIN_MAILER_SMTP_{name}": value for name, value in settings.items()}
    retries = {
        "TOCSIN_MAILER_RETRY_INITIAL_SECONDS": "0.1",
        "TOCSIN_MAILER_RETRY_LONGEST_SECONDS": "1",
        "TOCSIN_MAILER_RETRY_ATTEMPTS": "20",
    }
    stack = RunningStack(state=tmp_path / "state", env={**env, **retries})
    # The server lives in this loop, which must not stand still while the stack starts and stops.
    await asyncio.to_thread(stack.start)
    try:
        async with stack.client() as client:
            load = Load(client, mails=sink.subjects, ahead=(0.1, 0.5))
            await load.steady()
            async with load.during(rate=RATE):
                await misbehave(sink)
            await eventually(lambda: settled(load, sink), seconds=90, what="the end of every mail")
            account = await load.settle(seconds=0)
            account.dead |= await dead(load)
        logs = stack.logs()
    finally:
        await asyncio.to_thread(stack.stop)
        await sink.stop()
    never = sum(sink.injected[f"{stage.value} {code}"] for stage, code in NEVER)
    nobody_knows = sum(sink.injected[f"{stage.value} {action.name}"] for stage in (Stage.BODY, Stage.END) for action in SmtpFault)
    # Whoever stops the server cuts connections that may be waiting for the last reply.
    nobody_knows += CONNECTIONS * ROUNDS
    record_property("account", f"{dict(sink.injected)}: {account}")
    assert all(
        sink.injected[f"{stage} {getattr(action, 'code', '') or getattr(action, 'name', '')}"] >= ROUNDS for stage, action in SCRIPTS
    )
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
    assert len(account.dead) == never
    assert len(account.unknown) <= nobody_knows, f"more is unknown than there is reason for\n{logs}"
    assert not account.twice, "nothing is sent again after an unknown outcome unless its template says so"
