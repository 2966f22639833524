"""The registry of actions: how each kind is decoded, validated, run and described."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from processor_svc.domain import ActionProblem, Job, JobAction, JobFailed, JobResult, UnknownAction
from processor_svc.results import error_text
from tocsin.api.scheduler.v1 import alarm_pb2


class ActionKind(Protocol):
    """One kind of action. Each method takes the actions that the kind's own `decode` makes."""

    @property
    def name(self) -> str:
        """The field of ``tocsin.api.scheduler.v1.Action`` that holds it; also its label in metrics and spans."""
        ...

    def decode(self, message: Any) -> JobAction:
        """The action in that field. May raise anything for a message that cannot be decoded."""
        ...

    async def validate(self, action: Any, tenant: str = "") -> Sequence[ActionProblem]:
        """What is wrong with the action of ``tenant``, before it is run; paths of fields start at the action's own message.

        An empty tenant is nobody in particular: an earlier scheduler does not say whose the action is.
        """
        ...

    async def run(self, job: Job, action: Any) -> JobResult:
        """Runs the action once. Raises nothing but `asyncio.CancelledError`."""
        ...

    def describe(self, action: Any) -> str:
        """The metric label that tells actions of this kind apart, such as the handler; empty when there is none. Its values are few."""
        ...


class Actions:
    """The kinds of action that this processor runs, by name."""

    def __init__(self, kinds: Iterable[ActionKind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    @property
    def names(self) -> Sequence[str]:
        """Names of the kinds, sorted."""
        return sorted(self._kinds)

    def decode(self, message: alarm_pb2.Action) -> JobAction:
        """The action; an `UnknownAction` for a kind that is not registered."""
        name = message.WhichOneof("kind")
        return UnknownAction() if name is None or name not in self._kinds else self._kinds[name].decode(getattr(message, name))

    async def validate(self, message: alarm_pb2.Action, tenant: str = "") -> Sequence[ActionProblem]:
        """What is wrong with an action of ``tenant``; paths of fields start at `Action`."""
        try:
            action = self.decode(message)
        except Exception as error:  # noqa: BLE001  a kind may raise anything here; the problem is the action's alone
            return [ActionProblem("", f"cannot be decoded: {error_text(error)}")]
        if isinstance(action, UnknownAction):
            return [ActionProblem("", "this processor does not know this kind of action", tentative=True)]
        found = await self._kinds[action.kind].validate(action, tenant)
        return [ActionProblem(f"{action.kind}.{each.field}" if each.field else action.kind, each.reason, each.tentative) for each in found]

    async def run(self, job: Job) -> JobResult:
        """Runs the job's action once."""
        kind = self._kinds.get(job.action.kind)
        if kind is None:
            # The next attempt goes to another processor, if there is one.
            return JobFailed(reason="UNSUPPORTED_ACTION", message="this processor does not know this kind of action", retryable=True)
        return await kind.run(job, job.action)

    def describe(self, action: JobAction) -> str:
        """The metric label that tells actions of its kind apart; empty for an unknown kind."""
        kind = self._kinds.get(action.kind)
        return "" if kind is None else kind.describe(action)
