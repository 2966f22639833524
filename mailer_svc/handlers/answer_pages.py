"""The pages behind the links of messages about incidents."""

from collections.abc import Mapping
from enum import Enum
from html import escape
from typing import Final, NamedTuple

from tocsin.html_page import html_page


class AnswerView(Enum):
    """What a page says."""

    ASK = "ask"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    NO_FORM = "no form"
    NO_LINK = "no link"
    EXPIRED = "expired"

    @property
    def status(self) -> int:
        """Of the answer over HTTP."""
        return {AnswerView.NO_FORM: 400, AnswerView.NO_LINK: 404, AnswerView.EXPIRED: 410}.get(self, 200)


class _AnswerWords(NamedTuple):
    title: str
    text: str
    acknowledge: str = ""
    resolve: str = ""


_WORDS: Final[Mapping[str, Mapping[AnswerView, _AnswerWords]]] = {
    "en": {
        AnswerView.ASK: _AnswerWords("{title}", "Nobody has it yet. {who}, do you?", "I have it"),
        AnswerView.ACKNOWLEDGED: _AnswerWords("{title}", "{whose} has it.", "", "It is over"),
        AnswerView.RESOLVED: _AnswerWords("{title}", "It is over: {whose}."),
        AnswerView.NO_FORM: _AnswerWords("Nothing has changed", "The request said neither that you have it nor that it is over."),
        AnswerView.NO_LINK: _AnswerWords("This link does not work", "It may be incomplete. Please use the link in the message as it is."),
        AnswerView.EXPIRED: _AnswerWords("This link has expired", "The message is too old to be answered by its link."),
    },
    "de": {
        AnswerView.ASK: _AnswerWords("{title}", "Noch kümmert sich niemand darum. {who}, übernehmen Sie?", "Ich übernehme"),
        AnswerView.ACKNOWLEDGED: _AnswerWords("{title}", "{whose} kümmert sich darum.", "", "Es ist vorbei"),
        AnswerView.RESOLVED: _AnswerWords("{title}", "Es ist vorbei: {whose}."),
        AnswerView.NO_FORM: _AnswerWords("Es hat sich nichts geändert", "Die Anfrage sagte nicht, was Sie antworten."),
        AnswerView.NO_LINK: _AnswerWords(
            "Dieser Link funktioniert nicht",
            "Vielleicht ist er unvollständig. Bitte benutzen Sie ihn so, wie er in der Nachricht steht.",
        ),
        AnswerView.EXPIRED: _AnswerWords("Dieser Link ist abgelaufen", "Die Nachricht ist zu alt für eine Antwort über ihren Link."),
    },
}
# Without an action it goes to the page's own address (HTML, 4.10.21.3).
_BUTTON: Final = """
<form method="post">
<button type="submit" name="answer" value="{value}">{label}</button>
</form>"""


def answer_page(view: AnswerView, *, language: str, title: str = "", who: str = "", whose: str = "") -> str:
    """The page as HTML.

    Args:
        view: what it says.
        language: one of `tocsin.html_page.LANGUAGES`.
        title: of the incident.
        who: was asked.
        whose: the incident is, or who resolved it.
    """
    words = _WORDS[language][view]
    marked = {"who": f"<b>{escape(who)}</b>", "whose": f"<b>{escape(whose)}</b>", "title": escape(title)}
    buttons = [("acknowledge", words.acknowledge), ("resolve", words.resolve)]
    form = "".join(_BUTTON.format(value=value, label=label) for value, label in buttons if label)
    content = f"<p>{words.text.format_map(marked)}</p>{form}"
    return html_page(language=language, title=words.title.format_map(marked), content=content)
