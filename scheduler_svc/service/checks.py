"""Whether an action can do what it shall, asked before an alarm is made of it: of whoever knows, for each kind of action."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from scheduler_svc.domain import Action, Finding
from scheduler_svc.ports import Findings, KindChecks
from tocsin.clock import Clock
from tocsin.errors import FieldViolation, InvalidInput

_REMEMBERED: Final = 4096
_SECONDS: Final = 5.0


class ActionChecks:
    """Checks actions of every kind. A good one is remembered for a moment: imports and herds bring the same action again and again."""

    def __init__(self, *, kinds: Mapping[str, KindChecks], clock: Clock) -> None:
        """Takes who checks.

        Args:
            kinds: by the kind of action; a kind that is not here is not checked.
            clock: says when what is remembered is old.
        """
        self._kinds = kinds
        self._clock = clock
        self._known: OrderedDict[tuple[str, Action], tuple[float, Findings]] = OrderedDict()

    async def check(self, tenant: str, actions: Sequence[Action]) -> Sequence[Findings]:
        """What is wrong with each of the actions, in order."""
        fresh = self._clock.monotonic() - _SECONDS
        asked: dict[str, dict[bytes, None]] = {}
        found: dict[Action, Findings] = {}
        for action in actions:
            known = self._known.get((tenant, action))
            if known is not None and known[0] > fresh:
                found[action] = known[1]
            elif action.kind in self._kinds:
                asked.setdefault(action.kind, {})[action.body] = None
        answers = await asyncio.gather(*(self._kinds[kind].check(tenant, list(bodies)) for kind, bodies in asked.items()))
        for (kind, bodies), findings in zip(asked.items(), answers, strict=True):
            for body, each in zip(bodies, findings, strict=True):
                found[Action(kind, body)] = each
                self._remember(tenant, Action(kind, body), each)
        return [found.get(action, ()) for action in actions]

    async def require(self, tenant: str, action: Action) -> Findings:
        """What to know about an action that is good enough.

        Raises:
            InvalidInput: something in it is wrong and stays wrong; fields below "action".
        """
        (findings,) = await self.check(tenant, [action])
        refuse(findings)
        return findings

    def _remember(self, tenant: str, action: Action, findings: Findings) -> None:
        if findings:
            return  # it may be right with the next look, for somebody mends it
        self._known[tenant, action] = (self._clock.monotonic(), findings)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


class CombinedChecks:
    """Asks several about actions of one kind; what each finds wrong is wrong."""

    def __init__(self, *checks: KindChecks) -> None:
        self._checks = checks

    async def check(self, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings]:
        """What is wrong with each of the actions."""
        answers = await asyncio.gather(*(checks.check(tenant, bodies) for checks in self._checks))
        return [tuple(finding for findings in each for finding in findings) for each in zip(*answers, strict=True)]


def refuse(findings: Findings) -> None:
    """Refuses an action that is wrong and stays wrong.

    Raises:
        InvalidInput: it is.
    """
    wrong = [FieldViolation(path_of(finding), finding.reason) for finding in findings if not finding.tentative]
    if wrong:
        raise InvalidInput("; ".join(f"{each.field}: {each.description}" for each in wrong), violations=wrong)


def path_of(finding: Finding) -> str:
    """The field in an alarm."""
    return f"action.{finding.field}" if finding.field else "action"
