"""The colours of the mails that ship with Tocsin: every text can be read, on a light screen and on a dark one (WCAG 2.2, 1.4.3)."""

import re
from html.parser import HTMLParser
from typing import Final

import css_inline
import pytest

from mailer_svc.templates_builtin import built_in_templates

LEAST: Final = 4.5
_DARK: Final = re.compile(r"@media \(prefers-color-scheme: dark\) \{(.*?)\n\}", re.DOTALL)
_RULE: Final = re.compile(r"([a-z-]+)\s*:\s*([^;]+)")
_EMPTY: Final = frozenset({"meta", "br", "img"})
_ALL: Final = {code: [part.html_source for part in draft.parts if part.html_source] for code, draft in built_in_templates().items()}


class Seen(HTMLParser):
    """Each text with its colour and that of the ground behind it, by the styles of the elements around it."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: dict[tuple[str, str], str] = {}
        self._around: list[tuple[str, str]] = [("#000000", "#ffffff")]
        self._is_body = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Goes into an element."""
        self._is_body = self._is_body or tag == "body"
        style: dict[str, str] = dict(_RULE.findall(dict(attrs).get("style") or ""))
        color, ground = self._around[-1]
        link = "#0000ee" if tag == "a" else color  # what a browser gives a link without a colour of its own
        if tag not in _EMPTY:
            self._around.append((style.get("color", link), style.get("background-color", ground)))

    def handle_endtag(self, tag: str) -> None:
        """Leaves one."""
        if tag not in _EMPTY:
            self._around.pop()

    def handle_data(self, data: str) -> None:
        """A text."""
        if data.strip() and self._is_body:
            self.pairs.setdefault(self._around[-1], data.strip())


def pairs(page: str, *, dark: bool) -> dict[tuple[str, str], str]:
    """The colours that meet in a page, each pair with a text."""
    sheet = _DARK.search(page)
    assert sheet is not None
    page = page.replace(sheet[0], sheet[1] if dark else "")
    styled = css_inline.CSSInliner(keep_style_tags=False, load_remote_stylesheets=False).inline(page)
    seen = Seen()
    seen.feed(styled.replace(" !important", ""))
    return seen.pairs


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours such as "#15803d" (WCAG 2.2, "contrast ratio")."""
    high, low = sorted((_luminance(one.strip()), _luminance(other.strip())), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast_is_that_of_the_standard() -> None:
    """Two values that are known."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("code", _ALL)
def test_every_text_can_be_read(code: str, dark: bool) -> None:
    """The word above the heading, which says what has happened, as well as what is small."""
    for page in _ALL[code]:
        found = pairs(page, dark=dark)
        assert len(found) >= 3, found
        assert {pair: text for pair, text in found.items() if contrast(*pair) < LEAST} == {}


def test_a_state_has_a_color_of_its_own() -> None:
    """On both grounds: an alarm, what wants care, what is well again, and everything else."""
    for dark in (False, True):
        words = [
            next(iter(pairs(_ALL[code][0], dark=dark)))[0]
            for code in ("tocsin.alarm", "tocsin.incident", "tocsin.resolved", "tocsin.digest")
        ]
        assert len(set(words)) == 4
