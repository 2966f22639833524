"""The account of credentials can fail."""

from collections import Counter
from typing import Any

import pytest

from tests.chaos.credentials import CredentialAccount

DONE = Counter({"sign-ins": 1, "uses": 1, "refreshes": 1, "revocations": 1, "keys": 1})


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({}, "valid"),
        ({"successors": Counter(a=1, b=0)}, "valid"),
        ({"counts": Counter()}, "unknown"),
        *(({"counts": DONE - Counter({name: 1})}, "unknown") for name in DONE),
        ({"valid": set[str]()}, "unknown"),
        ({"revoked": set[str]()}, "unknown"),
        ({"refused": ["a"]}, "invalid"),
        ({"revived": ["a"]}, "invalid"),
        ({"taken": ["a"]}, "invalid"),
        ({"lost": ["a"]}, "invalid"),
        ({"successors": Counter(a=2)}, "invalid"),
        ({"broken_chains": ["a"]}, "invalid"),
        ({"broken_chains": ["a"], "counts": Counter()}, "invalid"),
    ],
)
def test_the_verdict_follows_from_the_facts(facts: dict[str, Any], verdict: str) -> None:
    """Each kind of fault makes a run invalid; one that did not try everything is unknown."""
    whole: dict[str, Any] = {"counts": DONE, "valid": {"a"}, "revoked": {"b"}, **facts}
    account = CredentialAccount(**whole)
    assert (account.verdict, str(account).split(":", maxsplit=1)[0]) == (verdict, verdict)
