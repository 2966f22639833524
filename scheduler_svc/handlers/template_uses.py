"""Which alarms a change of a template would break."""

from typing import Final

from scheduler_svc.ports import TemplateUses
from tocsin.actions import notice_of
from tocsin.api.scheduler.v1 import alarm_pb2, scheduler_service_pb2

_NAMED: Final = 10
_PAGE: Final = 200


async def template_uses(
    request: scheduler_service_pb2.FindTemplateUsesRequest, uses: TemplateUses
) -> scheduler_service_pb2.FindTemplateUsesResponse:
    """The alarms that use the template and do not give every variable that it requires, or give others than it takes."""
    found: list[str] = []
    after = ""
    while len(found) <= _NAMED:
        page = await uses.naming(request.tenant, request.template, after=after, size=_PAGE)
        found += [f"alarms/{alarm}" for alarm, body in page if _breaks(body, request)]
        if len(page) < _PAGE:
            break
        after = page[-1][0]
    return scheduler_service_pb2.FindTemplateUsesResponse(alarms=found[:_NAMED], more=len(found) > _NAMED)


def _breaks(body: bytes, request: scheduler_service_pb2.FindTemplateUsesRequest) -> bool:
    notice = notice_of(alarm_pb2.Action.FromString(body))
    if notice is None or notice.notify.template != request.template:
        return False
    notify = notice.notify
    if not request.required and not request.allowed:
        return True
    missing = any(name not in notify.variables for name in request.required)
    return missing or (bool(request.allowed) and any(name not in request.allowed for name in notify.variables))
