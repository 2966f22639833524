"""`tocsin recipient rules`, against a small real gateway."""

from pathlib import Path

import pytest

from tests.unit.cli.test_commands import Gateway, gateway, state, tocsin

__all__ = ["gateway", "state"]

PATH = "/v1/recipients/ann/rules"


def test_rules_are_set_and_shown(gateway: Gateway, state: Path) -> None:
    """Step by step, all together as a document, or none."""
    gateway.answers["PUT", PATH] = gateway.answers["GET", PATH] = (200, {"name": "recipients/ann/rules"})
    steps = ("--urgent", "push", "--urgent", "sms after 1h30m", "--other", "email=a@b.c after 5m")
    done = tocsin("recipient", "rules", "set", "ann", *steps, "--state", str(state))
    assert (done.returncode, done.stderr) == (0, "")
    assert gateway.asked[-1][3] == {
        "urgent": [{"channel": "push"}, {"channel": "sms", "after": "5400s"}],
        "other": [{"channel": "email", "address": "a@b.c", "after": "300s"}],
    }
    assert tocsin("recipient", "rules", "set", "recipients/ann", "--document", '{"other": []}', "--state", str(state)).returncode == 0
    assert gateway.asked[-1][3] == {"other": []}
    assert tocsin("recipient", "rules", "set", "ann", "--none", "--state", str(state)).returncode == 0
    assert gateway.asked[-1][3] == {"urgent": [], "other": []}
    assert '"name": "recipients/ann/rules"' in tocsin("recipient", "rules", "get", "ann", "--state", str(state)).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give --urgent"),
        (("--none", "--other", "email"), "give --urgent"),
        (("--urgent", "sms after a while"), "is not a duration"),
        (("--urgent", "sms after -5m"), "is not a duration"),
        (("--urgent", "sms email"), "is not a step such as"),
    ],
)
def test_what_is_no_step_is_refused(state: Path, arguments: tuple[str, ...], words: str) -> None:
    """Before anything is sent."""
    done = tocsin("recipient", "rules", "set", "ann", *arguments, "--state", str(state))
    assert done.returncode == 2
    assert words in done.stderr
