"""The page about backups, lived through: each command of it, on a stack under load, and the account afterwards."""

import json
import re
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import pytest

from bench.drill import account, mails_of, ringing_lines
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "backup.md"
RINGING: Final = 40
ARCHIVE: Final = "backups/tocsin-20261201T090000Z.tar"
"""As the page names it."""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningStack]:
    """A stack that is lost."""
    with RunningStack(state=tmp_path_factory.mktemp("backup") / "state") as running:
        yield running


def commands() -> list[list[str]]:
    """The words behind `tocsin` of each command in the page's blocks, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [line.split()[1:] for block in blocks for line in block.splitlines()]


async def test_a_stack_that_is_lost_is_restored_elsewhere(own: RunningStack, tmp_path: Path) -> None:
    """Backed up while alarms ring, killed, restored: no due time is missing, no mail missing or twice, and a watcher misses nothing."""
    backup, verify, restore, again = commands()
    (tmp_path / "backups").mkdir()
    first = datetime.now(UTC) + timedelta(seconds=2)
    (tmp_path / "alarms.ndjson").write_bytes(ringing_lines(first, ringing=RINGING, seconds=12))
    own.command("import", str(tmp_path / "alarms.ndjson"))
    await eventually(partial(has_mails, own), what="mails of alarms that ring")
    own.command(*backup[:-1], str(tmp_path / backup[-1]))
    assert metric(own) > first.timestamp()
    (made,) = (tmp_path / "backups").iterdir()
    place = {ARCHIVE: str(made), "elsewhere": str(tmp_path / "elsewhere")}
    own.command(*(place.get(word, word) for word in verify))
    token = await a_token_from_now(own)
    for service in own.info["services"]:
        own.kill(service)
    own.command("down")
    new = RunningStack(state=tmp_path / "elsewhere")
    words = [place.get(word, word) for word in restore]
    assert words[-2:] == ["--state", str(new.state)]
    new.command(*words[:-2])
    assert new.command(*words[:-2], check=False).returncode == 1
    new.command(*(place.get(word, word) for word in again))
    with new:
        told = await account(new, begun=first, ringing=RINGING)
        assert told["expected"] >= RINGING
        assert [told[name] for name in ("missing", "unexpected", "unreadable", "mails_missing", "mails_twice")] == [0] * 5
        assert "firing" in await next_change(new, resumeToken=token), "who goes on with a token from after the backup hears nothing"


def metric(stack: RunningStack) -> float:
    """When the scheduler believes that the last backup was made."""
    page = httpx2.get(stack.info["services"]["scheduler_svc"]["metrics"], trust_env=False).text
    return float(page.split("\ntocsin_backup_last_success_timestamp_seconds ")[1].split()[0])


async def has_mails(stack: RunningStack) -> bool:
    """Whether some have arrived."""
    return len(await mails_of(stack)) >= RINGING // 8


async def a_token_from_now(stack: RunningStack) -> str:
    """The resume token of the next change of a firing, after the backup."""
    return (await next_change(stack))["resumeToken"]


async def next_change(stack: RunningStack, **query: str) -> dict[str, str]:
    """What a watcher of firings hears next."""
    headers = {"accept": "application/x-ndjson"}
    async with stack.client() as client, client.stream("GET", "/v1/firings:watch", params=query, headers=headers, timeout=30) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for line in answer.aiter_lines():
            if line.strip():
                return json.loads(line)
    raise AssertionError("the watcher hears nothing")
