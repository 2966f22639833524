"""Secrets at rest open for their owner alone, and tell nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.sealing import SealBroken, Sealer

SEALER = Sealer(lambda: bytes(range(32)))


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    owner=st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
def test_what_is_sealed_opens(text: str, owner: str) -> None:
    """Any text, for the same owner."""
    assert SEALER.open(SEALER.seal(text, owner=owner), owner=owner) == text


def test_the_same_text_is_sealed_differently_each_time() -> None:
    """Whoever reads the rows does not learn which secrets are alike."""
    assert SEALER.seal("hunter2", owner="t1/a") != SEALER.seal("hunter2", owner="t1/a")


def test_another_owner_and_another_key_open_nothing() -> None:
    """A row that is given another's secrets is no use."""
    sealed = SEALER.seal("hunter2", owner="t1/a")
    with pytest.raises(SealBroken):
        SEALER.open(sealed, owner="t2/a")
    with pytest.raises(SealBroken):
        Sealer(lambda: bytes(32)).open(sealed, owner="t1/a")


@pytest.mark.parametrize("change", ["cut", "flipped", "version", "empty", "text"])
def test_what_was_changed_does_not_open(change: str) -> None:
    """Any change is noticed."""
    sealed = SEALER.seal("hunter2", owner="t1/a")
    flipped = sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:]
    broken = {"cut": sealed[:-8], "flipped": flipped, "version": "v9." + sealed[3:], "empty": "", "text": "v1.☎"}[change]
    with pytest.raises(SealBroken):
        SEALER.open(broken, owner="t1/a")
