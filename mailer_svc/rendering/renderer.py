"""Templates, filled in.

A program runs here if it touches few characters, which it does within a few milliseconds or not at all; otherwise it runs in a process of
the pool. Sources are parsed in the pool alone: what the parser makes of 512 KiB is not for the loop of a service.
"""

import asyncio
import json
import pickle
from collections.abc import Coroutine, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar, cast

from mailer_svc.cache import WeightedCache
from mailer_svc.domain import Content, MessageAction, TemplatePart, TemplateUse, Variables, missing_variables, repaired_content
from mailer_svc.language.context import about_recipient, context_of, from_context, with_recipient
from mailer_svc.language.errors import BudgetSpent, VariableMissing, VariableUnknown
from mailer_svc.language.program import Program, run_program
from mailer_svc.language.requests import Inline, Inlined, Parse, Parsed, Render
from mailer_svc.rendering.pool import RenderPool

Result = TypeVar("Result")

FAST_BUDGET: Final = 200_000
"""Characters that a rendering on the loop may touch: four milliseconds at the most."""

_FAST_NODES: Final = 2_000
_FAST_CONTEXT: Final = 256 * 1024
_CACHE_BYTES: Final = 64 << 20


@dataclass(slots=True)
class _Known:
    """A part of a template.

    Attributes:
        parsed: what is known of its program.
        program: None when it is never run here.
        personal: whether it says anything of the recipient, so that each one's message is another.
        last: the message that was made of it last, and of what.
    """

    parsed: Parsed
    program: Program | None
    personal: bool = field(init=False)
    last: tuple[TemplateUse, Content] | None = None

    def __post_init__(self) -> None:
        self.personal = any(about_recipient(name) for name in self.parsed.variables)


class TemplateRenderer:
    """Parses each part of each version of a template once, and fills it in."""

    def __init__(self, *, pool: RenderPool) -> None:
        self._pool = pool
        self._known = WeightedCache[str, _Known](bytes=_CACHE_BYTES)
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._context: tuple[str, Mapping[str, Any]] = ("", {})

    async def compile(self, tenant: str, content: Content) -> Variables:
        """The variables of a text that is to be saved.

        Raises:
            TemplateInvalid: it is not a template of this language, or larger than one may be; the message names field, line and measure.
            RendererBusy: not now.
        """
        parsed = cast("Parsed", await self._pool.run(tenant, Parse(_sources(content), stored=False)))
        return Variables(parsed.variables, parsed.required)

    async def inline(self, tenant: str, html: str) -> tuple[str, tuple[str, ...]]:
        """The HTML of a template with the rules of its style sheets in its elements, and what is doubtful about it.

        Raises:
            TemplateInvalid: it holds what runs, or what would grow too large; the message names ``html`` and the line.
            RenderTooExpensive: it takes more time or memory than it may.
            RendererBusy: not now.
        """
        found = cast("Inlined", await self._pool.run(tenant, Inline(html)))
        return found.html, found.warnings

    async def variables(self, tenant: str, part: TemplatePart) -> Variables:
        """The variables of a part that was saved; see `render`."""
        parsed = (await self._get(tenant, part)).parsed
        return Variables(parsed.variables, parsed.required)

    def render_fast(self, part: TemplatePart, use: TemplateUse) -> Content | None:
        """What a part says; None if it takes `render` to say it.

        Raises:
            VariableMissing: some that it requires have no value; all of them are named.
            VariableUnknown: some are given that the template does not declare.
            RenderingTooLarge: the result exceeds a limit.
        """
        known = self._known.get(part.uid)
        if known is None or known.program is None or len(use.context) > _FAST_CONTEXT:
            return None
        if not known.personal and use.recipient is not None:
            use = replace(use, recipient=None)
        if known.last is not None and known.last[0] == use:
            return known.last[1]
        context = with_recipient(self._context_of(use.context), use.recipient)
        variables = _filled(part, known.parsed, use, context)
        try:
            rendered = run_program(known.program, variables, context, budget=FAST_BUDGET)
        except (BudgetSpent, RecursionError):
            known.program = None  # not here again
            return None
        content = _content(rendered)
        known.last = (use, content)
        return content

    async def render(self, tenant: str, part: TemplatePart, use: TemplateUse) -> Content:
        """What a part says.

        Raises:
            VariableMissing: some that it requires have no value; all of them are named.
            VariableUnknown: some are given that the template does not declare.
            RenderingTooLarge: the result exceeds a limit.
            RenderTooExpensive: it takes more time or memory than a rendering may.
            TemplateInvalid: it is an old one, of a language that is no more.
            RendererBusy: not now.
        """
        known = await self._get(tenant, part)
        return self.render_fast(part, use) or await self._render_in_pool(tenant, part, known, use)

    async def _get(self, tenant: str, part: TemplatePart) -> _Known:
        return self._known.get(part.uid) or await self._once(part.uid, self._learn(tenant, part))

    async def _learn(self, tenant: str, part: TemplatePart) -> _Known:
        parsed = cast("Parsed", await self._pool.run(tenant, Parse(_sources(part.content), stored=True)))
        program = None
        if parsed.nodes <= _FAST_NODES:
            program = cast("Program", pickle.loads(parsed.program))  # noqa: S301 - made by a process that we started
        known = _Known(parsed, program)
        self._known.put(part.uid, known, weight=4 * len(parsed.program))
        return known

    async def _render_in_pool(self, tenant: str, part: TemplatePart, known: _Known, use: TemplateUse) -> Content:
        recipient = use.recipient if known.personal else None
        variables = _filled(part, known.parsed, use, context_of(use.context, recipient))
        key = (part.uid, frozenset(variables.items()), use.context, json.dumps(recipient, sort_keys=True))
        request = Render(known.parsed.program, variables, use.context, recipient)
        return _content(cast("tuple[str, ...]", await self._once(key, self._pool.run(tenant, request))))

    async def _once(self, key: Hashable, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of ``work``, or of the same work that is under way."""
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.ensure_future(work)
            task.add_done_callback(lambda done: self._ended(key, done))
        else:
            work.close()
        return await asyncio.shield(task)

    def _ended(self, key: Hashable, done: "asyncio.Task[Any]") -> None:
        del self._under_way[key]
        if not done.cancelled():
            done.exception()  # whoever waited may be gone, and that is no news

    def _context_of(self, text: str) -> Mapping[str, Any]:
        if self._context[0] != text:
            self._context = (text, context_of(text))
        return self._context[1]


def _sources(content: Content) -> tuple[str, ...]:
    buttons = (text for action in content.actions for text in (action.label, action.url))
    return (content.subject, content.text, content.html, *buttons)


def _content(rendered: tuple[str, ...]) -> Content:
    subject, text, html, *buttons = rendered
    actions = tuple(MessageAction(label, url) for label, url in zip(buttons[::2], buttons[1::2], strict=True))
    return repaired_content(Content(subject, text, html, actions))


def _filled(part: TemplatePart, parsed: Parsed, use: TemplateUse, context: Mapping[str, Any]) -> dict[str, str]:
    """The values of all variables: those that were given, and the defaults of those that were declared."""
    variables = dict(use.variables)
    if part.declared:
        names = {variable.name for variable in part.declared}
        unknown = [name for name in variables if name not in names and not from_context(name)]
        if unknown:
            raise VariableUnknown.at("variables", f"not declared by the template: {', '.join(unknown)}")
        missing = missing_variables(part.declared, {**context, **variables})
        defaults = {variable.name: variable.default for variable in part.declared if variable.default and variable.name not in context}
        variables = defaults | variables
    else:
        missing = [name for name in parsed.required if name not in variables and name not in context]
    if missing:
        raise VariableMissing.at("variables", f"missing: {', '.join(missing)}")
    return variables
