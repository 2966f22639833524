"""What people call the kinds of alerts."""

import json
from pathlib import Path

import pytest

import tocsin.alerts
from tocsin.alerts import AlertKind
from tocsin.alerts.words import kind_words


@pytest.mark.parametrize("kind", AlertKind, ids=lambda kind: kind.value)
def test_each_kind_has_words_in_each_language(kind: AlertKind) -> None:
    """Words, and not its name in the interface."""
    for locale in ("en", "de"):
        words = kind_words(kind, locale=locale)
        assert words
        assert "_" not in words
    assert kind_words(kind, locale="de-AT") == kind_words(kind, locale="de") != kind_words(kind)


def test_the_table_has_nothing_else() -> None:
    """A kind that went away takes its words along."""
    table = json.loads((Path(tocsin.alerts.__file__).parent / "words.json").read_text("utf-8"))
    assert set(table) == {kind.value for kind in AlertKind}


def test_what_nobody_has_words_for_is_told_as_it_is() -> None:
    """A language that mails have and this table has not is English; a kind of a later version is its own word."""
    assert kind_words(AlertKind.NEW_CLIENT, locale="fr") == kind_words(AlertKind.NEW_CLIENT, locale="") == "Sign-in from a new client"
    assert kind_words("OF_TOMORROW", locale="de") == "OF_TOMORROW"
