"""Any of the five processes may be killed at any moment, and every mail still arrives once."""

import asyncio
import os
import random
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.chaos.account import Account
from tocsin.testing.stack import RunningStack

SERVICES = ("auth_svc", "scheduler_svc", "processor_svc", "mailer_svc", "gateway")
FULL = os.environ.get("CHAOS") == "full"
ALARMS, SECONDS = (6000, 240.0) if FULL else (500, 20.0)
SETTLE_SECONDS = 60.0


async def create(client: httpx.AsyncClient, account: Account, number: int) -> None:
    """Makes one alarm as a careful client does: the same request id until there is an answer."""
    mark = f"chaos-{number}"
    due = datetime.now(UTC) + timedelta(seconds=random.uniform(0.5, 5.0))
    body = {
        "displayName": mark,
        "trigger": {"at": due.isoformat(), "catchUp": {"mode": "LATEST"}},
        "action": {"notify": {"to": ["ann@example.com"], "subject": mark, "text": "Rings once."}},
    }
    parameters = {"requestId": str(uuid.uuid4())}
    account.attempted.add(mark)
    for attempt in range(20):
        try:
            answer = await client.post("/v1/alarms", json=body, params=parameters)
        except httpx.HTTPError:
            answer = None
        if answer is not None and answer.status_code < 300:
            account.accepted.add(mark)
            return
        # Anything else but "not now" would be a defect: the request is a good one.
        assert answer is None or answer.status_code in (429, 503, 504), answer.text
        await asyncio.sleep(min(2.0, 0.1 * 2**attempt) * random.uniform(0.5, 1.0))


async def load(client: httpx.AsyncClient, account: Account) -> None:
    """Makes all alarms at an even pace."""
    async with asyncio.TaskGroup() as group:
        for number in range(ALARMS):
            group.create_task(create(client, account, number))
            await asyncio.sleep(SECONDS / ALARMS)


async def kill_in_turn(stack: RunningStack) -> list[str]:
    """Kills each service in turn, again and again in the full form; returns what was killed."""
    killed: list[str] = []
    rounds = 8 if FULL else 1
    pause = SECONDS / (rounds * len(SERVICES) + 1)
    for _ in range(rounds):
        for service in random.sample(SERVICES, len(SERVICES)):
            await asyncio.sleep(pause)
            try:
                stack.kill(service)
            except ProcessLookupError:  # it is being restarted already
                continue
            killed.append(service)
    return killed


async def subjects(client: httpx.AsyncClient) -> list[str]:
    """The subject of every mail in the inbox, page by page."""
    found: list[str] = []
    token = ""
    while True:
        answer = await client.get("/v1/inbox/messages", params={"page_size": 1000, "page_token": token})
        answer.raise_for_status()
        page = answer.json()
        found += [message["subject"] for message in page.get("messages", [])]
        token = page.get("nextPageToken", "")
        if not token:
            return found


async def settle(client: httpx.AsyncClient, account: Account) -> list[str]:
    """Waits until everything accepted has arrived, or time is up, and then a little longer for what must not arrive."""
    found: list[str] = []
    end = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while asyncio.get_running_loop().time() < end:
        try:
            found = await subjects(client)
        except httpx.HTTPError:
            found = []
        if account.accepted <= set(found):
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(3.0)
    return await subjects(client) or found


@pytest.mark.chaos
@pytest.mark.e2e
@pytest.mark.timeout(900 if FULL else 200)
async def test_killing_each_service_in_turn_loses_and_doubles_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """500 alarms over 20 s while SIGKILL goes round: none lost, none twice in the inbox, none that nobody asked for."""
    account = Account()
    with RunningStack(state=tmp_path / "state") as stack:
        async with stack.client() as client:
            killed, _ = await asyncio.gather(kill_in_turn(stack), load(client, account))
            account.deliver(await settle(client, account))
        logs = stack.logs()
    record_property("account", f"killed {', '.join(killed)}: {account}")
    assert set(killed) == set(SERVICES)
    assert len(account.attempted) == ALARMS
    assert account.verdict == "valid", f"{account}\nlost {sorted(account.lost)[:20]}\nduplicated {sorted(account.duplicated)[:20]}\n{logs}"
