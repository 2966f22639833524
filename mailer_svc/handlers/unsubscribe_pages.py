"""The pages behind the links of mails: plain HTML that needs no script, in the reader's language."""

from collections.abc import Mapping
from enum import Enum
from html import escape
from typing import Final, NamedTuple

from tocsin.html_page import html_page


class UnsubscribeView(Enum):
    """What a page says."""

    ASK = "ask"
    DONE = "done"
    NO_FORM = "no form"
    NO_LINK = "no link"

    @property
    def status(self) -> int:
        """Of the answer over HTTP."""
        return {UnsubscribeView.NO_FORM: 400, UnsubscribeView.NO_LINK: 404}.get(self, 200)


class _Words(NamedTuple):
    title: str
    text: str
    button: str = ""


_WORDS: Final[Mapping[str, Mapping[UnsubscribeView, _Words]]] = {
    "en": {
        UnsubscribeView.ASK: _Words("Unsubscribe?", "{address} will get no more messages of the category {category}.", "Unsubscribe"),
        UnsubscribeView.DONE: _Words("You are unsubscribed", "{address} gets no more messages of the category {category}."),
        UnsubscribeView.NO_FORM: _Words(
            "Nothing has changed", "The request did not say that it unsubscribes. The button does.", "Unsubscribe"
        ),
        UnsubscribeView.NO_LINK: _Words("This link does not work", "It may be incomplete. Please use the link in the message as it is."),
    },
    "de": {
        UnsubscribeView.ASK: _Words("Abmelden?", "{address} bekommt dann keine Nachrichten der Kategorie {category} mehr.", "Abmelden"),
        UnsubscribeView.DONE: _Words("Sie sind abgemeldet", "{address} bekommt keine Nachrichten der Kategorie {category} mehr."),
        UnsubscribeView.NO_FORM: _Words(
            "Es hat sich nichts geändert", "Die Anfrage sagte nicht, dass sie abmeldet. Die Schaltfläche tut es.", "Abmelden"
        ),
        UnsubscribeView.NO_LINK: _Words(
            "Dieser Link funktioniert nicht",
            "Vielleicht ist er unvollständig. Bitte benutzen Sie den Link der Nachricht, wie er dort steht.",
        ),
    },
}
# Without an action it goes to the page's own address (HTML, 4.10.21.3).
_FORM: Final = """
<form method="post">
<input type="hidden" name="List-Unsubscribe" value="One-Click">
<button type="submit">{button}</button>
</form>"""


def unsubscribe_page(view: UnsubscribeView, *, language: str, category: str = "", address: str = "") -> str:
    """The page as HTML.

    Args:
        view: what it says.
        language: "en" or "de", see `tocsin.html_page.preferred_language`.
        category: what is left.
        address: who leaves it.
    """
    words = _WORDS[language][view]
    marked = {name: f"<b>{escape(value)}</b>" for name, value in (("category", category), ("address", address))}
    form = _FORM.format(button=words.button) if words.button else ""
    return html_page(language=language, title=words.title, content=f"<p>{words.text.format_map(marked)}</p>{form}")
