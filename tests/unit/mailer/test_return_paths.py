"""Return paths and tokens: what we made is read again, and nobody else can make one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.domain import ReturnPaths, UnsubscribeTokenInvalid, UnsubscribeTokens, Unsubscription

DELIVERY = "0123456789abcdef0123456789abcdef"
PATHS = ReturnPaths(address="bounces@mail.example.org", key=b"k" * 32)
TOKENS = UnsubscribeTokens(b"k" * 64)
WHAT = Unsubscription("t1", "ann", "ann@example.com", "news", "email")
words = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60)


def test_a_return_path_names_its_delivery() -> None:
    """In a local part of 64 characters at most, whatever the case in which it comes back."""
    path = PATHS.of(DELIVERY)
    assert len(path.partition("@")[0]) <= 64
    assert PATHS.delivery(path) == PATHS.delivery(path.upper()) == DELIVERY


@given(st.integers(0, 72), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_return_path_is_nobodys(place: int, character: str) -> None:
    """One character is enough."""
    path = PATHS.of(DELIVERY)
    changed = path[:place] + character + path[place + 1 :]
    assert (PATHS.delivery(changed) == DELIVERY) is (changed.lower() == path.lower())


@pytest.mark.parametrize(
    "address", ["", "@", "bounces@mail.example.org", "bounces+@mail.example.org", "+x@y", "bounces+" + "é" * 48 + "@mail.example.org"]
)
def test_what_is_no_return_path_is_nobodys(address: str) -> None:
    """However odd."""
    assert PATHS.delivery(address) == ""


@pytest.mark.parametrize("address", ["sixteen-letters-@example.org", "bücher@example.org"])
def test_an_address_without_room_is_refused(address: str) -> None:
    """A local part has 64 octets."""
    with pytest.raises(ValueError, match="15 ASCII characters"):
        ReturnPaths(address=address, key=b"")


@given(st.builds(Unsubscription, words, words, words, words, words))
def test_a_token_says_what_was_sealed(what: Unsubscription) -> None:
    """It is the same each time, needs no escape in a URL, and shows nothing of what it says."""
    token = TOKENS.seal(what)
    assert TOKENS.open(token) == what
    assert token == TOKENS.seal(what)
    assert token.isascii()
    assert token.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=200) | st.integers(0, 200).map(lambda place: TOKENS.seal(WHAT)[:place]))
def test_a_token_of_nobody_is_refused(token: str) -> None:
    """Whatever it is; another key's as well."""
    for tokens in (TOKENS, UnsubscribeTokens(b"x" * 64)):
        if (tokens, token) != (TOKENS, TOKENS.seal(WHAT)):
            with pytest.raises(UnsubscribeTokenInvalid):
                tokens.open(token)
