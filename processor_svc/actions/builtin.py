"""The handlers that come with Tocsin."""

from typing import Any

from processor_svc.registry import TaskContext, task
from tocsin.telemetry import get_logger

_log = get_logger(__name__)


@task("uppercase")
async def uppercase(text: str) -> dict[str, str]:
    """Returns the text in upper case."""
    return {"text": text.upper()}


@task("noop")
async def noop(payload: Any = None) -> dict[str, Any]:
    """Does nothing and succeeds."""
    return {} if payload is None else {"payload": payload}


@task("log")
async def log(context: TaskContext, message: str) -> dict[str, str]:
    """Writes the message to the service's log."""
    _log.info("message of a task", message=message, firing=context.firing, tenant_id=context.tenant)
    return {"message": message}
