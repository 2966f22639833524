"""auth_svc may be killed at any moment: what was revoked stays so at every gateway, and nobody is refused who is welcome."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx2
import pytest

from tests.chaos.callers import PASSWORD, Caller, stranger
from tests.chaos.credentials import CredentialAccount
from tests.chaos.load import FULL, Note
from tests.second_gateway import second_gateway
from tocsin.testing.stack import STRANGERS, RunningStack
from tocsin.testing.waiting import eventually

CALLERS, KILLS, SECONDS = (16, 60, 240.0) if FULL else (4, 4, 8.0)
ENV = {
    **STRANGERS,
    # What a gateway knows of keys it keeps for an hour, so that whatever it refuses it was told of; and nobody is held back by limits.
    "TOCSIN_GATEWAY_API_KEY_CACHE_SECONDS": "3600",
    "TOCSIN_GATEWAY_ADDRESS_RATE_LIMITS": "auth=unlimited,credentials=unlimited",
}


async def kill_again_and_again(stack: RunningStack) -> int:
    """SIGKILLs auth_svc at uneven pauses; how often."""
    killed = 0
    while killed < KILLS:
        await asyncio.sleep(random.uniform(0.5, 1.5) * SECONDS / KILLS)
        try:
            stack.kill("auth_svc")
        except ProcessLookupError:  # it is being restarted already
            continue
        killed += 1
    return killed


async def settled(callers: Sequence[Caller], account: CredentialAccount) -> None:
    """Once auth_svc is back: what was revoked is refused at both gateways, and what is valid is taken."""
    caller = callers[0]
    for credential in sorted(account.revoked):
        try:
            await eventually(lambda each=credential: caller.look(each), what="a revoked credential is refused")
        except AssertionError:
            account.taken.append(credential[-12:])
    for credential in sorted(account.valid):
        answer = await caller.insist("GET", "/v1/firings", credential=credential)
        if answer.status_code != 200:
            account.lost.append(f"{credential[-12:]}: {answer.text[:200]}")


async def furnished(
    stack: RunningStack, gateways: Sequence[Callable[[str], httpx2.AsyncClient]], account: CredentialAccount
) -> list[Caller]:
    """Callers with accounts of their own; half of them share a tenant."""
    emails = [stranger() for _ in range(CALLERS)]
    async with stack.client(key="none") as client:
        for email in emails:
            made = await client.post("/v1/auth:register", json={"email": email, "password": PASSWORD})
            assert made.status_code == 200, made.text
    return [Caller(gateways, email, account) for email in emails]


@pytest.mark.chaos
@pytest.mark.thorough
@pytest.mark.e2e
@pytest.mark.timeout(1200 if FULL else 600)
async def test_killing_what_knows_credentials_revives_none_and_loses_none(tmp_path: Path, record_property: Note) -> None:
    """Two gateways, people and programs who sign in, use, refresh and revoke, and auth_svc that is killed all the time."""
    account = CredentialAccount()
    with RunningStack(state=tmp_path / "state", env=ENV) as stack:
        async with second_gateway(stack) as second:
            gateways = [lambda key: stack.client(key=key), lambda key: second.client(key=key)]
            callers, ending = await furnished(stack, gateways, account), asyncio.Event()
            living = [asyncio.create_task(caller.live(ending)) for caller in callers]
            killed = await kill_again_and_again(stack)
            ending.set()
            await asyncio.gather(*living)
            await settled(callers, account)
            verified = stack.command("audit-log", "verify", check=False)
            if verified.returncode:
                account.broken_chains.append(verified.stdout + verified.stderr)
        logs = stack.logs()
    statuses = Counter(status for caller in callers for status in caller.statuses)
    record_property("account", f"{killed} kills of auth_svc, answers {dict(statuses)}: {account}")
    assert killed == KILLS
    assert account.verdict == "valid", f"{account}\n{account.faults}\n{logs}"
