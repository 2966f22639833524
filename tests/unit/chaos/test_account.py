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


@pytest.mark.parametrize(("delivered", "unknown", "verdict"), [("ab", "c", "valid"), ("abcc", "c", "valid"), ("abbc", "c", "invalid")])
def test_an_unknown_outcome_excuses_itself_alone(delivered: str, unknown: str, verdict: str) -> None:
    """It may be missing or there twice; any other one may not."""
    account = Account(attempted=set("abc"), accepted=set("abc"), unknown=set(unknown))
    account.deliver(delivered)
    assert account.verdict == verdict


@pytest.mark.parametrize(("delivered", "dead", "verdict"), [("ab", "c", "valid"), ("ab", "", "invalid"), ("abc", "c", "invalid")])
def test_what_was_refused_for_good_is_not_lost(delivered: str, dead: str, verdict: str) -> None:
    """It may be missing, and must not come out after all."""
    account = Account(attempted=set("abc"), accepted=set("abc"), dead=set(dead))
    account.deliver(delivered)
    assert account.verdict == verdict


def test_a_ledger_that_differs_from_the_rules_is_invalid() -> None:
    """Every due time has its row, even if every mail has arrived."""
    account = Account(attempted={"a"}, accepted={"a"}, unaccounted=1)
    account.deliver("a")
    assert account.verdict == "invalid"
