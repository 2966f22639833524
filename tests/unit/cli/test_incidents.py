"""`tocsin incident`: what an answer has done, who was told, and people by their names."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

KEY = "apiKeys/01KBAQ5R000000000000000KEY"
INCIDENT = {"name": "incidents/1", "title": "Disk full", "severity": "CRITICAL", "escalationPolicy": "escalationPolicies/nights"}
NAMES = {"names": [{"name": KEY, "displayName": "Ann's laptop"}]}


def run(gateway: Gateway, state: Path, *words: str) -> str:
    """What a command says that goes well."""
    gateway.answers["GET", "/v1/names:batchGet"] = (200, NAMES)
    done = tocsin("incident", *words, "--state", str(state))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"state": "TRIGGERED", "triggerCount": 1}, "is TRIGGERED"),
        ({"state": "ACKNOWLEDGED", "triggerCount": 3}, "was open already: it is ACKNOWLEDGED, and was triggered 3 times"),
        ({"state": "TRIGGERED", "triggerCount": 1, "heldBy": "silences/7"}, "is TRIGGERED; its steps are held back by silences/7"),
        (
            {"state": "TRIGGERED", "triggerCount": 1, "escalationPolicy": ""},
            "is TRIGGERED; nobody is told, for it has no policy, and no route fits",
        ),
    ],
)
def test_a_trigger_says_whether_it_opened_and_whom_it_reaches(gateway: Gateway, state: Path, answer: dict[str, Any], said: str) -> None:
    """A further trigger opens nothing; without a policy nobody hears of it."""
    gateway.answers["POST", "/v1/incidents"] = (200, INCIDENT | answer)
    assert run(gateway, state, "trigger", "Disk full").strip() == f"incidents/1 {said}"


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (("ack", "1"), {"state": "ACKNOWLEDGED", "acknowledgedBy": KEY}, "is ACKNOWLEDGED by Ann's laptop"),
        (("ack", "1"), {"state": "RESOLVED", "resolvedBy": "recipients/bea"}, "is RESOLVED by bea"),
        (("note", "1", "--note", "hm"), {"state": "TRIGGERED"}, "noted"),
        (("snooze", "1", "in 5m"), {"state": "TRIGGERED", "snoozedUntil": "2026-12-01T09:00:00Z"}, "is snoozed until 2026-12-01T09:00:00Z"),
        (("reassign", "1", "--to", "recipients/cid"), {"state": "TRIGGERED"}, "is reassigned to recipients/cid"),
        (("reassign", "1", "--policy", "days"), {"state": "TRIGGERED"}, "is reassigned to escalationPolicies/days"),
        (("merge", "1", "2"), {"state": "TRIGGERED", "mergedInto": "incidents/2"}, "is part of incidents/2, and ends with it"),
    ],
)
def test_an_answer_says_what_it_has_done(gateway: Gateway, state: Path, words: tuple[str, ...], answer: dict[str, Any], said: str) -> None:
    """And not only in which state the incident is."""
    gateway.answers["GET", "/v1/recipients/cid"] = (200, {"name": "recipients/cid"})
    verb = {"ack": "acknowledge"}.get(words[0], words[0])
    gateway.answers["POST", f"/v1/incidents/1:{verb}"] = (200, INCIDENT | answer)
    assert run(gateway, state, *words).strip() == f"incidents/1 {said}"


def test_the_timeline_tells_who_was_told_and_what_became_of_it(gateway: Gateway, state: Path) -> None:
    """Each message with its state and reason, and keys by their names; a key that may not read deliveries sees the firing."""
    gateway.answers["GET", "/v1/incidents/1"] = (200, INCIDENT | {"state": "ACKNOWLEDGED", "acknowledgedBy": KEY})
    step = {"time": "2026-12-01T09:00:00Z", "kind": "STEP", "actor": "policy", "step": 1, "firing": "firings/F"}
    answered = {"time": "2026-12-01T09:01:00Z", "kind": "ACKNOWLEDGED", "actor": KEY, "via": "api", "text": "on it"}
    gateway.answers["GET", "/v1/incidents/1/events"] = (200, {"events": [step, answered]})
    to_ann = {"recipient": "recipients/ann", "channel": "email", "to": "ann@example.com", "state": "SENT"}
    to_bea = {"recipient": "recipients/bea", "channel": "", "state": "SUPPRESSED", "reason": "NO_ADDRESS"}
    gateway.answers["GET", "/v1/deliveries"] = (200, {"deliveries": [to_bea, to_ann]})
    shown = run(gateway, state, "show", "1")
    assert "ann email SENT, recipients/bea SUPPRESSED: NO_ADDRESS" in shown
    assert "Ann's laptop (api)" in shown
    assert "ACKNOWLEDGED by Ann's laptop" in shown
    assert KEY not in shown
    gateway.answers["GET", "/v1/deliveries"] = (403, {"code": "PERMISSION_DENIED", "detail": "no", "details": []})
    assert "firings/F" in run(gateway, state, "show", "1")
    gateway.answers["GET", "/v1/deliveries"] = (200, {})
    assert "nobody yet (firings/F)" in run(gateway, state, "show", "1")


def test_an_incident_is_not_given_to_somebody_who_is_not_there(gateway: Gateway, state: Path) -> None:
    """A slip of the pen would take it from who has it, and tell nobody; a key that may not read people is believed."""
    gateway.answers["POST", "/v1/incidents/1:reassign"] = (200, INCIDENT)
    done = tocsin("incident", "reassign", "1", "--to", "recipients/cyd", "--state", str(state))
    assert done.returncode == 1
    assert "there is no recipients/cyd" in done.stderr
    assert [method for method, *_ in gateway.asked] == ["GET"]
    gateway.answers["GET", "/v1/recipients/cyd"] = (403, {"code": "PERMISSION_DENIED", "detail": "no", "details": []})
    assert "is reassigned to recipients/cyd" in run(gateway, state, "reassign", "1", "--to", "recipients/cyd")


def test_who_is_deleted_while_on_call_leaves_a_hole_that_is_told(gateway: Gateway, state: Path) -> None:
    """Each rotation, until when, and who is left."""
    gateway.answers["DELETE", "/v1/recipients/ann"] = (200, {})
    alone = {"rotation": "rotations/shop", "interval": {"recipients": ["recipients/ann"], "endTime": "2026-12-07T08:00:00Z"}}
    both = {"rotation": "rotations/db", "interval": {"recipients": ["recipients/ann", "recipients/bob"], "endTime": "2026-12-02T08:00:00Z"}}
    gateway.answers["GET", "/v1/onCall"] = (200, {"onCall": [alone, both]})
    done = tocsin("recipient", "delete", "ann", "--state", str(state))
    assert done.stdout.splitlines() == [
        "recipients/ann deleted",
        "rotations/shop: was on call until 2026-12-07T08:00:00Z; now nobody is",
        "rotations/db: was on call until 2026-12-02T08:00:00Z; now recipients/bob is",
    ]
