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
