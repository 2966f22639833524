"""What readers of mail make of HTML: what would run is refused, what they remove, block or show otherwise is told."""

import re
from collections.abc import Iterator
from typing import Final, cast

from mailer_svc.language.errors import TemplateInvalid
from mailer_svc.language.markup import Markup, StartTag, TemplateTag

CLIPPED_BYTES: Final = 102 * 1024
"""Beyond this Gmail shows the beginning of a message and a link to the rest."""

_MOST_WARNINGS: Final = 20
_RUNS: Final = frozenset(("script", "iframe", "object", "embed", "applet", "frame", "frameset", "base"))
_LINKS: Final = frozenset(("href", "src", "action", "formaction", "background", "poster", "xlink:href"))
_SCHEMES: Final = ("javascript:", "vbscript:", "data:text/html")
_NO_SCHEME: Final = re.compile(r"[\x00-\x20]+")
_FORMS: Final = frozenset(("form", "input", "button", "select", "textarea"))
_VOID: Final = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"])
_MAY_STAY_OPEN: Final = frozenset(
    [
        "body",
        "caption",
        "colgroup",
        "dd",
        "dt",
        "head",
        "html",
        "li",
        "optgroup",
        "option",
        "p",
        "rp",
        "rt",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
    ]
)  # HTML, 13.1.2.4


def check_markup(markup: Markup) -> list[str]:
    """What is doubtful; at most 20 warnings, each with its line.

    Raises:
        TemplateInvalid: something of it runs.
    """
    for tag in markup.tags:
        if isinstance(tag, StartTag):
            _refuse_what_runs(markup, tag)
    found = [f"line {markup.line(place)}: {words}" for place, words in sorted({*_doubts(markup), *_unbalanced(markup)})]
    more = len(found) - _MOST_WARNINGS
    return found if more <= 0 else [*found[:_MOST_WARNINGS], f"and {more} more"]


def oversize(html: str) -> list[str]:
    """The warning of a message that is too long to be shown whole."""
    size = len(html.encode("utf-8", "replace"))
    return [f"has {size // 1024} KiB; Gmail clips messages of more than 102 KiB"] if size > CLIPPED_BYTES else []


def _refuse_what_runs(markup: Markup, tag: StartTag) -> None:
    if tag.name in _RUNS:
        raise _refused(markup, tag, f"{tag.name} elements are not allowed in mails")
    for each in tag.attributes:
        if each.name.startswith("on"):
            raise _refused(markup, tag, f"the attribute {each.name} is not allowed: mails run no scripts")
        if each.name in _LINKS and _NO_SCHEME.sub("", each.value).lower().startswith(_SCHEMES):
            raise _refused(markup, tag, f"{each.name} opens no page, but runs something")
        if each.name == "http-equiv" and each.value.strip().lower() == "refresh":
            raise _refused(markup, tag, "a mail does not go to another page by itself")


def _refused(markup: Markup, tag: StartTag, reason: str) -> TemplateInvalid:
    return cast("TemplateInvalid", TemplateInvalid.at("html", f"line {markup.line(tag.start)}: {reason}"))


def _doubts(markup: Markup) -> Iterator[tuple[int, str]]:
    for tag in markup.tags:
        if not isinstance(tag, StartTag):
            continue
        if tag.name in _FORMS:
            yield tag.start, f"most readers of mail remove {tag.name} elements, or do not let them work"
        if tag.name == "img" and tag.attribute("alt") is None:
            yield tag.start, "img has no alt text; many readers of mail show no images at first"
        if tag.name == "link" and "stylesheet" in (rel.value.lower() if (rel := tag.attribute("rel")) else ""):
            yield tag.start, "a style sheet elsewhere is not loaded; put its rules into a style element"
        for each in tag.attributes:
            if each.name in ("href", "src") and each.value.strip().lower().startswith("http:"):
                yield tag.start, f"{each.name} begins with http:, which anybody on the way can read and change; use https:"


def _unbalanced(markup: Markup) -> Iterator[tuple[int, str]]:
    """Tags that miss the other one, in the first branch of each condition."""
    open_tags: list[StartTag] = []
    others: list[bool] = []
    for item in sorted((*markup.tags, *markup.spans), key=lambda item: item.start):
        if isinstance(item, TemplateTag):
            _follow(item.word, others)
        elif any(others) or item.name in _VOID or item.name in _MAY_STAY_OPEN:
            continue
        elif isinstance(item, StartTag):
            if not markup.covered.endswith("/>", item.start, item.end):
                open_tags.append(item)
        elif any(tag.name == item.name for tag in open_tags):
            while (tag := open_tags.pop()).name != item.name:
                yield tag.start, f"{tag.name} is not closed before the end of {item.name}"
        else:
            yield item.start, f"</{item.name}> closes nothing"
    for tag in open_tags:
        yield tag.start, f"{tag.name} is not closed"


def _follow(word: str, others: list[bool]) -> None:
    """Keeps track of which blocks are in a branch that is not the first."""
    if word in ("if", "for"):
        others.append(False)
    elif word in ("else", "elif") and others:
        others[-1] = True
    elif word in ("endif", "endfor") and others:
        others.pop()
