"""Templates: made, replaced by new versions, promoted, looked up and tried out."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mailer_svc.cache import WeightedCache
from mailer_svc.domain import (
    Content,
    Template,
    TemplateBreaks,
    TemplateDraft,
    TemplateNotFound,
    TemplatePart,
    TemplateUse,
    Variables,
    normal_locale,
)
from mailer_svc.ports import AlarmUses, Renderer, TemplateStore
from mailer_svc.service.drafts import TemplateChecks
from tocsin.errors import InvalidInput, TocsinError
from tocsin.searching import mentions, search

_CACHE_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a template is tried out with.

    Attributes:
        variables: values by name; those that are declared with an example have that unless they are given.
        channel: by which a message would leave; empty: any.
        locale: what its reader reads; empty: what the recipient does.
        recipient: whom it is for, as the template sees it.
        context: what a firing would bring, a JSON object or empty.
    """

    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    channel: str = ""
    locale: str = ""
    recipient: Mapping[str, Any] | None = None
    context: str = ""

    def part_of(self, template: Template) -> TemplatePart:
        """The part of the template that is tried out.

        Raises:
            LocaleInvalid: the locale is no language tag.
        """
        own = (self.recipient or {}).get("locale")
        return template.part_for(self.channel, normal_locale(self.locale or (own if isinstance(own, str) else "")))

    def use_of(self, template: Template) -> TemplateUse:
        """What it is filled in with."""
        examples = {variable.name: variable.example for variable in template.declared if variable.example}
        return TemplateUse(template.code, {**examples, **self.variables}, self.context, self.recipient)


class Templates:
    """The templates of all tenants."""

    def __init__(
        self, *, store: TemplateStore, uses: AlarmUses, renderer: Renderer, checks: TemplateChecks, built_in: Mapping[str, TemplateDraft]
    ) -> None:
        """Makes it.

        Args:
            store: keeps those that tenants make.
            uses: knows which alarms use them.
            renderer: fills them in.
            checks: makes versions of drafts.
            built_in: those that ship with Tocsin, by code.
        """
        self._built_in = built_in
        self._ready: dict[str, Template] = {}
        self._store = store
        self._uses = uses
        self._renderer = renderer
        self._checks = checks
        self._cache = WeightedCache[str, Template](bytes=_CACHE_BYTES)

    async def create(self, *, tenant: str, draft: TemplateDraft) -> Template:
        """Stores version 1 of a new template, promoted.

        Raises:
            InvalidInput: the code or the template is not valid; the field and the line are named.
            AlreadyExists: the code is in use.
        """
        template = await self._checks.checked(tenant, draft)
        await self._store.create(template)
        return template

    async def update(self, *, tenant: str, draft: TemplateDraft, promote: bool = True, force: bool = False) -> Template:
        """Adds a version, and promotes it unless it is to be kept for later.

        Raises:
            InvalidInput: the template is not valid.
            TemplateNotFound: there is no template of this code.
            TemplateBreaks: alarms do not give the variables that it takes; not with ``force``.
        """
        template = replace(await self._checks.checked(tenant, draft), promoted=promote)
        current = await self._own(tenant, draft.code)
        if promote and not force:
            await self._refuse_to_break_by(template, current)
        return await self._store.add_version(template)

    async def promote(self, *, tenant: str, code: str, version: int, force: bool = False) -> Template:
        """Makes messages of another version from now on.

        Raises:
            TemplateNotFound: there is no such version.
            TemplateBreaks: alarms do not give the variables that it takes; not with ``force``.
        """
        current = await self._own(tenant, code)
        template = await self._told(await self.get(tenant=tenant, code=code, version=version))
        if not force:
            await self._refuse_to_break_by(template, current)
        await self._store.promote(template)
        return replace(template, promoted=True)

    async def _refuse_to_break_by(self, template: Template, current: Template) -> None:
        """Refuses to promote a version that takes other variables than the one that is promoted, if alarms would not survive that."""
        before = current.variables.required if current.variables.required is not None else current.variables.used
        required = [name for name in template.variables.required or () if name not in before]
        allowed = [variable.name for variable in template.declared]
        if current.declared and all(variable.name in allowed for variable in current.declared):
            allowed = []  # it takes whatever was taken before
        changes = [f"would require {', '.join(required)}"] if required else []
        if allowed:
            changes.append(f"would take no variables but {', '.join(allowed)}")
        if changes:
            await self._refuse_to_break(template.tenant, template.code, required, allowed, " and ".join(changes))

    async def _refuse_to_break(self, tenant: str, code: str, required: Sequence[str], allowed: Sequence[str], change: str) -> None:
        """Refuses a change of a template that alarms would not survive.

        Raises:
            TemplateBreaks: there are such alarms, or nobody could tell.
        """
        try:
            uses = await self._uses.breaking(tenant=tenant, code=code, required=required, allowed=allowed)
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

    async def get(self, *, tenant: str, code: str, version: int = 0) -> Template:
        """One version; 0: the promoted one. Where the tenant has made none of this code, it may be one that ships with Tocsin.

        Raises:
            TemplateNotFound: there is none.
        """
        template = await self._store.get(tenant=tenant, code=code, version=version)
        shipped = template is None and version in (0, 1) and code in self._built_in
        if shipped and (version == 0 or not await self._store.current([(tenant, code)])):
            return await self._shipped(tenant, code)
        if template is None:
            raise TemplateNotFound(f"There is no template templates/{code}" + (f" of version {version}" if version else ""))
        return template

    async def _own(self, tenant: str, code: str) -> Template:
        """The promoted version of a template that the tenant has made."""
        template = await self.get(tenant=tenant, code=code)
        if template.built_in:
            raise TemplateNotFound(f"templates/{code} ships with Tocsin and stays as it is; create a template of this name to replace it")
        return template

    async def _shipped(self, tenant: str, code: str) -> Template:
        """A template that ships with Tocsin; it is made ready when it is used first."""
        if code not in self._ready:
            made = await self._checks.checked("", self._built_in[code])
            self._ready[code] = replace(made, built_in=True, warnings=())
        return replace(self._ready[code], tenant=tenant)

    async def search(
        self, *, tenant: str, after: str, limit: int, built_in: bool, text: str = "", only: bool | None = None
    ) -> tuple[list[Template], str | None]:
        """As `page`, those with ``text`` in their codes or subjects, and those that ship with Tocsin (``only`` True) or not (False) alone.

        With fewer than ``limit`` comes where to go on; None: they were the last.
        """

        def meets(template: Template) -> bool:
            return mentions(text, template.code, template.parts[0].content.subject) and only in (None, template.built_in)

        return await search(
            lambda behind, most: self.page(tenant=tenant, after=behind, limit=most, built_in=built_in or bool(only)),
            meets=meets,
            place=lambda template: template.code,
            after=after,
            limit=limit,
        )

    async def page(self, *, tenant: str, after: str, limit: int, built_in: bool = False) -> list[Template]:
        """Promoted versions, by code, after the code ``after``; with those that ship with Tocsin, if they are asked for."""
        own = await self._store.page(tenant=tenant, after=after, limit=limit)
        if not built_in:
            return own
        known = {template.code for template in own}
        end = own[-1].code if len(own) == limit else None
        codes = [code for code in sorted(self._built_in) if code > after and code not in known and (end is None or code < end)]
        shipped = [await self._shipped(tenant, code) for code in codes[:limit]]
        return sorted([*own, *shipped], key=lambda template: template.code)[:limit]

    async def versions(self, *, tenant: str, code: str, before: int | None, limit: int) -> list[Template]:
        """The versions of one template, the newest first, before the version ``before``.

        Raises:
            TemplateNotFound: there is none.
        """
        found = await self._store.versions(tenant=tenant, code=code, before=before, limit=limit)
        return found if found or before is not None else [await self.get(tenant=tenant, code=code)]

    async def delete(self, *, tenant: str, code: str, force: bool = False) -> None:
        """Removes a template with all its versions.

        Raises:
            TemplateNotFound: there is none.
            TemplateBreaks: alarms use it; not with ``force``.
        """
        await self._own(tenant, code)
        if not force:
            await self._refuse_to_break(tenant, code, (), (), "is in use")
        if not await self._store.delete(tenant=tenant, code=code):
            raise TemplateNotFound(f"There is no template templates/{code}")

    async def render(self, *, tenant: str, code: str, version: int, trial: Trial) -> tuple[TemplatePart, Content]:
        """What a version says, and which of its parts says it.

        Raises:
            TemplateNotFound: there is none.
            InvalidInput: a variable that it requires is missing, one is given that it does not declare, the result is too large, or to
                render it takes more than it may.
        """
        template = await self.get(tenant=tenant, code=code, version=version)
        part = trial.part_of(template)
        return part, await self._renderer.render(tenant, part, trial.use_of(template))

    async def preview(self, *, tenant: str, draft: TemplateDraft, trial: Trial) -> tuple[Template, TemplatePart, Content]:
        """What a template that is not saved says, and what would be saved.

        Raises:
            InvalidInput: as `create` and `render`.
        """
        template = await self._checks.checked(tenant, draft)
        part = trial.part_of(template)
        return template, part, await self._renderer.render(tenant, part, trial.use_of(template))

    async def current(self, keys: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Template]:
        """The promoted version of each (tenant, code) that exists; which version that is comes from the store, its text from memory."""
        uids = await self._store.current(list(keys))
        found: dict[tuple[str, str], Template] = {}
        for (tenant, code), uid in uids.items():
            template = self._cache.get(uid) or await self._store.get(tenant=tenant, code=code, version=0)
            if template is not None:
                found[tenant, code] = self._remember(template)
        for tenant, code in keys:
            if code in self._built_in and (tenant, code) not in found:
                found[tenant, code] = await self._shipped(tenant, code)
        return found

    async def render_built_in(
        self, *, tenant: str, code: str, channel: str, locale: str, context: Mapping[str, Any], recipient: Mapping[str, Any] | None = None
    ) -> Content:
        """What a template that ships with Tocsin says, or the one of the same code that the tenant has made.

        Args:
            tenant: whose message it is.
            code: such as ``tocsin.digest``.
            channel: by which the message leaves.
            locale: what its reader reads, a normal tag or empty.
            context: what it is about, of JSON's types: its variables, and lists such as ``items``.
            recipient: whom it is for, as templates see it.

        Raises:
            TemplateNotFound: there is none.
            InvalidInput: the tenant's own takes other variables, or more than a rendering may.
            Unavailable: not now.
        """
        template = (await self.current([(tenant, code)])).get((tenant, code))
        if template is None:
            raise TemplateNotFound(f"There is no template templates/{code}")
        use = TemplateUse(code, {}, json.dumps(context), recipient)
        return await self._renderer.render(tenant, template.part_for(channel, locale), use)

    async def prepared(self, *, tenant: str, code: str, channel: str, locale: str) -> Callable[[Mapping[str, Any]], Content | None]:
        """As `render_built_in`, for who cannot wait: a function of the context. It gives None for what would take long.

        Raises:
            TemplateNotFound: there is none.
            Unavailable: not now.
        """
        template = (await self.current([(tenant, code)])).get((tenant, code))
        if template is None:
            raise TemplateNotFound(f"There is no template templates/{code}")
        part = template.part_for(channel, locale)
        await self._renderer.variables(tenant, part)
        return lambda context: self._renderer.render_fast(part, TemplateUse(code, {}, json.dumps(context)))

    async def described(self, *, tenant: str, codes: Collection[str]) -> list[Template]:
        """The promoted versions of those that exist; all know which variables they require.

        Raises:
            Unavailable: the database or the renderer is away.
        """
        found = await self.current({(tenant, code) for code in codes})
        return [self._remember(await self._told(template)) for template in found.values()]

    async def _told(self, template: Template) -> Template:
        if template.variables.required is not None:
            return template
        try:
            variables = await self._renderer.variables(template.tenant, template.parts[0])
        except InvalidInput:  # an old one, of a language that is no more: whoever uses it learns that from the message
            variables = Variables(template.variables.used, ())
        return replace(template, variables=variables)

    def _remember(self, template: Template) -> Template:
        self._cache.put(template.uid, template, weight=template.weight)
        return template
