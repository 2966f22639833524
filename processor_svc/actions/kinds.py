"""The kinds of action that this processor knows, in one place: how each is read, checked, run and described."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from processor_svc.domain import Action, ActionProblem, Job, JobFailed, JobResult, UnknownAction
from processor_svc.results import error_text
from tocsin.api.scheduler.v1 import alarm_pb2


class ActionKind(Protocol):
    """One kind of action. Each takes the actions that its own `decode` makes."""

    @property
    def name(self) -> str:
        """The field of `tocsin.api.scheduler.v1.Action` that holds it."""
        ...

    def decode(self, message: Any) -> Action:
        """The action in that field; raises whatever a message that cannot be read leads to."""
        ...

    async def check(self, action: Any) -> Sequence[ActionProblem]:
        """What is wrong with the action, before anything is run; fields by their path below the action's own."""
        ...

    async def run(self, job: Job, action: Any) -> JobResult:
        """How a run of the job ended."""
        ...

    def describe(self, action: Any) -> str:
        """What tells actions of the kind apart in measurements, such as the handler; empty without such a thing."""
        ...


class Actions:
    """The kinds, by name."""

    def __init__(self, kinds: Iterable[ActionKind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    @property
    def names(self) -> Sequence[str]:
        """The names of all kinds, in order."""
        return sorted(self._kinds)

    def decode(self, message: alarm_pb2.Action) -> Action:
        """The action; one of a kind that is not known here says so."""
        name = message.WhichOneof("kind")
        return UnknownAction() if name is None or name not in self._kinds else self._kinds[name].decode(getattr(message, name))

    async def check(self, message: alarm_pb2.Action) -> Sequence[ActionProblem]:
        """What is wrong with an action; fields by their path in it."""
        try:
            action = self.decode(message)
        except Exception as error:  # noqa: BLE001  whatever it is, the action cannot be read
            return [ActionProblem("", f"cannot be read: {error_text(error)}")]
        if isinstance(action, UnknownAction):
            return [ActionProblem("", "this processor does not know the kind of action", tentative=True)]
        found = await self._kinds[action.kind].check(action)
        return [ActionProblem(f"{action.kind}.{each.field}" if each.field else action.kind, each.reason, each.tentative) for each in found]

    async def run(self, job: Job) -> JobResult:
        """Runs the job's action once."""
        kind = self._kinds.get(job.action.kind)
        if kind is None:
            # Another attempt goes to another processor, if there is one.
            return JobFailed(reason="UNSUPPORTED_ACTION", message="this processor does not know the kind of action", retryable=True)
        return await kind.run(job, job.action)

    def describe(self, action: Action) -> str:
        """What tells actions of its kind apart in measurements."""
        kind = self._kinds.get(action.kind)
        return "" if kind is None else kind.describe(action)
