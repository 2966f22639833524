"""Templates: made, replaced by new versions, looked up and tried out."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from mailer_svc.cache import WeightedCache
from mailer_svc.domain import Content, Template, TemplateBreaks, TemplateNotFound, TemplateUse, Variables
from mailer_svc.ports import AlarmUses, Renderer, TemplateStore
from tocsin.clock import Clock
from tocsin.errors import InvalidInput, TocsinError

_CODE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
_CACHE_BYTES = 64 << 20


class Templates:
    """The templates of all tenants."""

    def __init__(self, *, store: TemplateStore, uses: AlarmUses, renderer: Renderer, clock: Clock, new_uid: Callable[[], str]) -> None:
        self._store = store
        self._uses = uses
        self._renderer = renderer
        self._clock = clock
        self._new_uid = new_uid
        self._cache = WeightedCache[str, Template](bytes=_CACHE_BYTES)

    async def create(self, *, tenant: str, code: str, content: Content, resend: bool) -> Template:
        """Stores version 1 of a new template.

        Raises:
            InvalidInput: the code or the template is not valid; the field and the line are named.
            AlreadyExists: the code is in use.
        """
        template = await self._checked(tenant, code, content, resend=resend)
        await self._store.create(template)
        return template

    async def update(self, *, tenant: str, code: str, content: Content, resend: bool, force: bool = False) -> Template:
        """Adds a version and makes it the current one.

        Raises:
            InvalidInput: the template is not valid.
            TemplateNotFound: there is no template of this code.
            TemplateBreaks: it requires a variable that alarms do not give; not with ``force``.
        """
        template = await self._checked(tenant, code, content, resend=resend)
        current = await self.get(tenant=tenant, code=code)
        added = [name for name in template.variables.required or () if name not in current.variables.used]
        if added and not force:
            await self._refuse_to_break(tenant, code, added, f"would require {', '.join(added)}")
        return await self._store.add_version(template)

    async def _refuse_to_break(self, tenant: str, code: str, required: Sequence[str], change: str) -> None:
        """Refuses a change of a template that alarms would not survive.

        Raises:
            TemplateBreaks: there are such alarms, or nobody could tell.
        """
        try:
            uses = await self._uses.breaking(tenant=tenant, code=code, required=required)
        except TocsinError as error:
            raise TemplateBreaks(
                f"templates/{code} {change}. Which alarms that breaks could not be found out: {error.message} "
                "Try again later, or do it all the same with force=true."
            ) from error
        if uses.alarms:
            alarms = ", ".join(uses.alarms) + (" and others" if uses.more else "")
            raise TemplateBreaks(
                f"templates/{code} {change}, and messages of {alarms} could not be sent. Change these first, "
                "or do it all the same with force=true."
            )

    async def _checked(self, tenant: str, code: str, content: Content, *, resend: bool) -> Template:
        if not _CODE.fullmatch(code):
            raise InvalidInput.at("template.name", "must be templates/{code}, the code of a-z, 0-9, _ . and -, at most 63 characters")
        if not content.subject:
            raise InvalidInput.at("template.subject", "is required")
        if not (content.text or content.html):
            raise InvalidInput.at("template.text", "at least one of text and html is required")
        for name, value in (("subject", content.subject), ("text", content.text), ("html", content.html)):
            if "\0" in value:
                raise InvalidInput.at(f"template.{name}", "holds U+0000")
        return Template(
            tenant=tenant,
            code=code,
            version=1,
            uid=self._new_uid(),
            content=content,
            variables=await self._renderer.compile(tenant, content),
            resend=resend,
            created=self._clock.micros(),
        )

    async def get(self, *, tenant: str, code: str, version: int = 0) -> Template:
        """One version; 0: the current one.

        Raises:
            TemplateNotFound: there is none.
        """
        template = await self._store.get(tenant=tenant, code=code, version=version)
        if template is None:
            raise TemplateNotFound(f"There is no template templates/{code}" + (f" of version {version}" if version else ""))
        return template

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Template]:
        """Current versions, by code, after the code ``after``."""
        return await self._store.page(tenant=tenant, after=after, limit=limit)

    async def delete(self, *, tenant: str, code: str, force: bool = False) -> None:
        """Removes a template with all its versions.

        Raises:
            TemplateNotFound: there is none.
            TemplateBreaks: alarms use it; not with ``force``.
        """
        await self.get(tenant=tenant, code=code)
        if not force:
            await self._refuse_to_break(tenant, code, (), "is in use")
        if not await self._store.delete(tenant=tenant, code=code):
            raise TemplateNotFound(f"There is no template templates/{code}")

    async def render(self, *, tenant: str, code: str, variables: Mapping[str, str]) -> Content:
        """What the current version says with these variables.

        Raises:
            TemplateNotFound: there is none.
            InvalidInput: a variable that it requires is missing, the result is too large, or to render it takes more than it may.
        """
        template = await self.get(tenant=tenant, code=code)
        return await self._renderer.render(tenant, template.uid, template.content, TemplateUse(code, variables))

    async def current(self, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Template]:
        """The current version of each (tenant, code) that exists; which version that is comes from the store, its text from memory."""
        uids = await self._store.current(list(keys))
        found: dict[tuple[str, str], Template] = {}
        for (tenant, code), uid in uids.items():
            template = self._cache.get(uid) or await self._store.get(tenant=tenant, code=code, version=0)
            if template is not None:
                found[tenant, code] = self._remember(template)
        return found

    async def described(self, *, tenant: str, codes: Collection[str]) -> list[Template]:
        """The current versions of those that exist; all know which variables they require.

        Raises:
            Unavailable: the database or the renderer is away.
        """
        found = await self.current({(tenant, code) for code in codes})
        return [await self._told(template) for template in found.values()]

    async def _told(self, template: Template) -> Template:
        if template.variables.required is not None:
            return template
        try:
            variables = await self._renderer.variables(template.tenant, template.uid, template.content)
        except InvalidInput:  # an old one, of a language that is no more: whoever uses it learns that from the message
            variables = Variables(template.variables.used, ())
        return self._remember(replace(template, variables=variables))

    def _remember(self, template: Template) -> Template:
        content = template.content
        self._cache.put(template.uid, template, weight=1000 + 4 * (len(content.subject) + len(content.text) + len(content.html)))
        return template
