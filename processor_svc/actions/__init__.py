"""The actions of the processor: a file for each kind, and the list of them."""

from processor_svc.actions.kinds import ActionKind, Actions
from processor_svc.actions.notify import NotifyKind
from processor_svc.actions.task import TaskKind
from processor_svc.ports import Mailer


def every_action(*, mailer: Mailer, tasks: TaskKind) -> Actions:
    """Every kind of action that this processor runs. A new kind is its file and its line here."""
    return Actions([NotifyKind(mailer=mailer), tasks])


__all__ = ["ActionKind", "Actions", "NotifyKind", "TaskKind", "every_action"]
