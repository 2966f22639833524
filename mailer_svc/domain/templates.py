"""Templates: versions, what each says in which channel and language, and the variables that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from mailer_svc.domain.locales import locale_fallbacks
from mailer_svc.domain.model import Content, Variables


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredVariable:
    """A variable that the author of a template declared; ``default`` is taken when it is not given, ``example`` in previews."""

    name: str
    description: str = ""
    required: bool = False
    default: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePart:
    """What a version of a template says in one channel and one language.

    Attributes:
        uid: names it for ever: a part never changes.
        channel: by which it is said; empty: by those that have no part of their own.
        locale: a BCP 47 tag; empty: to those whose language has no part of its own.
        content: as it is filled in and sent; the styles of the HTML are inlined.
        html_source: the HTML as its author wrote it.
        declared: the variables of the template; empty: those that the text uses.
    """

    uid: str
    channel: str = ""
    locale: str = ""
    content: Content
    html_source: str = ""
    declared: tuple[DeclaredVariable, ...] = ()

    @property
    def source(self) -> Content:
        """As its author wrote it."""
        return replace(self.content, html=self.html_source)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateDraft:
    """A template as its author hands it in; the first part is the default, and the parts have no uid and no HTML but their source."""

    code: str
    parts: tuple[TemplatePart, ...]
    declared: tuple[DeclaredVariable, ...] = ()
    resend: bool = False


@dataclass(frozen=True, kw_only=True)
class Template:
    """One version of a template. ``uid`` names this version for ever, also after the code was deleted and used again.

    Attributes:
        parts: what it says; the first one is the default, of no channel and no language.
        declared: its variables, if its author declared them.
        promoted: whether messages are made of this version; one of each template is.
        built_in: it ships with Tocsin, and belongs to every tenant that has none of this code.
        warnings: what is doubtful about it, found when it was saved; field and reason.
    """

    tenant: str
    code: str
    version: int
    uid: str
    parts: tuple[TemplatePart, ...]
    variables: Variables
    resend: bool
    created: int
    declared: tuple[DeclaredVariable, ...] = ()
    promoted: bool = True
    built_in: bool = False
    warnings: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @cached_property
    def _by_place(self) -> Mapping[tuple[str, str], TemplatePart]:
        return {(part.channel, part.locale): part for part in self.parts}

    @property
    def weight(self) -> int:
        """About what it takes in memory, in bytes."""
        return 1000 + sum(500 + 4 * _length(part) for part in self.parts)

    def part_for(self, channel: str, locale: str) -> TemplatePart:
        """The part for a message that leaves by ``channel``, to somebody who reads ``locale`` (a normal tag, or empty).

        The channel goes before the language: (push, de-CH), (push, de), (push, any), (any, de-CH), (any, de), and the default at last.
        """
        default, *others = self.parts
        if others:
            places = self._by_place
            for by in (channel, "") if channel else ("",):
                for tag in locale_fallbacks(locale):
                    if (by, tag) in places:
                        return places[by, tag]
        return default


def _length(part: TemplatePart) -> int:
    content = part.content
    buttons = sum(len(action.label) + len(action.url) for action in content.actions)
    return len(content.subject) + len(content.text) + len(content.html) + len(part.html_source) + buttons


def part_uid(version: str, channel: str, locale: str) -> str:
    """The uid of a part of the version that is known by the uid ``version``."""
    return f"{version}/{channel}/{locale}" if channel or locale else version


def missing_variables(declared: Sequence[DeclaredVariable], given: Mapping[str, str]) -> list[str]:
    """The names of those that have to be given and are not."""
    return [variable.name for variable in declared if variable.required and variable.name not in given]
