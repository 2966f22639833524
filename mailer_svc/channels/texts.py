"""What a message says where it has to be short and plain (pure)."""

import re
from collections.abc import Callable
from html import unescape
from typing import Final

from mailer_svc.domain import Content

ELLIPSIS: Final = "…"
_BLANK_LINES: Final = re.compile(r"\n{3,}")
_BLANKS: Final = re.compile(r"\s+")
_TAG: Final = re.compile(r"<(?:!--|!|\?|(/?)([A-Za-z][A-Za-z0-9]*))")
_BLOCKS: Final = frozenset(
    {"br", "p", "div", "tr", "li", "table", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "blockquote", "pre", "hr"}
)
_UNSEEN: Final = frozenset({"head", "script", "style", "title", "template"})


def octets(text: str) -> int:
    """Its length in UTF-8."""
    return len(text.encode("utf-8", "replace"))


def utf16(text: str) -> int:
    """Its length in units of UTF-16, as Telegram, Discord and Slack count."""
    return len(text) + sum(character > "\uffff" for character in text)


def cut(text: str, most: int, size: Callable[[str], int] = len) -> str:
    """``text`` in at most ``most`` of what ``size`` counts; what is longer ends with an ellipsis, behind a whole character."""
    if len(text) <= most and size(text) <= most:
        return text
    text = text[: most + 1]  # no character counts less than one
    low, high, room = 0, min(len(text), most), most - size(ELLIPSIS)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + ELLIPSIS if room >= 0 else ""


def plain_body(content: Content) -> str:
    """Its text; without one, what its HTML shows."""
    return content.text.strip() or shown(content.html)


def whole(content: Content) -> str:
    """Subject and body as one text; the subject once, also where the body begins with it."""
    body = plain_body(content)
    if not body or body.startswith(content.subject):
        return body or content.subject
    return f"{content.subject}\n\n{body}"


def shown(html: str) -> str:
    """What a reader of ``html`` sees, without its looks; in linear time, as `html.parser` does not promise."""
    pieces: list[str] = []
    at = 0
    while (start := html.find("<", at)) >= 0:
        pieces.append(_text(html[at:start]))
        tag = _TAG.match(html, start)
        if tag is None:
            pieces.append("<")
            at = start + 1
            continue
        end = html.find("-->" if tag[0] == "<!--" else ">", tag.end())
        if end < 0:
            return _tidy(pieces)
        name = (tag[2] or "").lower()
        if name in _BLOCKS:
            pieces.append("\n")
        at = end + (3 if tag[0] == "<!--" else 1)
        if name in _UNSEEN and not tag[1]:
            closing = re.compile(f"</{name}", re.IGNORECASE).search(html, at)
            if closing is None:
                return _tidy(pieces)
            at = closing.start()
    return _tidy([*pieces, _text(html[at:])])


def _text(text: str) -> str:
    return _BLANKS.sub(" ", unescape(text))


def _tidy(pieces: list[str]) -> str:
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
