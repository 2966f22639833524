"""The language of the pages for people who follow a link of a message."""

from typing import Final

LANGUAGES: Final = ("en", "de")


def preferred_language(accept: str) -> str:
    """The language of those we have that an Accept-Language (RFC 9110, 12.5.4) likes best; English if none."""
    best, quality = "en", 0.0
    for item in accept[:1000].split(","):
        tag, _, parameter = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameter)
        if language in LANGUAGES and weight > quality:
            best, quality = language, weight
    return best


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.lower() != "q":
        return 1.0
    try:
        found = float(value)
    except ValueError:
        return 0.0
    return found if 0.0 <= found <= 1.0 else 0.0
