"""A mailer that is killed while messages join digests: none is lost, and none goes out in two."""

import asyncio
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from tests.integration.mailer.support import Rig
from tests.integration.mailer.test_kill import MailerProcess
from tocsin.testing.smtp import SmtpSink
from tocsin.testing.waiting import eventually

FULL: Final = os.environ.get("CHAOS") == "full"
PEOPLE, NOTIFICATIONS, KILLS = (100, 100, 12) if FULL else (20, 10, 3)
DIGESTED, SENT, OUTCOME_UNKNOWN = 12, 3, 6


def query(file: Path, statement: str) -> list[tuple[Any, ...]]:
    """Rows of the mailer's database, which it may have open."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(statement).fetchall()


def fill(file: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Puts rows into the database of a mailer that does not run; what they do not say is empty or 0."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for table, each in rows.items():
            columns = [(name, "" if kind == "TEXT" else 0) for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")]
            marks = ", ".join("?" * len(columns))
            values = [[row.get(name, empty) for name, empty in columns] for row in each]
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608  names of our own


def everybody() -> dict[str, list[dict[str, Any]]]:
    """People in a group, and a category whose messages wait two seconds for each other."""
    names = [f"p{number}" for number in range(PEOPLE)]
    return {
        "recipients": [{"tenant": "t1", "id": name, "name_key": name, "attributes": "{}"} for name in names],
        "addresses": [
            {"id": name, "tenant": "t1", "recipient": name, "channel": "email", "value": f"{name}@example.com", "state": 2}
            for name in names
        ],
        "groups": [{"tenant": "t1", "id": "all"}],
        "group_members": [{"tenant": "t1", "group_id": "all", "kind": 1, "member": name} for name in names],
        "categories": [{"tenant": "t1", "id": "news", "kind": 2, "channels": "[]", "digest_window": 2_000_000}],
    }


@pytest.mark.chaos
@pytest.mark.timeout(900 if FULL else 240)
async def test_a_killed_mailer_loses_no_member_of_a_digest_and_doubles_none(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """SIGKILL amid fan-out, joining, closing and sending: each message is in one digest, and each digest arrives once."""
    rig = Rig(folder=tmp_path)
    keys = tmp_path / "jwks" / "mailer_svc.json"  # what a mailer remembers of auth_svc, which does not run here
    keys.parent.mkdir()
    keys.write_text(json.dumps(rig.mint.jwks()))
    process = MailerProcess(state=tmp_path, sink=smtp_sink)
    process.start()
    process.kill()
    (file,) = tmp_path.rglob("mailer*.db")
    fill(file, everybody())
    process.start()
    rig.connect(f"127.0.0.1:{process.port}")
    for number in range(NOTIFICATIONS):
        await rig.notify(subject=f"News {number}", recipients=["groups/all"], category="categories/news", request_id=str(number))
    for _ in range(KILLS):
        await asyncio.sleep(0.7)
        process.kill()
        process.start()

    def done() -> bool:
        states = dict(query(file, "SELECT state, count(*) FROM deliveries GROUP BY state"))
        return set(states) <= {SENT, OUTCOME_UNKNOWN, DIGESTED} and states.get(DIGESTED) == PEOPLE * NOTIFICATIONS

    await eventually(done, seconds=240)
    process.kill()
    members = Counter(delivery for (delivery,) in query(file, "SELECT delivery FROM digest_members"))
    assert (len(members), max(members.values())) == (PEOPLE * NOTIFICATIONS, 1)
    lost = query(file, "SELECT id FROM digests WHERE closed IS NULL OR delivery NOT IN (SELECT id FROM deliveries)")
    assert lost == []
    arrived = Counter(received.message["Message-ID"] for received in smtp_sink.messages)
    assert max(arrived.values()) == 1
    states = dict(query(file, "SELECT message_id, state FROM deliveries"))
    assert {identity for identity, state in states.items() if state == SENT} <= set(arrived)
    await rig.stop()
