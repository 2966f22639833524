"""Personal data in events, by the tenant's policies, before anything of an event is kept."""

from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from scheduler_svc.contexts import plain
from tocsin.api.scheduler.v1 import trigger_service_pb2
from tocsin.mesh.context import principal
from tocsin.pii import Measure, PiiArea, PiiGuard

_DATA: Final = "event.data"
_SOURCE: Final = "event.source"


class EventScreen:
    """Looks at what is published. Where nobody has set a policy that costs a look-up."""

    def __init__(self, *, guard: PiiGuard) -> None:
        self._guard = guard

    async def screen(self, event: trigger_service_pb2.PublishedEvent) -> trigger_service_pb2.PublishedEvent:
        """The event as it may be published.

        Raises:
            PiiRefused: a policy blocks it.
        """
        who = principal()
        if not self._guard.rules(who.tenant, PiiArea.EVENTS, event.topic):
            return event
        values: dict[str, Any] = {_DATA: plain(event.data), _SOURCE: event.source}
        verdict = await self._guard.check(
            tenant=who.tenant,
            area=PiiArea.EVENTS,
            subject=event.topic,
            values=values,
            identifiers={"event.id": event.id},
            caller=who.subject,
        )
        shown = verdict.require()
        if verdict.measure is not Measure.REDACT:
            return event
        redacted = trigger_service_pb2.PublishedEvent()
        redacted.CopyFrom(event)
        data = Struct()
        data.update(shown[_DATA])
        redacted.data.CopyFrom(data)
        redacted.source = shown[_SOURCE]
        return redacted
