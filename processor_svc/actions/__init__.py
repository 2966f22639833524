"""The actions of the processor: a file for each kind, and the list of them."""

from processor_svc.actions.check import CheckKind
from processor_svc.actions.kinds import ActionKind, Actions
from processor_svc.actions.notify import NotifyKind
from processor_svc.actions.publish import PublishKind
from processor_svc.actions.task import TaskKind
from processor_svc.actions.webhook import WebhookKind


def every_action(*, notify: NotifyKind, tasks: TaskKind, webhooks: WebhookKind, checks: CheckKind, publish: PublishKind) -> Actions:
    """Every kind of action that this processor runs. A new kind is its file and its line here."""
    return Actions([notify, tasks, webhooks, checks, publish])


__all__ = ["ActionKind", "Actions", "CheckKind", "NotifyKind", "PublishKind", "TaskKind", "WebhookKind", "every_action"]
