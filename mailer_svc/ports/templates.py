"""What templates need: where they are kept, who uses them, and who fills them in."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from mailer_svc.domain import Content, Template, TemplateUse, Variables


class TemplateStore(Protocol):
    """Keeps templates; versions never change."""

    async def create(self, template: Template) -> None:
        """Stores version 1.

        Raises:
            AlreadyExists: the code is in use.
        """
        ...

    async def add_version(self, template: Template) -> Template:
        """Stores ``template`` as the next version and makes it the current one; returns it with its number.

        Raises:
            TemplateNotFound: there is no template of this code.
        """
        ...

    async def get(self, *, tenant: str, code: str, version: int) -> Template | None:
        """One version; 0: the current one."""
        ...

    async def current(self, keys: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The uid of the current version of each (tenant, code) that exists."""
        ...

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Template]:
        """Current versions, by code; those after the code ``after``."""
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

    async def breaking(self, *, tenant: str, code: str, required: Sequence[str]) -> Uses:
        """Alarms that use the template and do not give all ``required`` variables; every one that uses it if none is required.

        Raises:
            TocsinError: they could not be asked for.
        """
        ...


class Renderer(Protocol):
    """Fills in templates."""

    async def compile(self, tenant: str, content: Content) -> Variables:
        """The variables of a template that is to be saved.

        Raises:
            InvalidInput: it is not a template, or larger than one may be; the line is named.
            Unavailable: not now.
        """
        ...

    async def variables(self, tenant: str, uid: str, content: Content) -> Variables:
        """The variables of a template that was saved, known as ``uid``.

        Raises:
            InvalidInput: it is an old one, of a language that is no more.
            Unavailable: not now.
        """
        ...

    def render_fast(self, uid: str, use: TemplateUse) -> Content | None:
        """What the template known as ``uid`` says, if that takes next to no time; otherwise None.

        Raises:
            InvalidInput: a variable that it requires is missing, or the result is too large.
        """
        ...

    async def render(self, tenant: str, uid: str, content: Content, use: TemplateUse) -> Content:
        """What the template ``content``, known as ``uid``, says.

        Raises:
            InvalidInput: a variable that it requires is missing, the result is too large, or to render it takes more than it may.
            Unavailable: not now.
        """
        ...
