"""What everybody tries first: the passwords of leaks, names, and the commonest words, as zxcvbn keeps them."""

import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import distribution
from runpy import run_path
from typing import Final

_MOST: Final = {"passwords": 30_000, "female_names": 10_000, "male_names": 10_000, "surnames": 10_000}
_MOST_WORDS: Final = 10_000


@cache
def common_passwords() -> frozenset[str]:
    """Tens of thousands of them, casefolded. The lists of words belong to it: zxcvbn keeps a password that is a word in these alone."""
    return frozenset(
        unicodedata.normalize("NFKC", text).casefold() for name, texts in _lists().items() for text in texts[: _MOST.get(name, _MOST_WORDS)]
    )


def _lists() -> Mapping[str, Sequence[str]]:
    """The lists alone, which are forgotten after their use: the whole package would keep 11 MB of them for good."""
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    return run_path(str(path))["FREQUENCY_LISTS"]
