"""From what an author hands in to a version of a template: everything is checked, and what is refused is named by its field."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from typing import Final

from mailer_svc.domain import (
    Content,
    DeclaredVariable,
    Template,
    TemplateDraft,
    TemplatePart,
    Variables,
    normal_locale,
    part_uid,
)
from mailer_svc.language.context import from_context
from mailer_svc.ports import Renderer
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

MAX_VARIABLES: Final = 100
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_URL: Final = re.compile(r"https?://|.*(?:\{\{|\{%)", re.IGNORECASE | re.DOTALL)


class TemplateChecks:
    """Makes versions of drafts."""

    def __init__(self, *, renderer: Renderer, clock: Clock, new_uid: Callable[[], str], channels: Collection[str]) -> None:
        """Makes it; ``channels`` are the names that a part may be for."""
        self._renderer = renderer
        self._clock = clock
        self._new_uid = new_uid
        self._channels = channels

    async def checked(self, tenant: str, draft: TemplateDraft) -> Template:
        """The version that the draft describes; its number is 1.

        Raises:
            InvalidInput: something of it is not valid; the field and the line are named.
            Unavailable: not now.
        """
        if not _CODE.fullmatch(draft.code):
            raise InvalidInput.at("template.name", "must be templates/{code}, the code of a-z, 0-9, _ . and -, at most 63 characters")
        if not draft.parts[0].content.subject:
            raise InvalidInput.at("template.subject", "is required")
        _check_declared(draft.declared)
        uid = self._new_uid()
        parts = [self._placed(uid, part, place, draft) for place, part in enumerate(draft.parts)]
        _check_places(parts)
        found = [await self._compiled(tenant, part, _prefix(place)) for place, part in enumerate(parts)]
        warnings: list[tuple[str, str]] = []
        parts = [await self._inlined(tenant, part, _prefix(place), warnings) for place, part in enumerate(parts)]
        variables = _variables(found, draft.declared)
        warnings += _unused(variables, draft.declared)
        return Template(
            tenant=tenant,
            code=draft.code,
            version=1,
            uid=uid,
            parts=tuple(parts),
            variables=variables,
            resend=draft.resend,
            created=self._clock.micros(),
            declared=draft.declared,
            warnings=tuple(warnings),
        )

    async def _inlined(self, tenant: str, part: TemplatePart, prefix: str, warnings: list[tuple[str, str]]) -> TemplatePart:
        """The part with its HTML as it is sent."""
        if not part.content.html:
            return part
        try:
            html, found = await self._renderer.inline(tenant, part.html_source)
        except InvalidInput as error:
            raise _anchored(error, prefix) from None
        warnings += ((f"{prefix}html", words) for words in found)
        if not part.content.text:
            warnings.append((f"{prefix}text", "there is no text for those who read no HTML"))
        return replace(part, content=replace(part.content, html=html))

    def _placed(self, uid: str, part: TemplatePart, place: int, draft: TemplateDraft) -> TemplatePart:
        """The part with its normal locale, its subject and its uid."""
        prefix, content = _prefix(place), part.content
        if part.channel and part.channel not in self._channels:
            raise InvalidInput.at(f"{prefix}channel", f"there is no channel {part.channel!r}; there are {', '.join(self._channels)}")
        if not (content.text or content.html):
            raise InvalidInput.at(f"{prefix}text", "at least one of text and html is required")
        for name, value in _texts(content):
            _check_storable(prefix + name, value)
        for number, action in enumerate(content.actions):
            if not _URL.match(action.url):
                raise InvalidInput.at(f"{prefix}actions[{number}].url", "must begin with https:// or http://, or be made by a variable")
        locale = normal_locale(part.locale, field=f"{prefix}locale")
        subject = content.subject or draft.parts[0].content.subject
        return replace(
            part,
            uid=part_uid(uid, part.channel, locale),
            locale=locale,
            content=replace(content, subject=subject),
            declared=draft.declared,
        )

    async def _compiled(self, tenant: str, part: TemplatePart, prefix: str) -> Variables:
        try:
            variables = await self._renderer.compile(tenant, part.content)
        except InvalidInput as error:
            raise _anchored(error, prefix) from None
        declared = {variable.name for variable in part.declared}
        strange = [name for name in variables.used if name not in declared and not from_context(name)]
        if declared and strange:
            raise InvalidInput.at(_whole(prefix), f"uses {', '.join(strange)}, which declared_variables does not have")
        return variables


def _prefix(place: int) -> str:
    return f"template.parts[{place - 1}]." if place else "template."


def _whole(prefix: str) -> str:
    return prefix.removesuffix(".")


def _texts(content: Content) -> Iterator[tuple[str, str]]:
    yield from (("subject", content.subject), ("text", content.text), ("html", content.html))
    for number, action in enumerate(content.actions):
        yield from ((f"actions[{number}].label", action.label), (f"actions[{number}].url", action.url))


def _check_storable(field: str, value: str) -> None:
    if "\0" in value:
        raise InvalidInput.at(field, "holds U+0000")


def _check_declared(declared: Collection[DeclaredVariable]) -> None:
    seen: set[str] = set()
    for place, variable in enumerate(declared):
        field = f"template.declared_variables[{place}]"
        if variable.name in seen:
            raise InvalidInput.at(f"{field}.name", f"{variable.name} is declared twice")
        if variable.required and variable.default:
            raise InvalidInput.at(f"{field}.default", "a variable that is required has no default")
        for name in ("description", "default", "example"):
            _check_storable(f"{field}.{name}", getattr(variable, name))
        seen.add(variable.name)


def _check_places(parts: Collection[TemplatePart]) -> None:
    seen: set[tuple[str, str]] = set()
    for place, part in enumerate(parts):
        where = (part.channel, part.locale)
        if where in seen:
            words = (
                f"there are two parts for channel {part.channel!r} and locale {part.locale!r}"
                if any(where)
                else "needs a channel or a locale"
            )
            raise InvalidInput.at(_whole(_prefix(place)), words)
        seen.add(where)


def _unused(variables: Variables, declared: Collection[DeclaredVariable]) -> Iterator[tuple[str, str]]:
    for place, variable in enumerate(declared):
        if variable.name not in variables.used:
            yield f"template.declared_variables[{place}]", f"no part of the template uses {variable.name}"


def _anchored(error: InvalidInput, prefix: str) -> InvalidInput:
    """The error of a part as the error of its template."""
    for violation in error.violations:
        field = _whole(prefix) if violation.field == "template" else prefix + violation.field
        return type(error).at(field, violation.description)
    return error


def _variables(found: Collection[Variables], declared: Collection[DeclaredVariable]) -> Variables:
    """Those of all parts."""
    used = {name: None for variables in found for name in variables.used}
    required = {name: None for variables in found for name in variables.required or ()}
    if len(used) > MAX_VARIABLES:
        raise InvalidInput.at("template", f"uses {len(used)} variables of at most {MAX_VARIABLES}")
    if declared:
        required = {variable.name: None for variable in declared if variable.required}
    return Variables(tuple(used), tuple(required))
