"""`tocsin spool`: what the gateway has set aside, listed, shown, retried and dropped."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

CALL = {
    "name": "spooledCalls/1-42",
    "tenant": "acme",
    "method": "/tocsin.api.scheduler.v1.TriggerService/PublishEvent",
    "acceptTime": "2026-12-01T09:00:00Z",
    "tries": 8,
    "reason": "INTERNAL",
    "message": "Internal error.",
}


def test_what_is_set_aside_is_listed(gateway: Gateway, state: Path) -> None:
    """A line for each call, and what waits beside them."""
    gateway.answers["GET", "/v1/spooledCalls"] = (
        200,
        {"spooledCalls": [CALL], "spool": 1, "waiting": "7", "waitingBytes": "900", "setAside": "1"},
    )
    done = tocsin("spool", "list", "--state", str(state))
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in ("1-42", "acme", "PublishEvent", "INTERNAL"))
    assert done.stdout.strip().endswith("spool 1: 7 calls wait (900 bytes); 1 failed")


@pytest.mark.parametrize("calls", [[], [CALL, CALL | {"name": "spooledCalls/1-43"}]])
def test_a_program_gets_one_document(gateway: Gateway, state: Path, calls: list[dict[str, object]]) -> None:
    """However many there are, none as well; with what waits beside them."""
    gateway.answers["GET", "/v1/spooledCalls"] = (200, {"spooledCalls": calls, "spool": 1, "waiting": "7"})
    done = tocsin("spool", "list", "--json", "--state", str(state))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"spool": 1, "waiting": "7", "spooledCalls": calls}


@pytest.mark.parametrize(
    ("words", "method", "path", "told"),
    [
        (("retry", "1-42"), "POST", "/v1/spooledCalls/1-42:retry", "1 call queued again"),
        (("retry", "--all"), "POST", "/v1/spooledCalls/1-42:retry", "1 call queued again"),
        (("drop", "spooledCalls/1-42"), "DELETE", "/v1/spooledCalls/1-42", "1 call dropped"),
    ],
)
def test_an_order_reaches_the_gateway(gateway: Gateway, state: Path, words: tuple[str, ...], method: str, path: str, told: str) -> None:
    """By name, with or without its collection, or for all."""
    gateway.answers["GET", "/v1/spooledCalls"] = (200, {"spooledCalls": [CALL]})
    gateway.answers[method, path] = (200, {})
    done = tocsin("spool", *words, "--state", str(state))
    assert (done.returncode, done.stdout.strip()) == (0, told)
    assert gateway.asked[-1][:2] == (method, path)


@pytest.mark.parametrize("words", [("retry",), ("drop", "1-42", "--all"), ("drop", "../x"), ("show", "42")])
def test_an_order_for_nothing_is_refused(gateway: Gateway, state: Path, words: tuple[str, ...]) -> None:
    """Neither names nor --all, both, or what is no name; nobody is asked."""
    done = tocsin("spool", *words, "--state", str(state))
    assert done.returncode != 0
    assert gateway.asked == []
