"""Imports and exports, on each kind of database."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.scheduler.bulk import CSV, NDJSON, Report, Request, export, import_messages, import_text, pieces
from tests.integration.scheduler.support import Rig, State, noop
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.errors import AlreadyExists, InvalidInput, ResourceExhausted
from tocsin.testing.waiting import eventually

TASK = {"task": {"handler": "noop"}}


@pytest.fixture
async def rig(tmp_path: Path, database_url: str) -> AsyncIterator[Rig]:
    """A scheduler on each kind of database."""
    made = Rig(folder=tmp_path, database_url=database_url)
    await made.start()
    yield made
    await made.stop()


def line(key: str = "", **fields: Any) -> str:
    """An alarm as a line."""
    return json.dumps({"key": key, "trigger": {"cron": "0 9 * * *"}, "action": TASK, **fields})


def text(*lines: str) -> bytes:
    """Lines, each with its end."""
    return "".join(f"{item}\n" for item in lines).encode()


def plain(alarms: list[alarm_pb2.Alarm]) -> list[bytes]:
    """Alarms as comparable bytes."""
    return [alarm.SerializeToString(deterministic=True) for alarm in alarms]


EVERY_KIND = (
    line("at", trigger={"at": "2099-01-01T00:00:00Z"}, displayName="ü\u2028", priority="CRITICAL"),
    line("daily", trigger={"daily": {"time": "14:30:00"}, "timeZone": "Asia/Tokyo", "dst": {"gap": "SKIP"}}, labels={"a": "b", "c": "d"}),
    line("every", trigger={"every": "90s", "startTime": "2030-01-01T00:00:00Z", "jitter": "5s", "overlap": "QUEUE"}),
    line("cron", trigger={"cron": "*/5 9-17 * * MON-FRI", "timeZone": "Europe/Paris", "count": 7, "spread": "60s"}),
    line("rrule", trigger={"rrule": "DTSTART;TZID=Europe/Paris:20300101T090000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR"}),
    line("event", trigger={"event": {"topic": "orders.*.paid", "filter": "data.total>100"}}),
    line("threshold", trigger={"threshold": {"metric": "t", "comparison": "GREATER_THAN", "value": 4.5, "forDuration": "60s"}}),
    line("heartbeat", trigger={"heartbeat": {"every": "300s", "grace": "30s", "key": "hb"}}),
    line("paused", state="PAUSED", retry={"maxAttempts": 2, "maxBackoff": "9s"}, autoPauseAfter=4),
    line("completed", state="COMPLETED", trigger={"at": "2020-01-01T00:00:00Z"}),
    line("mail", action={"notify": {"to": ["a@example.com"], "template": "templates/x", "variables": {"b": "c", "a": "d"}}}),
    line("input", action={"task": {"handler": "http_request", "input": {"deep": [1, {"x": None}]}}}),
)


async def test_good_lines_become_alarms_and_bad_ones_are_told(rig: Rig) -> None:
    """Each broken line is named with its field and reason, and the rest goes on."""
    report = await import_text(
        rig,
        text(
            line("a"),
            "{broken",
            "",
            line("b", trigger={"cron": "61 * * * *"}),
            line("c", colour="red"),
            line("a"),
            '{"key":"x","key":"y"}',
            "[1]",
            line("d", displayName="\0"),
            line("e", trigger={"at": "2020-01-01T00:00:00Z"}),
        )
        + b'\xff\xfe\n{"key":"\x00"}\n'
        + line("z").encode()[:-5],
    )
    assert report.counts == (1, 0, 0, 11)
    assert (report.last.lines, report.last.done) == (13, True)
    told = {number: (field, reason) for number, field, reason in report.refusals}
    assert sorted(told) == [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert told[4][0] == "trigger.cron"
    assert told[5] == ("colour", "unknown field")
    assert told[6] == ("key", "is that of line 1 as well")
    assert told[7][0] == "key"
    assert told[8] == ("", "The line is not a JSON object.")
    assert told[9][0] == "displayName"
    assert told[10][0] == "trigger.at"
    assert told[11] == ("", "The line is not UTF-8.")
    assert "Invalid control character" in told[12][1]
    assert told[13][1].startswith("The data ends in the middle of this line.")


async def test_an_export_is_a_faithful_import(rig: Rig) -> None:
    """Export, import into nothing, export: the same bytes; also without keys, paused, completed, and whatever the trigger."""
    report = await import_text(rig, text(*EVERY_KIND))
    assert report.counts == (len(EVERY_KIND), 0, 0, 0), report.refusals
    keyless = await rig.create(display_name="made by hand", trigger=alarm_pb2.Trigger(cron="@daily"), action=noop())
    first = await export(rig)
    assert [alarm.key for alarm in first] == [json.loads(item)["key"] for item in EVERY_KIND] + [keyless.name]
    assert (await import_messages(rig, first, tenant="t2")).counts == (len(first), 0, 0, 0)
    assert plain(await export(rig, "t2")) == plain(first)
    again = await import_messages(rig, first)
    assert again.counts == (0, 0, len(first), 0), again.refusals
    assert plain(await export(rig)) == plain(first)


async def test_the_same_text_twice_changes_nothing(rig: Rig) -> None:
    """With keys or without, a second import finds every alarm as it is."""
    lines = text(*EVERY_KIND, *(line(displayName=f"keyless {number}") for number in range(5)))
    first = await import_text(rig, lines)
    second = await import_text(rig, lines, size=7)
    assert first.counts == (len(EVERY_KIND) + 5, 0, 0, 0)
    assert second.counts == (0, 0, len(EVERY_KIND) + 5, 0)


async def test_a_known_key_is_changed_to_what_its_line_says(rig: Rig) -> None:
    """A new trigger begins anew; what is not about the trigger leaves the schedule alone."""
    await import_text(rig, text(line("a", trigger={"every": "3600s"}), line("b", trigger={"cron": "@daily"}, labels={"old": "1"})))
    before = {alarm.key: alarm for alarm in await listed(rig)}
    report = await import_text(
        rig,
        text(
            line("a", trigger={"every": "3600s"}, displayName="renamed", labels={"team": "core"}),
            line("b", trigger={"event": {"topic": "x"}}, state="PAUSED"),
        ),
    )
    assert report.counts == (0, 2, 0, 0)
    after = {alarm.key: alarm for alarm in await listed(rig)}
    assert after["a"].name == before["a"].name
    assert (after["a"].display_name, after["a"].next_fire_time) == ("renamed", before["a"].next_fire_time)
    assert after["b"].trigger.event.topic == "x"
    assert (after["b"].state, after["b"].pause_reason, dict(after["b"].labels)) == (alarm_pb2.Alarm.PAUSED, "REQUESTED", {})
    assert [alarm.key for alarm in await listed(rig, 'labels.team="core"')] == ["a"]
    assert await listed(rig, 'labels.old="1"') == []


async def test_a_key_belongs_to_one_alarm_of_a_tenant(rig: Rig) -> None:
    """Create and update refuse a key that is taken; another tenant may have it."""
    await import_text(rig, text(line("a")))
    await import_text(rig, text(line("a")), tenant="t2")
    with pytest.raises(AlreadyExists):
        await rig.create(key="a")
    other = await rig.create(key="b")
    with pytest.raises(AlreadyExists), rig.user():
        await rig.alarms.UpdateAlarm(alarm_service_pb2.UpdateAlarmRequest(alarm=alarm_pb2.Alarm(name=other.name, key="a")))


async def test_heartbeats_cannot_share_a_ping_key(rig: Rig) -> None:
    """The second of two heartbeats of one key is refused, and nothing of it is left."""
    beat = {"heartbeat": {"every": "60s", "key": "same"}}
    report = await import_text(rig, text(line("a", trigger=beat), line("b", trigger=beat), line("c")))
    assert report.counts == (2, 0, 0, 1)
    assert report.refusals[0][0] == 2


async def test_lines_that_are_committed_can_be_passed_over(rig: Rig) -> None:
    """An import that goes on with skip_lines numbers its lines as before, and needs its header all the same."""
    report = await import_text(rig, b"key,cron,handler\na,@daily,noop\nb,@daily,noop\nc,bad,noop\n", media_type=CSV, skip_lines=2)
    assert report.counts == (1, 0, 0, 1)
    assert report.refusals[0][:2] == (4, "trigger.cron")
    assert [alarm.key for alarm in await export(rig)] == ["b"]


async def test_a_dry_run_makes_nothing(rig: Rig) -> None:
    """It tells what would become of each line."""
    await import_text(rig, text(line("a"), line("b")))
    report = await import_text(rig, text(line("a"), line("b", displayName="x"), line("c"), "{"), validate_only=True)
    assert report.counts == (1, 1, 1, 1)
    assert [alarm.display_name for alarm in await export(rig)] == ["", ""]


async def test_a_table_is_read_by_its_header(rig: Rig) -> None:
    """Columns are paths or short names; quotes may hold separators, quotes and line breaks; the table comes from a spreadsheet."""
    table = (
        'key,cron,daily,timeZone,startTime,to,subject,"text",labels.team,action.task.input.size,handler,priority,count\r\n'
        'a,0 9 * * *,,Europe/Paris,2030-01-01T00:00:00Z,ann@example.com; bob@example.com,"Say ""hi"", now","two\r\nlines",core,,,BULK,3\r\n'
        "b,,14:30,,,,,,,large,noop,,\r\n"
        "c,,14:30,,,,,,,,noop\r\n"
    )
    with pytest.raises(InvalidInput, match="is not a field of an alarm"):
        await import_text(rig, b"\xef\xbb\xbfkey,Trigger.cron\r\na,@daily\r\n", media_type=CSV)
    report = await import_text(rig, ("\ufeff" + table).encode(), media_type=f"{CSV}; charset=utf-8", size=5)
    assert report.counts == (2, 0, 0, 1)
    assert report.refusals == [(5, "", "has 11 cells, but the header has 13")]
    first, second = await export(rig)
    assert list(first.action.notify.to) == ["ann@example.com", "bob@example.com"]
    assert (first.action.notify.subject, first.action.notify.text) == ('Say "hi", now', "two\nlines")
    assert (first.trigger.cron, first.trigger.time_zone, first.trigger.count) == ("0 9 * * *", "Europe/Paris", 3)
    assert (first.labels["team"], first.priority) == ("core", alarm_pb2.BULK)
    assert (second.trigger.daily.time, second.action.task.input["size"]) == ("14:30:00", "large")


@pytest.mark.parametrize("seed", range(3))
async def test_any_bytes_cut_anywhere_give_the_same_answer(rig: Rig, seed: int) -> None:
    """Noise among good lines never ends an import, and the cut makes no difference."""
    draw = random.Random(seed)
    noise = bytes(draw.choice(b'{}[]",:\\u0aetrigger\n\r\x00\xff ') for _ in range(3000))
    body = noise[:1500] + b"\n" + text(line("a"), line("b")) + noise[1500:] + b"\n" + text(line("c"))
    whole = await import_text(rig, body, tenant="whole")
    parts = await import_text(rig, body, tenant="parts", size=draw.choice([1, 3, 17]))
    assert [alarm.key for alarm in await export(rig, "whole")] == ["a", "b", "c"]
    assert (whole.counts, whole.refusals, whole.last.lines) == (parts.counts, parts.refusals, parts.last.lines)


async def test_what_is_answered_is_committed_while_the_client_is_silent(rig: Rig) -> None:
    """A client that waits for its lines gets its answer without ending the stream, and may then vanish."""
    gate = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        for piece in pieces(text(line("a"), line("b")) + line("cut").encode()):
            yield piece
        await gate.wait()

    with rig.user():
        call = rig.alarms.ImportAlarms(requests())
        answer = await anext(call)
        assert (answer.lines, answer.created, answer.done) == (2, 2, False)
        assert [alarm.key for alarm in await export(rig)] == ["a", "b"]
        call.cancel()
    await asyncio.sleep(0.3)
    assert [alarm.key for alarm in await export(rig)] == ["a", "b"]


async def test_imported_alarms_fire_in_time(rig: Rig) -> None:
    """The engine hears of alarms that are due soon."""
    due = (rig.clock.now() + timedelta(seconds=1)).isoformat()
    await import_text(rig, text(*(line(f"k{number}", trigger={"at": due}) for number in range(20))))

    async def fired() -> bool:
        return len(await rig.ledger()) == 20

    await eventually(fired, what="twenty firings")
    assert {firing.state for firing in await rig.ledger()} == {State.PENDING}


async def test_two_imports_of_the_same_keys_make_each_alarm_once(rig: Rig) -> None:
    """Whoever comes second finds the alarm of the first, or tries again until it does."""
    body = text(*(line(f"k{number}") for number in range(1500)))
    reports: list[Report] = await asyncio.gather(*(import_text(rig, body) for _ in range(3)))
    assert sum(report.last.created for report in reports) == 1500
    assert sum(report.last.unchanged for report in reports) == 3000
    assert len(await export(rig)) == 1500


async def test_what_cannot_be_an_import_is_refused(rig: Rig) -> None:
    """Another type, a mix of both forms, options in the middle."""
    with pytest.raises(InvalidInput, match="contentType"):
        await import_text(rig, b"x", media_type="image/png")
    for requests in (
        [*pieces(text(line("a"))), Request(alarms=Request.Alarms())],
        [Request(alarms=Request.Alarms()), *pieces(b"x", media_type=NDJSON)],
    ):
        with pytest.raises(InvalidInput, match="mixed"):
            await _run(rig, requests)
    with pytest.raises(InvalidInput, match="first message"):
        await _run(rig, [*pieces(text(line("b"))), Request(options=Request.Options())])


async def test_too_many_imports_at_once_are_told_to_come_back(rig: Rig) -> None:
    """An import takes a part of the process from those who wait for an alarm, so there are only so many."""
    gate = asyncio.Event()

    async def open_end(key: str) -> AsyncIterator[Any]:
        for piece in pieces(text(line(key))):
            yield piece
        await gate.wait()

    with rig.user():
        calls = [rig.alarms.ImportAlarms(open_end(key)) for key in ("a", "b", "c", "d")]
        assert [(await anext(call)).created for call in calls] == [1, 1, 1, 1]
        with pytest.raises(ResourceExhausted):
            await import_text(rig, text(line("e")))
        gate.set()
        for call in calls:
            assert (await _answers(call))[-1].done
    assert (await import_text(rig, text(line("e")))).counts == (1, 0, 0, 0)


async def _run(rig: Rig, requests: list[Any]) -> None:
    async def sent() -> AsyncIterator[Any]:
        for request in requests:
            yield request

    with rig.user():
        await _answers(rig.alarms.ImportAlarms(sent()))


async def _answers(call: Any) -> list[Any]:
    return [answer async for answer in call]


async def listed(rig: Rig, filter: str = "") -> list[alarm_pb2.Alarm]:  # noqa: A002  the contract's word
    """The alarms that ListAlarms finds."""
    with rig.user():
        return list((await rig.alarms.ListAlarms(alarm_service_pb2.ListAlarmsRequest(page_size=1000, filter=filter))).alarms)


async def test_addresses_are_judged_as_by_create(rig: Rig) -> None:
    """On the fast path and on the fallback, in NDJSON and in a table."""
    good, bad = ("a@example.com", "Ann <ann@example.com>", "übung@example.com"), ("a..b@x.example", "a" * 65 + "@x.de", "nobody")
    lines = [line(f"k{place}", action={"notify": {"to": [to], "subject": "s", "text": "t"}}) for place, to in enumerate((*good, *bad))]
    report = await import_text(rig, text(*lines))
    assert report.counts == (3, 0, 0, 3)
    assert [(number, field) for number, field, _ in report.refusals] == [(number, "action.notify.to[0]") for number in (4, 5, 6)]
    table = ["key,cron,to,subject,text", *(f'"r{place}",0 9 * * *,"{to}",s,t' for place, to in enumerate((*good, *bad)))]
    report = await import_text(rig, text(*table), media_type=CSV)
    assert report.counts == (3, 0, 0, 3)


@pytest.mark.parametrize(
    ("delimiter", "media_type"),
    [(";", CSV), ("\t", CSV), (",", CSV), ("\t", "text/tab-separated-values"), (";", f"{CSV}; delimiter=semicolon")],
)
async def test_a_table_may_be_parted_by_other_marks(rig: Rig, delimiter: str, media_type: str) -> None:
    """As spreadsheets write them in many countries, with a byte order mark; quotes protect a mark and a line end."""
    rows = [("key", "cron", "to", "subject", "text"), ("a", "0 9 * * *", "ann@example.com", '"x; y, z\t"', '"one\ntwo"')]
    rows.append(("b", "0 9 * * *", '"ann@example.com;bob@example.com"', "s", "t"))
    table = b"\xef\xbb\xbf" + "".join(delimiter.join(row) + "\r\n" for row in rows).encode()
    report = await import_text(rig, table, media_type=media_type)
    assert (report.counts, report.refusals) == ((2, 0, 0, 0), [])
    first, second = sorted(await export(rig), key=lambda alarm: alarm.key)
    assert (first.action.notify.subject, first.action.notify.text) == ("x; y, z\t", "one\ntwo")
    assert list(second.action.notify.to) == ["ann@example.com", "bob@example.com"]
