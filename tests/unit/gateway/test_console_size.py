"""The build of the console keeps what it weighs."""

from importlib.resources import files

import pytest

ASSETS = files("gateway") / "console" / "assets"
LANGUAGES = ("en", "de")


@pytest.mark.parametrize(("language", "most_kb"), [("en", 92), ("de", 95)])
def test_all_pages_in_one_language_grow_no_more(language: str, most_kb: int) -> None:
    """What every page loads in a language, as gzip. German has longer words and loads the first English ones too; the aim is 80 KB."""
    found = [path for path in ASSETS.iterdir() if path.name.endswith(".js.gz")]
    own = [path for path in found if path.name.partition("-")[0] not in set(LANGUAGES) - {language}]
    assert len(found) > len(own) >= 3
    assert sum(len(path.read_bytes()) for path in own) <= most_kb * 1000
