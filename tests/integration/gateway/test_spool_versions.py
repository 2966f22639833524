"""Spools of a newer version, as a gateway finds them that was rolled back: it serves, and what waits in them is not lost."""

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

from tests.integration.gateway.spools import Far, SpoolRig
from tocsin.cli.__main__ import main
from tocsin.database import SchemaTooNew
from tocsin.database.migration import migrations_of, newest_revision
from tocsin.testing.waiting import eventually

NEWEST = newest_revision(migrations_of("gateway")) or ""


def mark(spool: Path, revision: str) -> None:
    """Says that a spool is at a revision."""
    with closing(sqlite3.connect(spool)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


async def leave(path: Path, far: Far, *topics: str) -> None:
    """A gateway that has ended, and left calls."""
    rig = SpoolRig(path, far)
    await rig.start()
    for topic in topics:
        await rig.put(topic)
    await rig.stop()


async def tocsin(capsys: pytest.CaptureFixture[str], state: Path, *words: str) -> tuple[int, str, str]:
    """Runs `tocsin migrate gateway` in this process, in a thread, for it has a loop of its own."""

    def run() -> int:
        with pytest.raises(SystemExit) as end:
            main(("migrate", "gateway", "--state", str(state), *words))
        return int(end.value.code or 0)

    with mock.patch.dict(os.environ, {"PATH": os.environ["PATH"], "COLUMNS": "200"}, clear=True):
        code = await asyncio.to_thread(run)
    out, complaints = capsys.readouterr()
    return code, out, complaints


async def test_a_gateway_that_was_rolled_back_serves(tmp_path: Path) -> None:
    """From the next file; that of the newer version stays as it is, and holds up nobody whose spool can be read."""
    far, spool = Far(), tmp_path / "spool.db"
    await leave(spool, far, "newer")
    mark(spool, "9999")
    before = spool.read_bytes()
    old, gone = SpoolRig(spool, far), SpoolRig(spool, far)
    await old.start()
    await gone.start()
    assert [rig.file.place for rig in (old, gone)] == [2, 3]
    await old.put("old")
    await gone.put("gone")
    await gone.stop()
    for _ in range(2):
        await old.takeover.look()
    far.away = False
    await eventually(lambda: sorted(far.topics) == ["gone", "old"])
    assert spool.read_bytes() == before
    with pytest.raises(SchemaTooNew):
        await old.file.at(1).start()
    mark(spool, NEWEST)  # as the newer version's `tocsin migrate gateway --to` leaves it
    await old.takeover.look()
    await eventually(lambda: sorted(far.topics) == ["gone", "newer", "old"])
    await old.stop()


async def test_the_command_takes_spools_back_and_forward(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them, with what waits in them; none while a gateway has one, and the way is shown before."""
    far, path = Far(), tmp_path / "gateway-spool.db"
    running, gone = SpoolRig(path, far), SpoolRig(path, far)
    await running.start()
    await gone.start()
    await running.put("first")
    await gone.put("second")
    await gone.stop()
    code, out, _ = await tocsin(capsys, tmp_path, "--to", "0003", "--plan")
    assert (code, out.count("take back 0004")) == (0, 2)
    code, _, complaints = await tocsin(capsys, tmp_path, "--to", "0003")
    assert (code > 0, "A gateway is using" in complaints, str(path) in complaints) == (True, True, True), complaints
    assert (await tocsin(capsys, tmp_path, "--check"))[0] == 0, "nothing was changed"
    await running.stop()
    code, out, _ = await tocsin(capsys, tmp_path, "--to", "0003", "--json")
    told = json.loads(out[out.index('{"services') :])
    assert (code, told) == (0, {"services": {"gateway spool 1": "0003", "gateway spool 2": "0003"}})
    assert (await tocsin(capsys, tmp_path, "--check"))[0] == 1
    assert (await tocsin(capsys, tmp_path))[0] == 0
    assert (await tocsin(capsys, tmp_path, "--check"))[0] == 0
    far.away = False
    await running.start()
    await running.takeover.look()
    await eventually(lambda: sorted(far.topics) == ["first", "second"])
    await running.stop()


async def test_where_there_is_no_spool_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And that is no error."""
    code, out, _ = await tocsin(capsys, tmp_path)
    assert (code, "There is no database." in out, list(tmp_path.iterdir())) == (0, True, [])
