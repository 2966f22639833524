"""Which passwords may be chosen (pure): OWASP ASVS 5, 6.2, and NIST SP 800-63B-4, 3.1.1.2. Length and a blocklist, no composition."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tocsin.errors import InvalidInput

LONGEST: Final = 128
"""Characters; more are refused, never cut off."""

LEAST: Final = 8
"""Characters that any password must have, however the rest is set; and what must be left without the account's own words."""

PRODUCT: Final = "tocsin"

_TRIMMED: Final = 8
"""Characters at both ends, other than letters, that make no common word another one: "Password2026!"."""

_SHORTEST_WORD: Final = 3
_SHORTEST_UNIT: Final = 4
_BREAKS: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRule:
    """What a new password must be.

    Attributes:
        shortest: characters that it needs.
        common: passwords, words and names that everybody tries first, casefolded.
    """

    shortest: int
    common: frozenset[str] = field(repr=False)

    def checked(self, text: str, *, own: Iterable[str] = (), field: str = "password") -> str:
        """The password as it is hashed: the same for every way to type it (NFKC). Its characters are counted after that.

        Args:
            text: as it was given.
            own: what is known of the account: names and addresses.
            field: named in the error.

        Raises:
            InvalidInput: too short, too long, no text, or one that is guessed first.
        """
        typed = typed_password(text, field=field)
        if len(typed) < self.shortest:
            raise InvalidInput.at(field, f"must have at least {self.shortest} characters; this has {len(typed)}")
        if len(typed) > LONGEST:
            raise InvalidInput.at(field, f"must have at most {LONGEST} characters; this has {len(typed)}")
        self._check_guessable(typed.casefold(), own, field)
        return typed

    def _check_guessable(self, folded: str, own: Iterable[str], field: str) -> None:
        unit = _unit(folded)
        if len(unit) < _SHORTEST_UNIT:
            raise InvalidInput.at(field, "must not be a few characters again and again")
        if self._is_common(folded):
            raise InvalidInput.at(field, "is one of the commonest passwords, words or names, perhaps with a few digits at its ends")
        rest = _without(folded, own)
        if rest is not None and (len(rest) < LEAST or len(_unit(rest)) < _SHORTEST_UNIT or self._is_common(rest)):
            raise InvalidInput.at(field, f"must not be made of the account's own names, its address, or {PRODUCT}")

    def _is_common(self, folded: str) -> bool:
        core = _core(folded)
        return any(text in self.common or _unit(text) in self.common for text in (folded, core) if text)


def typed_password(text: str, *, field: str = "password") -> str:
    """A password as it is compared: the same for every way to type it (NFKC).

    Raises:
        InvalidInput: it has halves of characters (lone surrogates), which no keyboard makes.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput.at(field, "has something that is no character") from None
    return unicodedata.normalize("NFKC", text)


def _core(folded: str) -> str:
    """The text without what is no letter at its ends; the text itself if that would be most of it."""
    first = next((index for index, character in enumerate(folded) if character.isalpha()), len(folded))
    last = next((index for index in range(len(folded), 0, -1) if folded[index - 1].isalpha()), 0)
    core = folded[first:last]
    return core if len(folded) - len(core) <= _TRIMMED else folded


def _unit(text: str) -> str:
    """What ``text`` repeats, the last time perhaps not to its end; the text itself if it repeats nothing (Knuth, Morris and Pratt)."""
    borders = [0] * len(text)
    for index in range(1, len(text)):
        length = borders[index - 1]
        while length and text[index] != text[length]:
            length = borders[length - 1]
        borders[index] = length + (text[index] == text[length])
    period = len(text) - borders[-1] if text else 0
    return text[:period] if 2 * period <= len(text) or period < _SHORTEST_UNIT or text[:period].isdigit() else text


def _without(folded: str, own: Iterable[str]) -> str | None:
    """What is left without the account's own words, letters and digits alone; None if it has none of them."""
    words = {PRODUCT}
    for text in own:
        whole = unicodedata.normalize("NFKC", text).casefold()
        words.update(word for word in (whole, *_BREAKS.split(whole)) if len(word) >= _SHORTEST_WORD)
    rest = folded
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, " ")
    return None if rest == folded else _BREAKS.sub("", rest)
