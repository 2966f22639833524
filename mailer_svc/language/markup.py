"""The HTML of a template, seen as HTML: its tags with their places, and those of the template's own tags.

Nothing is changed or put in order: whatever is found has an offset into the source, so that an edit touches what it means to and no more.
The template's own tags are covered by characters that mean nothing in HTML while the source is read.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import accumulate
from typing import Final

from mailer_svc.language.errors import TemplateInvalid

COVER: Final = "\ue000"
"""Stands for each character of a template's own tag; of private use, so that no name and no rule of a style sheet has it."""

_OPEN: Final = re.compile(r"\{[{%#]")
_INSIDE: Final = {
    "{{": re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\}\}", re.DOTALL),
    "{%": re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|%\}", re.DOTALL),
    "{#": re.compile(r"#\}"),
}
_WORD: Final = re.compile(r"\{%[-+]?\s*([a-z]+)")
_END_RAW: Final = re.compile(r"\{%[-+]?\s*endraw")
_NAME: Final = re.compile(r"<[a-zA-Z][^\s/>]*")
_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>=`]+)))?""")


@dataclass(frozen=True, slots=True)
class TemplateTag:
    """A tag of the template in its source; ``word`` is that of a statement, such as if or endif."""

    start: int
    end: int
    word: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a start tag. ``start`` and ``end`` are where its value stands, without quotes; ``quote`` is empty if it has none."""

    name: str
    value: str
    place: int
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class StartTag:
    """A start tag; ``behind_name`` is where its attributes begin. ``variable`` says that tags of the template stand in it."""

    name: str
    start: int
    end: int
    behind_name: int
    attributes: tuple[Attribute, ...]
    variable: bool

    def attribute(self, name: str) -> Attribute | None:
        """The first attribute of that name, which is the one that counts."""
        return next((each for each in self.attributes if each.name == name), None)


@dataclass(frozen=True, slots=True)
class EndTag:
    """An end tag."""

    name: str
    start: int


@dataclass(frozen=True, slots=True)
class StyleSheet:
    """What stands in a style element."""

    start: int
    end: int


@dataclass(slots=True)
class Markup:
    """A source with everything in it that matters, each in the order of its place."""

    source: str
    covered: str
    spans: list[TemplateTag]
    tags: list[StartTag | EndTag] = field(default_factory=list["StartTag | EndTag"])
    sheets: list[StyleSheet] = field(default_factory=list[StyleSheet])

    def line(self, place: int) -> int:
        """The number of a place's line, from 1."""
        return self.source.count("\n", 0, place) + 1

    def holds_spans(self, start: int, end: int) -> bool:
        """Whether tags of the template stand there."""
        number = bisect_left(self.spans, start, key=lambda span: span.end)
        return number < len(self.spans) and self.spans[number].start < end


def read_markup(source: str) -> Markup:
    """Reads the HTML of a template that the parser of the language has taken.

    Raises:
        TemplateInvalid: it holds a declaration that cannot be read, such as ``<![<``.
    """
    spans = list(_spans(source))
    pieces: list[str] = []
    last = 0
    for span in spans:
        pieces += (source[last : span.start], COVER * (span.end - span.start))
        last = span.end
    markup = Markup(source, "".join([*pieces, source[last:]]), spans)
    reader = _MarkupReader(markup)
    try:
        reader.feed(markup.covered)
        reader.close()
    except AssertionError as error:  # html.parser's word for a marked section that is none
        raise TemplateInvalid.at("html", f"line {reader.getpos()[0]}: cannot be read as HTML: {error}") from None
    return markup


def _spans(source: str) -> Iterator[TemplateTag]:
    place = 0
    while (found := _OPEN.search(source, place)) is not None:
        end = _end_of(source, found.start())
        if end is None:
            return
        word = _WORD.match(source, found.start())
        yield TemplateTag(found.start(), end, word[1] if word else "")
        place = end
        if word and word[1] == "raw":
            after = _END_RAW.search(source, end)
            place = after.start() if after else len(source)


def _end_of(source: str, start: int) -> int | None:
    closing = {"{{": "}}", "{%": "%}", "{#": "#}"}[source[start : start + 2]]
    for found in _INSIDE[source[start : start + 2]].finditer(source, start + 2):
        if found[0] == closing:
            return found.end()
    return None


class _MarkupReader(HTMLParser):
    """Notes what it comes across."""

    def __init__(self, markup: Markup) -> None:
        super().__init__(convert_charrefs=False)
        self._markup = markup
        self._lines = [0, *accumulate(len(line) + 1 for line in markup.covered.split("\n"))]
        self._in_style = False

    def _place(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        text = self.get_starttag_text() or ""
        start = self._place()
        name = _NAME.match(text)
        behind = start + (name.end() if name else 0)
        found = tuple(self._attributes(text, start, behind))
        variable = self._markup.holds_spans(start, start + len(text))
        self._markup.tags.append(StartTag(tag, start, start + len(text), behind, found, variable))
        self._in_style = tag == "style"

    def _attributes(self, text: str, start: int, behind: int) -> Iterator[Attribute]:
        for match in _ATTRIBUTE.finditer(text, behind - start):
            group = next((number for number in (2, 3, 4) if match[number] is not None), 0)
            quote = {2: '"', 3: "'"}.get(group, "")
            first, last = (match.start(group), match.end(group)) if group else (match.end(), match.end())
            yield Attribute(match[1].lower(), match[group] if group else "", start + match.start(), start + first, start + last, quote)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._markup.tags.append(EndTag(tag, self._place()))
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            start = self._place()
            self._markup.sheets.append(StyleSheet(start, start + len(data)))
