"""A full disk under a store, or one that cannot be flushed: what cannot be kept is refused, and what was accepted is kept."""

import asyncio
import itertools
import sys
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.disk import FaultyDisk
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.thorough,
    pytest.mark.e2e,
    pytest.mark.timeout(900 if FULL else 600),
    pytest.mark.skipif(sys.platform != "linux", reason="the disk that fails on demand is made with seccomp(2), which Linux alone has"),
]

STORES = ("auth_svc.db", "scheduler_svc.db", "processor_svc.db", "mailer_svc.db")
KINDS = {"full": "disk is full", "no flush": "disk I/O error"}
"""What may be wrong with a disk, and what SQLite calls it."""
ONE_BY_ONE = [((store, kind),) for store in STORES for kind in KINDS]
AT_ONCE = [tuple(zip(STORES, ("no flush", "full", "full", "no flush"), strict=True))]
TURNS = ONE_BY_ONE if FULL else AT_ONCE
"""What is wrong with which store at the same time."""
BROKEN_SECONDS = 10.0 if FULL else 0.5
RATE = 25
NUMBERS = itertools.count(1)


class Writes:
    """A call for each store that ends in a write to it."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def write(self, store: str) -> httpx2.Response:
        """Changes something in ``store``."""
        number = next(NUMBERS)
        if store == "auth_svc.db":
            return await self._client.post("/v1/apiKeys", json={"displayName": f"key {number}", "scopes": ["alarms:read"]})
        if store == "scheduler_svc.db":
            alarm = {"trigger": {"event": {"topic": "never"}}, "action": {"task": {"handler": "noop"}}}
            return await self._client.post("/v1/alarms", json=alarm)
        if store == "processor_svc.db":
            return await self._client.post("/add", json={"key": f"key-{number}", "value": "x"})
        return await self._client.post("/v1/templates", json={"name": f"templates/t{number}", "subject": "x", "text": "y"})

    async def refused(self, store: str) -> str:
        """What somebody is told whose write cannot be kept, beside when to come again."""
        answer = await self.write(store)
        assert answer.status_code == 503, f"{store}: {answer.status_code} {answer.text}"
        assert "retry-after" in answer.headers, f"{store}: nobody says when to come again"
        return answer.json()["detail"]

    async def work(self, *stores: str) -> bool:
        """Whether all of ``stores`` take a write."""
        return all([(await self.write(store)).is_success for store in stores])


async def break_in_turn(disk: FaultyDisk, writes: Writes) -> tuple[Counter[str], set[str]]:
    """Breaks the disk under the stores of each turn; how many of their calls failed, and the reasons that were told."""
    failed, told = Counter[str](), set[str]()
    for turn in TURNS:
        before = disk.failed
        for store, kind in turn:
            (disk.fill if kind == "full" else disk.break_flush)(store)
        for store, kind in turn:
            detail = await writes.refused(store)
            # Under load the first refusals may have opened a circuit already.
            assert KINDS[kind] in detail or "circuit" in detail, f"{store}: {detail}"
            told.add(detail)
        await asyncio.sleep(BROKEN_SECONDS)
        disk.heal()
        failed.update({", ".join(f"{store} {kind}" for store, kind in turn): disk.failed - before})
        await eventually(lambda turn=turn: writes.work(*(store for store, _ in turn)), what=f"{turn} to end")
    return failed, told


async def test_a_broken_disk_loses_and_doubles_nothing(tmp_path: Path, record_property: Note) -> None:
    """ENOSPC and EIO under every store while alarms are made and go off: refusals with a reason, no end of a process, nothing lost."""
    disk = FaultyDisk(folder=tmp_path / "disk")
    with RunningStack(state=tmp_path / "state", wrapper=disk.wrapper) as stack:
        async with stack.client() as client:
            load = Load(client)
            await load.steady()
            assert await Writes(client).work(*STORES)
            async with load.during(rate=RATE):
                failed, told = await break_in_turn(disk, Writes(client))
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    record_property("account", f"failed calls {dict(failed)}, answers {dict(load.answers)}: {account}")
    assert min(failed.values()) > 0, "nothing failed: this run says nothing"
    for reason in KINDS.values():
        assert any(reason in detail for detail in told), f"nobody was told {reason}: {told}"
    assert load.refused > 0
    assert restarts == dict.fromkeys(SERVICES, 0), "a disk that is full is no reason to end"
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
