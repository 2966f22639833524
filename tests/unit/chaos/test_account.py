"""The checker of the chaos runs can fail."""

import pytest

from tests.chaos.account import Account


@pytest.mark.parametrize(
    ("attempted", "accepted", "delivered", "verdict"),
    [
        ("", "", "", "unknown"),
        ("ab", "", "", "unknown"),
        ("abc", "ab", "ab", "valid"),
        ("abc", "ab", "abc", "valid"),
        ("abc", "ab", "a", "invalid"),
        ("abc", "ab", "aab", "invalid"),
        ("abc", "ab", "abx", "invalid"),
    ],
)
def test_the_verdict_follows_from_the_counts(attempted: str, accepted: str, delivered: str, verdict: str) -> None:
    """Lost, duplicated and unexpected ids each make a run invalid, and no attempts make it unknown."""
    account = Account(attempted=set(attempted), accepted=set(accepted))
    account.deliver(delivered)
    assert account.verdict == verdict
    assert str(account).startswith(verdict)


def test_an_answer_that_never_came_is_recovered_by_its_mail() -> None:
    """What was committed before the connection broke is neither lost nor unexpected."""
    account = Account(attempted={"a", "b"}, accepted={"a"})
    account.deliver("ab")
    assert account.recovered == {"b"}
    assert account.verdict == "valid"
