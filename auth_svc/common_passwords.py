"""What everybody tries first: the passwords of leaks, names, and the commonest words, as zxcvbn keeps them."""

import unicodedata
from functools import cache
from typing import Final

_MOST: Final = {"passwords": 30_000, "female_names": 10_000, "male_names": 10_000, "surnames": 10_000}
_MOST_WORDS: Final = 10_000


@cache
def common_passwords() -> frozenset[str]:
    """Tens of thousands of them, casefolded. The lists of words belong to it: zxcvbn keeps a password that is a word in these alone."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # it takes 30 ms to import, which nobody but this service pays

    return frozenset(
        unicodedata.normalize("NFKC", text).casefold()
        for name, texts in FREQUENCY_LISTS.items()
        for text in texts[: _MOST.get(name, _MOST_WORDS)]
    )
