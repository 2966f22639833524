"""Callers of imports and exports."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from tests.integration.scheduler.support import Rig
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2

Request = alarm_service_pb2.ImportAlarmsRequest
NDJSON = "application/x-ndjson"
CSV = "text/csv"


@dataclass
class Report:
    """What an import answered."""

    answers: list[Any] = field(default_factory=list)

    @property
    def last(self) -> Any:
        """The last answer."""
        return self.answers[-1]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Alarms made, changed, the same, refused."""
        return self.last.created, self.last.updated, self.last.unchanged, self.last.refused

    @property
    def refusals(self) -> list[tuple[int, str, str]]:
        """The lines that were refused."""
        return [(item.line, item.field, item.reason) for answer in self.answers for item in answer.refusals]


def pieces(text: bytes, *, media_type: str = NDJSON, size: int = 65536) -> list[Any]:
    """The text as messages."""
    parts = [text[at : at + size] for at in range(0, len(text), size)]
    return [Request(data=HttpBody(content_type=media_type, data=part)) for part in parts]


async def import_text(
    rig: Rig, text: bytes, *, tenant: str = "t1", zone: str = "UTC", size: int = 65536, media_type: str = NDJSON, **options: Any
) -> Report:
    """Imports a text."""
    return await run(rig, pieces(text, media_type=media_type, size=size), tenant=tenant, zone=zone, **options)


async def import_messages(rig: Rig, alarms: Sequence[Any], *, tenant: str = "t1", **options: Any) -> Report:
    """Imports alarms."""
    return await run(rig, [Request(alarms=Request.Alarms(alarms=alarms))], tenant=tenant, **options)


async def run(rig: Rig, requests: Iterable[Any], *, tenant: str = "t1", zone: str = "UTC", **options: Any) -> Report:
    """Runs an import to its end."""

    async def sent() -> AsyncIterator[Any]:
        if options:
            yield Request(options=Request.Options(**options))
        for request in requests:
            yield request

    report = Report()
    with rig.user(tenant, zone=zone):
        async for answer in rig.alarms.ImportAlarms(sent()):
            report.answers.append(answer)
    return report


async def export(rig: Rig, tenant: str = "t1", filter: str = "") -> list[alarm_pb2.Alarm]:  # noqa: A002  the contract's word
    """Every alarm of a tenant."""
    with rig.user(tenant):
        return [
            alarm
            async for answer in rig.alarms.ExportAlarms(alarm_service_pb2.ExportAlarmsRequest(filter=filter))
            for alarm in answer.alarms
        ]
