"""The build of the console keeps what it weighs."""

from importlib.resources import files

import pytest

ASSETS = files("gateway") / "console" / "assets"
LANGUAGES = ("en", "de")


@pytest.mark.parametrize(("language", "most_kb_daily", "most_kb_all"), [("en", 79, 96), ("de", 82, 99)], ids=LANGUAGES)
def test_pages_in_one_language_grow_no_more(language: str, most_kb_daily: int, most_kb_all: int) -> None:
    """What the pages of each day load, and what every page does, as gzip; the aim is 80 KB.

    German has longer words, and loads the first English ones too.
    """
    found = [path for path in ASSETS.iterdir() if path.name.endswith(".js.gz")]
    own = [path for path in found if path.name.partition("-")[0] not in set(LANGUAGES) - {language}]
    daily = [path for path in own if not path.name.startswith("run-")]
    assert len(found) > len(own) > len(daily) >= 3
    assert sum(len(path.read_bytes()) for path in daily) <= most_kb_daily * 1000
    assert sum(len(path.read_bytes()) for path in own) <= most_kb_all * 1000
