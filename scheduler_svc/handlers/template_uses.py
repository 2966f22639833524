"""Which alarms a change of a template would break."""

from collections.abc import Sequence
from typing import Final

from scheduler_svc.ports import TemplateUses
from tocsin.api.scheduler.v1 import alarm_pb2, scheduler_service_pb2

_NAMED: Final = 10
_PAGE: Final = 200


async def template_uses(
    request: scheduler_service_pb2.FindTemplateUsesRequest, uses: TemplateUses
) -> scheduler_service_pb2.FindTemplateUsesResponse:
    """The alarms that use the template and do not give every variable that it requires."""
    found: list[str] = []
    after = ""
    while len(found) <= _NAMED:
        page = await uses.naming(request.tenant, request.template, after=after, size=_PAGE)
        found += [f"alarms/{alarm}" for alarm, body in page if _breaks(body, request.template, request.required)]
        if len(page) < _PAGE:
            break
        after = page[-1][0]
    return scheduler_service_pb2.FindTemplateUsesResponse(alarms=found[:_NAMED], more=len(found) > _NAMED)


def _breaks(body: bytes, template: str, required: Sequence[str]) -> bool:
    notify = alarm_pb2.Action.FromString(body).notify
    return notify.template == template and (not required or any(name not in notify.variables for name in required))
