"""The journal of the audit log, and the check of an export."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt import PyJWK
from jwt.algorithms import OKPAlgorithm

from tests.integration.auth.journals import journal_in
from tocsin.api.auth.v1 import audit_log_service_pb2 as pb
from tocsin.audit_log import GENESIS, AuditEntry, chained
from tocsin.audit_log.journal import plain
from tocsin.audit_log.verification import HEAD_TYPE, ExportVerifier
from tocsin.errors import InvalidInput, Unavailable
from tocsin.mesh.context import Call, CallNote, CallOrigin
from tocsin.mesh.health import Degraded
from tocsin.testing.clock import FakeClock

KILLED = """
import os, sys, pathlib
from tocsin.audit_log.segments import Segments
segments = Segments(folder=pathlib.Path(sys.argv[1]), most_bytes=1000)
segments.open()
assert segments.append(bytes.fromhex(sys.argv[2]))
os.kill(os.getpid(), 9)
"""
Lines = list[dict[str, Any]]


class Taker:
    """Stands for auth_svc."""

    def __init__(self) -> None:
        self.taken: list[pb.ReportedAuditLog] = []
        self.is_away = False

    async def __call__(self, entries: Sequence[pb.ReportedAuditLog]) -> None:
        """Takes entries."""
        if self.is_away:
            raise Unavailable
        self.taken.extend(entries)


def call(**note: Any) -> Call:
    """A call from somewhere."""
    made = Call(forwarded=CallOrigin("203.0.113.9", "curl/8"))
    made.note = CallNote(tenant="t1", subject="users/1", **note)
    return made


async def test_an_entry_says_who_did_what_from_where(tmp_path: Path, clock: FakeClock) -> None:
    """And is told once."""
    taker = Taker()
    journal = journal_in(tmp_path, clock, send=taker)
    await journal.start()
    journal.record("AlarmService/CreateAlarm", call(resource="alarms/1", request_id="r"), "OK")
    await journal.tell()
    await journal.tell()
    await journal.stop()
    (entry,) = taker.taken
    assert (entry.tenant, entry.subject, entry.client_address, entry.user_agent) == ("t1", "users/1", "203.0.113.9", "curl/8")
    assert (entry.service, entry.method, entry.resource, entry.outcome) == ("auth_svc", "AlarmService/CreateAlarm", "alarms/1", "OK")
    assert (entry.request_id, entry.time_micros, entry.count) == ("r", clock.micros(), 1)
    assert list((tmp_path / "journal").iterdir()) == []


async def test_what_a_killed_process_journalled_is_told_by_the_next_one(tmp_path: Path, clock: FakeClock) -> None:
    """The entry is on the disk before the call is answered. A record that was cut off, or damaged, ends the reading of its file."""
    record = pb.ReportedAuditLog(entry_id="e", resource="alarms/1", count=1).SerializeToString()
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(tmp_path / "journal"), record.hex())
    assert await child.wait() == -9
    (file,) = (tmp_path / "journal").glob("*.journal")
    with file.open("ab") as out:
        out.write(b"\0\0\0\x20\x01\x02\x03\x04cut off")
    taker = Taker()
    journal = journal_in(tmp_path, clock, send=taker)
    await journal.start()
    await journal.tell()
    await journal.stop()
    assert [entry.resource for entry in taker.taken] == ["alarms/1"]
    assert list((tmp_path / "journal").iterdir()) == []


async def test_two_processes_on_one_folder_leave_each_others_files(tmp_path: Path, clock: FakeClock) -> None:
    """What is being written is nobody else's."""
    first, second = Taker(), Taker()
    one, other = journal_in(tmp_path, clock, send=first), journal_in(tmp_path, clock, send=second)
    await one.start()
    await other.start()
    one.record("A/B", call(resource="a"), "OK")
    await other.tell()
    assert second.taken == []
    await one.tell()
    assert [entry.resource for entry in first.taken] == ["a"]
    await one.stop()
    await other.stop()


async def test_auth_svc_being_away_loses_nothing_until_there_is_no_room(tmp_path: Path, clock: FakeClock) -> None:
    """What finds no room is counted, and shown in the health."""
    taker = Taker()
    taker.is_away = True
    journal = journal_in(tmp_path, clock, send=taker, most_bytes=500)
    await journal.start()
    for number in range(10):
        journal.record("A/B", call(resource=f"alarms/{number}"), "OK")
    with pytest.raises(Unavailable):
        await journal.tell()
    with pytest.raises(Degraded, match="entries of the audit log were lost"):
        await journal.check()
    taker.is_away = False
    await journal.tell()
    names = [entry.resource for entry in taker.taken]
    assert 0 < len(names) < 10
    assert names == [f"alarms/{number}" for number in range(len(names))]
    assert len({entry.entry_id for entry in taker.taken}) == len(names)
    journal.record("A/B", call(resource="again"), "OK")
    await journal.stop()
    assert taker.taken[-1].resource == "again"


async def test_one_that_is_refused_takes_no_other_with_it(tmp_path: Path, clock: FakeClock) -> None:
    """Whatever is wrong with it, the entries beside it are told, and it is counted as lost."""
    taker = Taker()

    async def picky(entries: Sequence[pb.ReportedAuditLog]) -> None:
        if any(entry.resource == "alarms/7" for entry in entries):
            raise InvalidInput.at("entries", "one is odd")
        await taker(entries)

    journal = journal_in(tmp_path, clock, send=picky)
    await journal.start()
    for number in range(20):
        journal.record("AlarmService/CreateAlarm", call(resource=f"alarms/{number}"), "OK")
    await journal.tell()
    assert [entry.resource for entry in taker.taken] == [f"alarms/{number}" for number in range(20) if number != 7]
    assert journal.failing == {"audit log": "1 entries of the audit log were lost: no room, or refused."}
    await journal.stop()


async def test_a_flood_of_refusals_of_nobody_is_a_count(tmp_path: Path, clock: FakeClock) -> None:
    """From each place one entry in ten seconds; what is known to be a tenant's is told each time."""
    taker = Taker()
    journal = journal_in(tmp_path, clock, send=taker)
    await journal.start()
    for _ in range(1000):
        journal.happened("GET /v1/alarms", outcome="UNAUTHENTICATED", detail="TOKEN_REFUSED", address="203.0.113.9")
    for _ in range(3):
        journal.happened("GET /v1/alarms", outcome="PERMISSION_DENIED", tenant="t1", subject="users/1")
    await journal.stop()
    assert sorted((entry.outcome, entry.count) for entry in taker.taken) == [*[("PERMISSION_DENIED", 1)] * 3, ("UNAUTHENTICATED", 1000)]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("alarms/1", "alarms/1"),
        ("recipients/ann@example.com", "recipients/~55f537be7d5dc5ef"),
        ("recipients/ann@example.com/addresses/7", "recipients/~55f537be7d5dc5ef/addresses/7"),
        ("recipients/+41791234567", "recipients/~c3e31cd5a2cd3ab8"),
        ("a" * 999, "a" * 200),
    ],
)
def test_a_name_never_shows_an_address(name: str, shown: str) -> None:
    """Ids are the caller's own, and may be addresses; the digest tells them apart all the same."""
    found = plain(name)
    assert found == shown or (found.count("~") == shown.count("~") == 1 and "41791234567" not in found and "ann@" not in found)


# -- verification ---------------------------------------------------------------------------------------------------------------

PRIVATE = Ed25519PrivateKey.generate()
PUBLIC = PyJWK.from_dict({**OKPAlgorithm.to_jwk(PRIVATE.public_key(), as_dict=True), "alg": "EdDSA", "kid": "k"})


def head(number: int, entry_hash: str, **changes: Any) -> dict[str, Any]:
    """A signed place of the chain."""
    claims = {"tenant": "t1", "number": number, "hash": entry_hash, "time": 0}
    signature = jwt.encode(claims, PRIVATE, algorithm="EdDSA", headers={"kid": "k", "typ": HEAD_TYPE, **changes})
    return {"tenant": "t1", "number": str(number), "hash": entry_hash, "signature": signature}


def export(entries: int = 5, first: int = 1) -> Lines:
    """An export of a whole log: from ``first`` on, behind an anchor unless that is 1."""
    lines: Lines = []
    last = GENESIS
    for number in range(1, entries + 1):
        entry = AuditEntry(tenant="t1", id=f"e{number}", time=number, service="s", method="A/B", outcome="OK", resource=f"ö/{number}")
        last = chained(last, number, entry)
        stamp = f"1970-01-01T00:00:00.{number:06d}Z"
        shown = {"name": f"auditLogs/{number}", "tenant": "t1", "entryId": entry.id, "time": stamp, "service": "s", "method": "A/B"}
        lines.append({"auditLog": {**shown, "outcome": "OK", "resource": entry.resource, "count": "1", "hash": last}})
    hashes = [line["auditLog"]["hash"] for line in lines]
    anchored = [] if first == 1 else [{"anchor": head(first - 1, hashes[first - 2])}]
    return [*anchored, *lines[first - 1 :], {"head": head(entries, hashes[-1])}]


def found(lines: Lines, *, known: Lines = []) -> list[str]:  # noqa: B006 - never changed
    """The problems of an export."""
    verifier = ExportVerifier(tenant="", keys={"k": PUBLIC})
    for number, line in enumerate(lines, 1):
        verifier.read(number, line)
    return verifier.finish([line["head"] for line in known]).problems


@pytest.mark.parametrize("first", [1, 3])
def test_a_whole_log_has_no_problem(first: int) -> None:
    """Also behind what retention has cut."""
    assert found(export(first=first)) == []


def changed(field: str, value: Any, at: int = 2) -> Callable[[Lines], Lines]:
    """Changes one field of an entry."""

    def apply(lines: Lines) -> Lines:
        entry = {**lines[at]["auditLog"], field: value}
        return [*lines[:at], {"auditLog": entry}, *lines[at + 1 :]]

    return apply


def rehashed(lines: Lines) -> Lines:
    """An entry is changed, and every hash behind it made anew: what is left is the signature."""
    return [*export_with("evil", len(lines) - 1), lines[-1]]


def export_with(method: str, entries: int) -> Lines:
    """As `export`, with another method and hashes that fit, and without a head."""
    last, lines = GENESIS, []
    for line in export(entries)[:-1]:
        message = {**line["auditLog"], "method": method}
        number = int(message["name"].removeprefix("auditLogs/"))
        entry = AuditEntry(
            tenant="t1", id=message["entryId"], time=number, service="s", method=method, outcome="OK", resource=message["resource"]
        )
        last = chained(last, number, entry)
        lines.append({"auditLog": {**message, "hash": last}})
    return lines


TAMPERED: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "changed": (changed("outcome", "PERMISSION_DENIED"), "entry 3 is not what was written"),
    "changed time": (changed("time", "1970-01-01T00:00:00.000009Z"), "entry 3 is not what was written"),
    "no time": (changed("time", "yesterday"), "entry 3 is not what was written"),
    "another tenant": (changed("tenant", "t2"), "another tenant"),
    "removed": (lambda lines: [*lines[:2], *lines[3:]], "entry 4 follows entry 2"),
    "removed first": (lambda lines: lines[1:], "entry 2 follows entry 0"),
    "swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "entry 3 follows entry 1"),
    "inserted": (lambda lines: [*lines[:2], lines[1], *lines[2:]], "entry 2 follows entry 2"),
    "cut tail": (lambda lines: [*lines[:3], lines[-1]], "cut off: entry 5 was signed"),
    "cut tail and head": (lambda lines: lines[:3], "no signed head"),
    "rehashed": (rehashed, "entry 5 is not the one that was signed"),
    "forged head": (lambda lines: [*lines[:3], {"head": {**lines[-1]["head"], "number": "3"}}], "says something else"),
    "another type": (lambda lines: [*lines[:-1], {"head": head(5, lines[4]["auditLog"]["hash"], typ="JWT")}], "says something else"),
    "another key": (lambda lines: [*lines[:-1], {"head": head(5, lines[4]["auditLog"]["hash"], kid="x")}], "not known"),
    "no signature": (lambda lines: [*lines[:-1], {"head": {"number": "5"}}], "not valid"),
    "strange line": (lambda lines: [*lines[:1], {"a": 1, "b": 2}, *lines[1:]], "line 2: it is no line of an export"),
    "no object": (lambda lines: [*lines[:1], {}, {"auditLog": 7}, *lines[1:]], "line 3: it is no line of an export"),
    "late anchor": (lambda lines: [*lines[:2], {"anchor": lines[-1]["head"]}, *lines[2:]], "an anchor stands behind other lines"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_done_to_a_log_is_found(what: str) -> None:
    """Whatever it was; nothing raises."""
    tamper, problem = TAMPERED[what]
    assert any(problem in line for line in found(tamper(export()))), found(tamper(export()))


def test_a_head_that_was_kept_elsewhere_is_a_witness() -> None:
    """Whoever can change the database may go back to an older head; not to one that somebody else has."""
    kept = export(5)[-1:]
    assert found(export(3)) == []
    assert any("cut off" in line for line in found(export(3), known=kept))
