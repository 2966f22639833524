"""`tocsin event send`, `tocsin reading send` and `tocsin ping`."""

import uuid
from pathlib import Path

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"id": "e1", "matched": 2}, "e1 fires 2 alarms"),
        ({"id": "e1", "matched": 1}, "e1 fires 1 alarm"),
        ({"id": "e1"}, "e1 fires 0 alarms"),
        ({"id": "e1", "duplicate": True, "matched": 2}, "e1: duplicate, ignored"),
    ],
)
def test_an_event_is_sent_as_the_flags_say(gateway: Gateway, state: Path, answer: dict[str, object], told: str) -> None:
    """Topic, data, id, source and time; the answer in one line."""
    gateway.answers["POST", "/v1/events"] = (200, answer)
    flags = ("--id", "e1", "--source", "shop", "--time", "2026-12-01T09:00:00Z", "--state", str(state))
    done = tocsin("event", "send", "orders.paid", '{"total": 120}', *flags)
    assert (done.returncode, done.stdout.strip()) == (0, told)
    body = {"topic": "orders.paid", "data": {"total": 120}, "id": "e1", "source": "shop", "time": "2026-12-01T09:00:00Z"}
    assert gateway.asked == [("POST", "/v1/events", "Bearer tk_dev", body)]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"counted": True, "raised": ["alarms/1"]}, "recorded; 1 alarm triggered, 0 pending, 0 resolved"),
        ({"counted": True, "pending": ["alarms/1"]}, "recorded; 0 alarms triggered, 1 pending, 0 resolved"),
        ({"duplicate": True}, "duplicate, ignored"),
        ({"counted": True, "resolved": ["alarms/1", "alarms/2"]}, "recorded; 0 alarms triggered, 0 pending, 2 resolved"),
        ({}, "recorded; older than the last reading, so no alarm is evaluated"),
    ],
)
def test_a_reading_is_sent(gateway: Gateway, state: Path, answer: dict[str, object], told: str) -> None:
    """A value of zero is a value."""
    gateway.answers["POST", "/v1/readings"] = (200, answer)
    done = tocsin("reading", "send", "cellar.temperature", "0", "--state", str(state))
    assert (done.returncode, done.stdout.strip()) == (0, told)
    ((*call, body),) = gateway.asked
    assert call == ["POST", "/v1/readings", "Bearer tk_dev"]
    assert body == {"metric": "cellar.temperature", "value": 0, "id": str(uuid.UUID(body["id"]))}


def test_a_value_below_zero_is_no_option(gateway: Gateway, state: Path) -> None:
    """Behind a double dash it is taken for what it is."""
    gateway.answers["POST", "/v1/readings"] = (200, {"counted": True})
    done = tocsin("reading", "send", "--state", str(state), "--", "cellar.temperature", "-3.5")
    assert done.returncode == 0, done.stderr
    assert gateway.asked[0][3]["value"] == -3.5


def test_a_ping_tells_its_deadline(gateway: Gateway, state: Path) -> None:
    """And whether the heartbeat had been missed."""
    gateway.answers["POST", "/v1/pings/backup"] = (200, {"alarm": "alarms/1", "resolved": True, "deadline": "2026-12-01T09:00:00Z"})
    done = tocsin("ping", "backup", "--state", str(state))
    assert (done.returncode, done.stdout) == (
        0,
        "alarms/1: the next ping is due by 2026-12-01T09:00:00Z. The missed heartbeat is resolved.\n",
    )


@pytest.mark.parametrize(
    "arguments",
    [("event", "send", "a", "[1]"), ("event", "send", "a", "--time", "soon"), ("reading", "send", "m", "warm"), ("event", "send")],
)
def test_a_wrong_command_line_is_told(state: Path, arguments: tuple[str, ...]) -> None:
    """Nothing is sent."""
    assert tocsin(*arguments, "--state", str(state)).returncode == 2


@pytest.mark.parametrize(
    ("flags", "path", "said"),
    [
        (("--start",), "/ping/hb/start", None),
        (("--fail", "--text", "disk full"), "/ping/hb/fail", "disk full"),
        (("--log", "--text", "Ü"), "/ping/hb/log", "Ü"),
        (("--exit-status", "0"), "/ping/hb/0", None),
        (("--exit-status", "3", "--run-id", "11111111-1111-4111-8111-111111111111"), "/ping/hb/3", None),
        (("--text", "done"), "/ping/hb", "done"),
    ],
)
def test_a_ping_says_more(gateway: Gateway, state: Path, flags: tuple[str, ...], path: str, said: str | None) -> None:
    """A start, a failure, an exit status, the run and what the job says go where healthchecks.io has them."""
    gateway.answers["POST", path] = (200, {})
    done = tocsin("ping", "hb", *flags, "--state", str(state))
    assert (done.returncode, done.stdout) == (0, "kept\n"), done.stderr
    assert [(method, asked, body) for method, asked, _, body in gateway.asked] == [("POST", path, said)]


@pytest.mark.parametrize("flags", [("--start", "--fail"), ("--log", "--exit-status", "0"), ("--exit-status", "256")])
def test_a_ping_says_one_thing(gateway: Gateway, state: Path, flags: tuple[str, ...]) -> None:
    """Two at once, or what is no exit status, is a mistake of usage."""
    assert tocsin("ping", "hb", *flags, "--state", str(state)).returncode == 2
    assert gateway.asked == []


def test_what_is_watched_is_listed(gateway: Gateway, state: Path) -> None:
    """A line each; the pings of one with what they said."""
    standing = {"alarm": "alarms/1", "displayName": "Backup", "kind": "HEARTBEAT", "state": "DOWN", "incident": "incidents/7"}
    gateway.answers["GET", "/v1/status"] = (200, {"standings": [standing]})
    done = tocsin("heartbeat", "list", "--state", str(state))
    assert (done.returncode, done.stdout.splitlines()[1].split()) == (0, ["alarms/1", "Backup", "HEARTBEAT", "DOWN", "incidents/7"])
    ping = {"receiveTime": "2026-12-01T09:00:00Z", "kind": "PING_KIND_FAIL", "exitStatus": 3, "text": "disk full\nmore"}
    gateway.answers["GET", "/v1/alarms/1/pings"] = (200, {"pings": [ping]})
    done = tocsin("heartbeat", "pings", "1", "--state", str(state))
    assert (done.returncode, done.stdout.splitlines()[1].split()) == (0, ["2026-12-01T09:00:00Z", "fail", "3", "disk", "full"])


def test_the_ping_key_keeps_what_it_was_not_asked_to_change(gateway: Gateway, state: Path) -> None:
    """It is shown, made where there is none, and keeps its policy when it is made anew."""
    gateway.answers["GET", "/v1/pingKey"] = (200, {"key": "k" * 22, "escalationPolicy": "escalationPolicies/nights"})
    gateway.answers["PUT", "/v1/pingKey"] = (200, {"key": "n" * 22})
    shown = tocsin("heartbeat", "key", "--state", str(state))
    assert shown.stdout == f"{'k' * 22}  (/ping/{'k' * 22}/SLUG)\n"
    assert tocsin("heartbeat", "key", "--rotate", "--state", str(state)).returncode == 0
    assert tocsin("heartbeat", "key", "--policy", "days", "--state", str(state)).returncode == 0
    assert [body for method, _, _, body in gateway.asked if method == "PUT"] == [
        {"escalationPolicy": "escalationPolicies/nights"},
        {"key": "k" * 22, "escalationPolicy": "escalationPolicies/days"},
    ]


def test_a_status_page_is_set(gateway: Gateway, state: Path) -> None:
    """Names, labels and title; where it is, and its badges, in one line."""
    gateway.answers["PUT", "/v1/statusPage"] = (200, {"slug": "acme", "badgeKey": "b1"})
    done = tocsin("statuspage", "set", "acme", "--title", "Acme", "--alarm", "1", "--label", "public=yes", "--state", str(state))
    assert done.stdout == "/status/acme; badges: /badge/b1/NAME.svg\n"
    ((*_, body),) = gateway.asked
    assert body == {"enabled": True, "slug": "acme", "title": "Acme", "alarms": ["alarms/1"], "labels": {"public": "yes"}}
