"""What templates need: where they are kept, who uses them, and who fills them in."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from mailer_svc.domain import Content, Template, TemplatePart, TemplateUse, Variables


class TemplateStore(Protocol):
    """Keeps templates; versions never change."""

    async def create(self, template: Template) -> None:
        """Stores version 1, promoted.

        Raises:
            AlreadyExists: the code is in use.
        """
        ...

    async def add_version(self, template: Template) -> Template:
        """Stores ``template`` as the next version, which is the promoted one from now on if it says so; returns it with its number.

        Raises:
            TemplateNotFound: there is no template of this code.
        """
        ...

    async def promote(self, template: Template) -> None:
        """Makes a version that is stored the promoted one.

        Raises:
            TemplateNotFound: there is no template of this code any more.
        """
        ...

    async def get(self, *, tenant: str, code: str, version: int) -> Template | None:
        """One version; 0: the promoted one."""
        ...

    async def current(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The uid of the promoted version of each (tenant, code) that exists."""
        ...

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Template]:
        """Promoted versions, by code; those after the code ``after``."""
        ...

    async def versions(self, *, tenant: str, code: str, before: int | None, limit: int) -> list[Template]:
        """The versions of one template, the newest first; those before the version ``before``."""
        ...

    async def delete(self, *, tenant: str, code: str) -> bool:
        """Removes all versions. False: there was none."""
        ...


class Uses(NamedTuple):
    """Alarms by their resource names, not all of them if there are ``more``."""

    alarms: Sequence[str]
    more: bool


class AlarmUses(Protocol):
    """Knows which alarms use a template."""

    async def breaking(self, *, tenant: str, code: str, required: Sequence[str], allowed: Sequence[str]) -> Uses:
        """Alarms that use the template and do not give all ``required`` variables, or others than the ``allowed`` ones if there are any.

        With neither, every one that uses it.

        Raises:
            TocsinError: they could not be asked for.
        """
        ...


class Renderer(Protocol):
    """Fills in templates."""

    async def compile(self, tenant: str, content: Content) -> Variables:
        """The variables of a text that is to be saved.

        Raises:
            InvalidInput: it is not a template, or larger than one may be; the line is named.
            Unavailable: not now.
        """
        ...

    async def inline(self, tenant: str, html: str) -> tuple[str, tuple[str, ...]]:
        """The HTML of a template as it is sent, with the rules of its style sheets in its elements; and what is doubtful about it.

        Raises:
            InvalidInput: it holds what runs, or would be too large; ``html`` and the line are named.
            Unavailable: not now.
        """
        ...

    async def variables(self, tenant: str, part: TemplatePart) -> Variables:
        """The variables of a part that was saved.

        Raises:
            InvalidInput: it is an old one, of a language that is no more.
            Unavailable: not now.
        """
        ...

    def render_fast(self, part: TemplatePart, use: TemplateUse) -> Content | None:
        """What the part says, if that takes next to no time; otherwise None.

        Raises:
            InvalidInput: a variable that it requires is missing, one is given that it does not declare, or the result is too large.
        """
        ...

    async def render(self, tenant: str, part: TemplatePart, use: TemplateUse) -> Content:
        """What the part says.

        Raises:
            InvalidInput: as `render_fast`, or to render it takes more than it may.
            Unavailable: not now.
        """
        ...
