"""`tocsin bench` of an installation that runs: what it refuses, and what it counts as what."""

import pytest

from tests.unit.cli.test_commands import tocsin
from tocsin.errors import ResourceExhausted, Unavailable
from tocsin.loadtest.tally import CallTally


def test_what_a_limit_holds_back_is_no_failure_and_no_throughput() -> None:
    """Each is counted apart, and limits by their names."""
    tally = CallTally()
    tally.done(0.2)
    tally.done(0.1)
    tally.refused(ResourceExhausted("too many", reason="RATE_LIMITED"))
    tally.refused(Unavailable("away"))
    assert (tally.seconds, dict(tally.limited), dict(tally.failed)) == ([0.1, 0.2], {"RATE_LIMITED": 1}, {"Unavailable": 1})
    assert tally.calls == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--url", "nonsense"), "no URL of a gateway"),
        (("--url", "http://127.0.0.1:1", "--api-key", "k", "--mix", "rest=1,grpc=1"), "give --grpc"),
        (("--url", "http://127.0.0.1:1", "--api-key", "k", "--mix", "soap=1"), "none of rest, grpc, events"),
        (("--url", "http://127.0.0.1:1", "--api-key", "k", "--mix", "rest=0"), "one kind at least"),
        (("--url", "http://127.0.0.1:1", "--api-key", "k", "--mix", "rest=1", "--metrics", "x"), "NAME=URL"),
        (("--url", "http://127.0.0.1:1", "--api-key", "k", "--mix", "rest=1"), "cannot be reached"),
        (("--url", "http://127.0.0.1:1", "--rate", "-1"), "--rate"),
        (("--alarms", "0"), "one alarm at least"),
    ],
)
def test_nonsense_is_refused(words: tuple[str, ...], says: str) -> None:
    """Before anything is made, with the reason."""
    done = tocsin("bench", *words)
    assert done.returncode != 0
    assert says in " ".join(done.stderr.replace("│", " ").split()), done.stderr
