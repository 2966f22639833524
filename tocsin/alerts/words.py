"""What people call the kinds of alerts: one table, `words.json`, which the console reads as well."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from tocsin.alerts.model import AlertKind

_ENGLISH: Final = "en"


def kind_words(kind: AlertKind | str, *, locale: str = "") -> str:
    """The words for a kind in the language of ``locale`` (BCP 47), or in English; a kind of a later version is its own word."""
    name = kind.value if isinstance(kind, AlertKind) else kind
    words = _table().get(name, {})
    return words.get(locale.partition("-")[0].lower()) or words.get(_ENGLISH, name)


@cache
def _table() -> Mapping[str, Mapping[str, str]]:
    return json.loads(files("tocsin.alerts").joinpath("words.json").read_text("utf-8"))
