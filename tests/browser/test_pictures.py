"""docs/console shows every page of the console."""

import pytest

from tests.browser.pictures import APP, FOLDER, LOOKS, names, places


@pytest.mark.browser
def test_every_page_has_its_pictures() -> None:
    """In light, dark and on a phone, and nothing else; `make console-pictures` takes what is missing."""
    source = APP.read_text()
    assert len(places(source)) == source.count('{ path: "/console')
    assert {picture.name for picture in FOLDER.glob("*.png")} == {f"{name}-{look}.png" for name in names(source) for look in LOOKS}
