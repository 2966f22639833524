"""`tocsin rotation`, against a small real gateway."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

SHOP = """
name: shop
timeZone: Europe/Berlin
layers:
  - participants: [{recipients: [recipients/ann]}]
    turnUnit: DAYS
    turnCount: 1
    handOverTime: 09:00
    start: 2027-01-04T09:00
"""
STORED: dict[str, Any] = {
    "name": "rotations/shop",
    "timeZone": "Europe/Berlin",
    "revision": 3,
    "layers": [{"start": "2027-01-04T09:00:00"}],
}


def test_apply_creates_changes_and_leaves_alone(gateway: Gateway, state: Path, tmp_path: Path) -> None:
    """Times of YAML stay as they are written; what is only the server's is not sent."""
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    gateway.answers["GET", "/v1/rotations/shop"] = (404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "There is none"}})
    gateway.answers["POST", "/v1/rotations"] = (200, STORED)
    done = tocsin("rotation", "apply", str(file), "--state", str(state))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "rotations/shop created\n")
    body = gateway.asked[-1][3]
    assert isinstance(body, dict)
    assert (body["name"], body["layers"][0]["handOverTime"], body["layers"][0]["start"]) == ("rotations/shop", "09:00", "2027-01-04T09:00")
    gateway.answers["GET", "/v1/rotations/shop"] = (200, STORED)
    gateway.answers["PATCH", "/v1/rotations/shop"] = (200, {**STORED, "revision": 4})
    later = {**STORED, "layers": [{**STORED["layers"][0], "start": "2027-01-05T09:00"}]}
    file.write_text(json.dumps([later]))
    assert tocsin("rotation", "apply", str(file), "--state", str(state)).stdout == "rotations/shop changed\n"
    body = gateway.asked[-1][3]
    assert isinstance(body, dict)
    assert "revision" not in body
    file.write_text(json.dumps([STORED]))
    assert tocsin("rotation", "apply", str(file), "--state", str(state)).stdout == "rotations/shop unchanged\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "'1' is no resource"),
        ("a: [", "bad.yaml, line "),
        ("kind: calendar\nname: x", "this command rotation alone"),
        ("name: [7]", "name: must be a string"),
        ("\x00", "control characters"),
    ],
)
def test_apply_tells_what_is_wrong(state: Path, tmp_path: Path, text: str, words: str) -> None:
    """Before anything is sent."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    done = tocsin("rotation", "apply", str(file), "--state", str(state))
    assert (done.returncode, words in done.stderr.replace("\n", " ")) == (2, True)


def test_who_is_on_call_and_why(gateway: Gateway, state: Path) -> None:
    """A table of the schedule in the rotation's zone, with labels in words; a gap is nobody."""
    interval = {"startTime": "2027-01-04T08:00:00Z", "endTime": "2027-01-05T08:00:00Z", "recipients": ["recipients/ann"], "layer": 1}
    gap = {"startTime": "2027-01-05T08:00:00Z", "endTime": "2027-01-06T08:00:00Z", "labels": ["GAP"]}
    gateway.answers["GET", "/v1/rotations/shop"] = (200, STORED)
    gateway.answers["GET", "/v1/rotations/shop:preview"] = (200, {"intervals": [interval, gap]})
    gateway.answers["GET", "/v1/onCall"] = (200, {"onCall": [{"rotation": "rotations/shop", "interval": interval}]})
    shown = tocsin("rotation", "preview", "shop", "--to", "2027-02-01 09:00", "--state", str(state))
    lines = [line.split() for line in shown.stdout.splitlines()[-2:]]
    assert lines == [
        ["Mon", "2027-01-04", "09:00", "Tue", "2027-01-05", "09:00", "ann", "layer", "1", "-"],
        ["Tue", "2027-01-05", "09:00", "Wed", "2027-01-06", "09:00", "nobody", "-", "gap"],
    ]
    assert "ann" in tocsin("rotation", "on-call", "--recipient", "ann", "--state", str(state)).stdout


def test_an_override_says_when_it_holds_and_that_nobody_is_left(gateway: Gateway, state: Path) -> None:
    """Local times are the rotation's; another kind is refused."""
    gateway.answers["GET", "/v1/rotations/shop"] = (200, STORED)
    gateway.answers["POST", "/v1/rotations/shop/overrides"] = (
        200,
        {"name": "rotations/shop/overrides/1", "startTime": "2027-01-04T08:00:00Z", "endTime": "2027-01-05T08:00:00Z"},
    )
    hole = {"startTime": "2027-01-04T10:00:00Z", "endTime": "2027-01-04T11:00:00Z", "labels": ["GAP"]}
    gateway.answers["GET", "/v1/rotations/shop:preview"] = (200, {"intervals": [hole]})
    flags = ("--from", "2027-01-04T09:00", "--to", "2027-01-05T09:00", "--comment", "ill", "--state", str(state))
    done = tocsin("rotation", "override", "add", "shop", "replace", "eve", *flags)
    assert done.stdout.splitlines() == [
        "rotations/shop/overrides/1 holds from Mon 2027-01-04 09:00 to Tue 2027-01-05 09:00 (Europe/Berlin)",
        "nobody is on call from Mon 2027-01-04 11:00 to Mon 2027-01-04 12:00",
    ]
    times = {"startTime": "2027-01-04T08:00:00Z", "endTime": "2027-01-05T08:00:00Z"}
    [body] = [body for method, _, _, body in gateway.asked if method == "POST"]
    assert body == {"kind": "REPLACE", "recipients": ["recipients/eve"], "comment": "ill", **times}
    assert tocsin("rotation", "override", "add", "shop", "swap", "eve", *flags).returncode == 2
    gateway.answers["DELETE", "/v1/rotations/shop/overrides/1"] = (200, {})
    assert tocsin("rotation", "override", "remove", "rotations/shop/overrides/1", "--state", str(state)).returncode == 0
