"""The handlers that come with Tocsin."""

from typing import Any

import structlog

from processor_svc.registry import TaskContext, task


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
    await structlog.get_logger("processor.task.log").ainfo("task_message", message=message, firing=context.firing, tenant_id=context.tenant)
    return {"message": message}
