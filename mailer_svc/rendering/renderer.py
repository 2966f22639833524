"""Templates, filled in.

A program runs here if it touches few characters, which it does within a few milliseconds or not at all; otherwise it runs in a process of
the pool. Sources are parsed in the pool alone: what the parser makes of 512 KiB is not for the loop of a service.
"""

import asyncio
import pickle
from collections.abc import Coroutine, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from mailer_svc.cache import WeightedCache
from mailer_svc.domain import Content, TemplateUse, Variables, repaired_content
from mailer_svc.language.errors import BudgetSpent, VariableMissing
from mailer_svc.language.program import Program, run_program
from mailer_svc.language.requests import Parse, Parsed, Render
from mailer_svc.language.worker import context_of
from mailer_svc.rendering.pool import RenderPool

Result = TypeVar("Result")

FAST_BUDGET: Final = 200_000
"""Characters that a rendering on the loop may touch: four milliseconds at the most."""

_FAST_NODES: Final = 2_000
_FAST_CONTEXT: Final = 256 * 1024
_CACHE_BYTES: Final = 64 << 20


@dataclass(slots=True)
class _Known:
    """A version of a template. ``program`` is None when it is never run here."""

    parsed: Parsed
    program: Program | None


class TemplateRenderer:
    """Parses each version of a template once, and fills it in."""

    def __init__(self, *, pool: RenderPool) -> None:
        self._pool = pool
        self._known = WeightedCache[str, _Known](bytes=_CACHE_BYTES)
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._context: tuple[str, Mapping[str, Any]] = ("", {})
        self._last: tuple[str, TemplateUse, Content] | None = None

    async def compile(self, tenant: str, content: Content) -> Variables:
        """The variables of a template that is to be saved.

        Raises:
            TemplateInvalid: it is not a template of this language, or larger than one may be; the message names the part, line and measure.
            RendererBusy: not now.
        """
        parsed = cast("Parsed", await self._pool.run(tenant, Parse(_parts(content), stored=False)))
        return Variables(parsed.variables, parsed.required)

    async def variables(self, tenant: str, uid: str, content: Content) -> Variables:
        """The variables of a template that was saved; see `render`."""
        parsed = (await self._get(tenant, uid, content)).parsed
        return Variables(parsed.variables, parsed.required)

    def render_fast(self, uid: str, use: TemplateUse) -> Content | None:
        """What the template known as ``uid`` says; None if it takes `render` to say it.

        Raises:
            VariableMissing: some that it requires have no value; all of them are named.
            RenderingTooLarge: the result exceeds a limit.
        """
        if self._last is not None and self._last[0] == uid and self._last[1] == use:
            return self._last[2]
        known = self._known.get(uid)
        if known is None or known.program is None or len(use.context) > _FAST_CONTEXT:
            return None
        context = self._context_of(use.context)
        _check_required(known.parsed.required, use.variables, context)
        try:
            rendered = run_program(known.program, use.variables, context, budget=FAST_BUDGET)
        except (BudgetSpent, RecursionError):
            known.program = None  # not here again
            return None
        content = repaired_content(Content(*rendered))
        self._last = (uid, use, content)
        return content

    async def render(self, tenant: str, uid: str, content: Content, use: TemplateUse) -> Content:
        """What the template ``content``, known as ``uid``, says.

        Raises:
            VariableMissing: some that it requires have no value; all of them are named.
            RenderingTooLarge: the result exceeds a limit.
            RenderTooExpensive: it takes more time or memory than a rendering may.
            TemplateInvalid: it is an old one, of a language that is no more.
            RendererBusy: not now.
        """
        known = await self._get(tenant, uid, content)
        return self.render_fast(uid, use) or await self._render_in_pool(tenant, uid, known.parsed, use)

    async def _get(self, tenant: str, uid: str, content: Content) -> _Known:
        return self._known.get(uid) or await self._once(uid, self._learn(tenant, uid, content))

    async def _learn(self, tenant: str, uid: str, content: Content) -> _Known:
        parsed = cast("Parsed", await self._pool.run(tenant, Parse(_parts(content), stored=True)))
        program = None
        if parsed.nodes <= _FAST_NODES:
            program = cast("Program", pickle.loads(parsed.program))  # noqa: S301 - made by a process that we started
        known = _Known(parsed, program)
        self._known.put(uid, known, weight=4 * len(parsed.program))
        return known

    async def _render_in_pool(self, tenant: str, uid: str, parsed: Parsed, use: TemplateUse) -> Content:
        _check_required(parsed.required, use.variables, context_of(use.context) if parsed.required else {})
        key = (uid, frozenset(use.variables.items()), use.context)
        request = Render(parsed.program, dict(use.variables), use.context)
        rendered = await self._once(key, self._pool.run(tenant, request))
        return repaired_content(Content(*cast("tuple[str, str, str]", rendered)))

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


def _parts(content: Content) -> tuple[str, str, str]:
    return content.subject, content.text, content.html


def _check_required(required: tuple[str, ...], variables: Mapping[str, str], context: Mapping[str, Any]) -> None:
    missing = [name for name in required if name not in variables and name not in context]
    if missing:
        raise VariableMissing.at("variables", f"missing: {', '.join(missing)}")
