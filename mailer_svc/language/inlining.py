"""Style sheets of mails: their rules move into the elements, because many readers of mail show no style sheet.

css-inline computes what each element's style is; only that is taken from it, and set into the source as it was written. So what the author
wrote is sent as it is: conditional comments, the template's own tags, the style sheet itself, which holds what elements cannot (``@media``,
``:hover``). An element whose class or id depends on variables is left to the style sheet.
"""

import html
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Final

import css_inline

from mailer_svc.language.errors import TemplateInvalid
from mailer_svc.language.html_checks import check_markup, oversize
from mailer_svc.language.markup import COVER, Markup, StartTag, TemplateTag, read_markup
from mailer_svc.language.parser import MAX_PART_BYTES
from mailer_svc.language.requests import Inlined

_MARK: Final = "data-tocsin-element"
_OPENERS: Final = ("{{", "{%", "{#", COVER)


def inlined(source: str) -> Inlined:
    """The HTML as it is sent, and what is doubtful about it.

    Raises:
        TemplateInvalid: it holds what runs, or is too large with its styles in place.
    """
    markup = read_markup(source)
    warnings = check_markup(markup)
    if any(source[sheet.start : sheet.end].strip() for sheet in markup.sheets):
        source = _with_styles(markup, warnings)
    if len(source.encode("utf-8", "replace")) > MAX_PART_BYTES:
        raise TemplateInvalid.at("html", f"is larger than {MAX_PART_BYTES} bytes with its styles in its elements")
    warnings += oversize(source)
    return Inlined(source, tuple(warnings))


def _with_styles(markup: Markup, warnings: list[str]) -> str:
    warnings += (
        f"line {markup.line(sheet.start)}: a style sheet that depends on variables stays as it is"
        for sheet in markup.sheets
        if markup.holds_spans(sheet.start, sheet.end)
    )
    tags = [tag for tag in markup.tags if isinstance(tag, StartTag)]
    fixed = [tag for tag in tags if _is_fixed(markup, tag)]
    if len(fixed) < len(tags):
        left = next(tag for tag in tags if not _is_fixed(markup, tag))
        warnings.append(
            f"line {markup.line(left.start)}: the class, the id or the attributes of {left.name} depend on variables, so only the style "
            "sheet says how it looks"
        )
    try:
        document = css_inline.CSSInliner(load_remote_stylesheets=False).inline(_marked(markup, fixed))
    except css_inline.InlineError as error:
        warnings.append(f"the style sheet cannot be read, so it stays as it is: {error}")
        return markup.source
    styles = _Styles()
    styles.feed(document)
    styles.close()
    return _edited(markup.source, list(_insertions(fixed, styles.found)))


def _is_fixed(markup: Markup, tag: StartTag) -> bool:
    """Whether what a style sheet says of the element does not depend on variables."""
    if not tag.variable:
        return True
    values = [(each.start, each.end) for each in tag.attributes if each.end > each.start]
    inside = [span for span in markup.spans if tag.start < span.start < tag.end]
    in_values = all(any(start <= span.start and span.end <= end for start, end in values) for span in inside)
    return in_values and not any(COVER in each.value for each in tag.attributes if each.name in ("class", "id"))


def _marked(markup: Markup, fixed: Sequence[StartTag]) -> str:
    """The document for css-inline: each element with its number and without its own style, and nothing of the template in the text."""
    edits: list[tuple[int, int, str]] = []
    for number, tag in enumerate(fixed):
        if tag.name != "link":
            edits.append((tag.behind_name, tag.behind_name, f' {_MARK}="{number}"'))
            edits += ((each.place, _end(each.end, each.quote), "") for each in tag.attributes if each.name == "style")
    edits += ((tag.start, tag.end, "") for tag in markup.tags if isinstance(tag, StartTag) and tag.name == "link")
    edits += ((sheet.start, sheet.end, "") for sheet in markup.sheets if markup.holds_spans(sheet.start, sheet.end))
    taken = sorted([(tag.start, tag.end) for tag in markup.tags if isinstance(tag, StartTag)] + [(s.start, s.end) for s in markup.sheets])
    edits += ((span.start, span.end, "") for span in _outside(markup, taken))
    return _edited(markup.covered, sorted(edits))


def _outside(markup: Markup, taken: Sequence[tuple[int, int]]) -> Iterator[TemplateTag]:
    """The template's own tags that stand in no start tag and no style sheet."""
    number = 0
    for span in markup.spans:
        while number < len(taken) and taken[number][1] <= span.start:
            number += 1
        if number == len(taken) or span.end <= taken[number][0]:
            yield span


def _insertions(fixed: Sequence[StartTag], found: dict[int, str]) -> Iterator[tuple[int, int, str]]:
    """What is set into the source: the computed style before the element's own, which goes before it as it does in a browser."""
    for number, tag in enumerate(fixed):
        style = found.get(number, "").strip().rstrip(";")
        if not style or style.count("'") % 2 or style.count('"') % 2 or any(opener in style for opener in _OPENERS):
            continue
        text = html.escape(style)
        own = tag.attribute("style")
        if own is None:
            yield tag.behind_name, tag.behind_name, f' style="{text}"'
        elif own.end == own.start and not own.quote:
            yield own.place, own.end, f'style="{text}"'
        elif own.quote:
            yield own.start, own.start, f"{text};"
        else:
            yield own.start, own.start, f'"{text};'
            yield own.end, own.end, '"'


def _edited(text: str, edits: Sequence[tuple[int, int, str]]) -> str:
    """The text with each range replaced; they are in order, and one within another is left out."""
    pieces: list[str] = []
    last = 0
    for start, end, new in edits:
        if start >= last:
            pieces += (text[last:start], new)
            last = end
    return "".join([*pieces, text[last:]])


def _end(place: int, quote: str) -> int:
    return place + len(quote)


class _Styles(HTMLParser):
    """The style of each element by its number."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[int, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        number, style = values.get(_MARK), values.get("style")
        if number is not None and number.isdecimal() and style:
            self.found.setdefault(int(number), style)
