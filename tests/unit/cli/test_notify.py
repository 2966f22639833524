"""`tocsin notify` and `tocsin notification`, against a small real gateway."""

from pathlib import Path

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]


def test_notify_sends_what_the_flags_say(gateway: Gateway, state: Path) -> None:
    """To addresses, recipients and groups; the name of the notification is shown."""
    gateway.answers["POST", "/v1/notifications"] = (200, {"name": "notifications/1", "state": "PENDING"})
    flags = ("--to", "a@example.com", "--recipient", "groups/ops", "--category", "ops", "--subject", "Tea", "--text", "Now.")
    done = tocsin("notify", *flags, "--priority", "critical", "--metadata", '{"order": 7}', "--state", str(state))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "notifications/1 is PENDING\n")
    ((_, _, _, body),) = gateway.asked
    whom = {"to": ["a@example.com"], "recipients": ["groups/ops"], "category": "categories/ops"}
    assert body == {**whom, "subject": "Tea", "text": "Now.", "priority": "CRITICAL", "metadata": {"order": 7}}


@pytest.mark.parametrize(
    ("state_", "deliveries", "code"),
    [
        ("COMPLETED", [("SENT", ""), ("DELIVERED", ""), ("HELD", "QUIET_HOURS"), ("DIGESTED", "")], 0),
        ("COMPLETED", [("SENT", ""), ("SUPPRESSED", "UNKNOWN_RECIPIENT")], 1),
        ("COMPLETED", [("DEAD", "")], 1),
        ("COMPLETED", [], 1),
        ("FAILED", [("SENT", "")], 1),
        ("CANCELLED", [], 1),
    ],
)
def test_notify_waits_for_what_becomes_of_it(
    gateway: Gateway, state: Path, state_: str, deliveries: list[tuple[str, str]], code: int
) -> None:
    """With --wait a script learns from the exit code whether everybody is reached; without, only that it was taken."""
    counts = [{"state": found, "reason": why, "count": "1"} for found, why in deliveries]
    gateway.answers["POST", "/v1/notifications"] = (200, {"name": "notifications/1", "state": "PENDING"})
    gateway.answers["GET", "/v1/notifications/1"] = (200, {"name": "notifications/1", "state": state_, "deliveries": counts})
    words = ("notify", "--to", "a@example.com", "--subject", "s", "--text", "t", "--state", str(state))
    done = tocsin(*words, "--wait")
    assert (done.returncode, done.stderr) == (code, "")
    assert state_ in done.stdout
    assert all(found in done.stdout and why in done.stdout for found, why in deliveries)
    assert tocsin(*words).returncode == 0


def test_notify_waits_no_longer_than_it_may(gateway: Gateway, state: Path) -> None:
    """One that does not come to its end in time is no success: the exit code is that of an answer that did not come."""
    gateway.answers["POST", "/v1/notifications"] = (200, {"name": "notifications/1", "state": "PENDING"})
    gateway.answers["GET", "/v1/notifications/1"] = (200, {"name": "notifications/1", "state": "EXPANDING"})
    flags = ("--to", "a@example.com", "--subject", "s", "--text", "t", "--wait", "--timeout", "0")
    done = tocsin("notify", *flags, "--state", str(state))
    assert done.returncode == 69
    assert "notifications/1 has not ended after 0 s" in done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--subject", "s", "--text", "t"), "give --to or --recipient"),
        (("--to", "a@example.com", "--subject", "s", "--priority", "high"), "is not critical, normal or bulk"),
        (("--to", "a@example.com", "--subject", "s", "--metadata", "["), "not valid JSON"),
        (("--to", "nobody", "--subject", "s"), "--to"),
    ],
)
def test_notify_tells_what_is_wrong(state: Path, flags: tuple[str, ...], words: str) -> None:
    """Before anything is sent."""
    done = tocsin("notify", *flags, "--state", str(state))
    assert done.returncode == 2
    assert words in done.stderr


def test_notification_get_tells_why(gateway: Gateway, state: Path) -> None:
    """How many deliveries are in which state, and why; cancel and list beside it."""
    found = {"name": "notifications/1", "state": "COMPLETED", "subject": "Tea", "createTime": "2026-12-01T09:00:00Z"}
    counts = [{"state": "SENT", "count": "7"}, {"state": "SUPPRESSED", "reason": "OPTED_OUT", "count": "2"}]
    gateway.answers["GET", "/v1/notifications/1"] = (200, {**found, "deliveries": counts})
    gateway.answers["GET", "/v1/notifications"] = (200, {"notifications": [found]})
    gateway.answers["POST", "/v1/notifications/1:cancel"] = (200, {**found, "state": "CANCELLED"})
    shown = tocsin("notification", "get", "1", "--state", str(state)).stdout
    assert [line.split() for line in shown.splitlines()[-2:]] == [["7", "SENT"], ["2", "SUPPRESSED", "OPTED_OUT"]]
    assert tocsin("notification", "cancel", "1", "--state", str(state)).stdout == "notifications/1 is CANCELLED\n"
    assert "Tea" in tocsin("notification", "list", "--state", str(state)).stdout
