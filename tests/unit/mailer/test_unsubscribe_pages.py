"""The pages behind the links of mails: readable by people and machines, and nothing that is put in becomes HTML."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer_svc.handlers.unsubscribe_pages import UnsubscribeView, unsubscribe_page
from tocsin.html_page import preferred_language


class PageReader(HTMLParser):
    """The tags of a page, with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Notes text."""
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each tag of that name."""
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("view", list(UnsubscribeView))
def test_a_page_is_whole(view: UnsubscribeView, language: str) -> None:
    """A language, a title, one heading, no script; a form where there is something to press, which says what RFC 8058 asks for."""
    page = PageReader(unsubscribe_page(view, language=language, category="News", address="ann@example.com"))
    assert page.named("html") == [{"lang": language}]
    assert len(page.named("title")) == len(page.named("h1")) == len(page.named("main")) == 1
    assert not page.named("script") + page.named("link") + page.named("img")
    asks = view in (UnsubscribeView.ASK, UnsubscribeView.NO_FORM)
    assert page.named("form") == [{"method": "post"}] * asks
    assert page.named("input") == [{"type": "hidden", "name": "List-Unsubscribe", "value": "One-Click"}] * asks
    assert ("ann@example.com" in page.text) is (view in (UnsubscribeView.ASK, UnsubscribeView.DONE))
    assert "{" not in unsubscribe_page(view, language=language).partition("</style>")[2]


@given(st.text(), st.text())
def test_what_is_put_in_is_text(category: str, address: str) -> None:
    """Whatever it holds, the tags are the page's own."""
    plain = PageReader(unsubscribe_page(UnsubscribeView.ASK, language="en", category="c", address="a"))
    odd = PageReader(unsubscribe_page(UnsubscribeView.ASK, language="en", category=category, address=address))
    assert odd.tags == plain.tags


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,de;q=0.9", "en"),
        ("fr,de;q=0.2,en;q=0.1", "de"),
        ("DE ; Q=0.5, en;q=0.4", "de"),
        ("de;q=0", "en"),
        ("de;q=nan", "en"),
        ("de;q=2", "en"),
        ("*", "en"),
        (",;=,q=,\xff", "en"),
        ("x," * 5000 + "de", "en"),
    ],
)
def test_the_reader_chooses_the_language(accept: str, language: str) -> None:
    """RFC 9110, 12.5.4; English for what makes no sense."""
    assert preferred_language(accept) == language
