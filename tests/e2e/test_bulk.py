"""Files of alarms through the command, the gateway and the scheduler, while the scheduler is killed."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

COUNT = 20_000


def lines(count: int, *, keys: bool = True) -> str:
    """A file of alarms."""
    return "".join(
        json.dumps(
            {
                **({"key": f"bulk-{number}"} if keys else {}),
                "displayName": f"number {number} \u2028",
                "labels": {"bulk": "yes"},
                "trigger": {"cron": f"{number % 60} 9 1 1 *", "timeZone": "Europe/Paris"},
                "action": {"task": {"handler": "noop"}},
            }
        )
        + "\n"
        for number in range(count)
    )


async def tocsin(client: httpx2.AsyncClient, *words: str, folder: Path) -> tuple[int, str, str]:
    """Runs the command against the gateway of ``client``."""
    env = {
        **os.environ,
        "TOCSIN_CLIENT_URL": str(client.base_url).rstrip("/"),
        "TOCSIN_CLIENT_API_KEY": client.headers["authorization"].removeprefix("Bearer "),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tocsin.cli", *words, env=env, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, complaints = await process.communicate()
    return process.returncode or 0, out.decode(), complaints.decode()


async def test_a_file_survives_the_death_of_the_scheduler(stack: RunningStack, stranger: httpx2.AsyncClient, tmp_path: Path) -> None:
    """kill -9 in the middle: the command goes on by itself, and each line is one alarm in the end, no more and no less."""
    (tmp_path / "alarms.ndjson").write_text(lines(COUNT), encoding="utf-8")
    running = asyncio.create_task(tocsin(stranger, "import", "alarms.ndjson", "--json", folder=tmp_path))
    mark = tmp_path / "alarms.ndjson.import"
    await eventually(mark.exists, seconds=60, what="the first answer")
    stack.kill("scheduler_svc")
    status, out, complaints = await running
    assert status == 0, complaints
    report = json.loads(out)
    assert report["lines"] == COUNT
    assert report["created"] + report["unchanged"] == COUNT
    assert not mark.exists()
    status, _, complaints = await tocsin(stranger, "export", "first.ndjson", folder=tmp_path)
    assert status == 0, complaints
    exported = [json.loads(line) for line in (tmp_path / "first.ndjson").read_text(encoding="utf-8").split("\n") if line]
    assert [alarm["key"] for alarm in exported] == [f"bulk-{number}" for number in range(COUNT)]
    assert exported[0]["displayName"] == "number 0 \u2028"


async def test_the_round_trip_is_identity(client: httpx2.AsyncClient, stranger: httpx2.AsyncClient, tmp_path: Path) -> None:
    """Export, import as another tenant, export: the same bytes."""
    (tmp_path / "mine.csv").write_text(
        "key,cron,timeZone,to,subject,text,labels.a\r\n"
        'csv-1,@daily,Asia/Tokyo,a@example.com;b@example.com,hello,"two\nlines",b\r\n'
        "csv-2,0 0 31 2 *,,a@example.com,never,x,\r\n",
        encoding="utf-8",
        newline="",
    )
    status, out, complaints = await tocsin(stranger, "import", "mine.csv", "--errors", "errors.ndjson", folder=tmp_path)
    assert (status, out.strip()) == (1, "1 created, 0 updated, 0 unchanged, 1 refused"), complaints
    assert "line 4: trigger.cron: " in complaints
    assert json.loads((tmp_path / "errors.ndjson").read_text())["line"] == "4"
    first = await stranger.get("/v1/alarms:export")
    assert first.headers["content-type"] == "application/x-ndjson"
    answer = await stranger.post("/v1/alarms:import", content=first.content, headers={"content-type": "application/x-ndjson"})
    last: Any = json.loads(answer.text.splitlines()[-1])
    assert (last["done"], last["unchanged"], last.get("created")) == (True, "1", None)
    assert (await stranger.get("/v1/alarms:export")).content == first.content
    filtered = await stranger.get("/v1/alarms:export", params={"filter": 'key="none"'})
    assert filtered.content == b""


async def test_a_dry_run_tells_and_makes_nothing(stranger: httpx2.AsyncClient, tmp_path: Path) -> None:
    """Standard input works as well, and what is not alarms is told with its line."""
    (tmp_path / "bad.ndjson").write_text(lines(3) + "{\n", encoding="utf-8")
    status, out, complaints = await tocsin(stranger, "import", "bad.ndjson", "--dry-run", folder=tmp_path)
    assert status == 1
    assert out.startswith("3 created, 0 updated, 0 unchanged, 1 refused (dry run: nothing was imported)")
    assert "line 4: The line is not valid JSON" in complaints
    assert (await stranger.get("/v1/alarms")).json()["alarms"] == []


@pytest.mark.parametrize("headers", [{"content-type": "application/x-ndjson", "content-encoding": "gzip"}])
async def test_a_compressed_upload_is_refused(stranger: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    """It says so, instead of taking it for broken lines."""
    assert (await stranger.post("/v1/alarms:import", content=b"x", headers=headers)).status_code == 415
