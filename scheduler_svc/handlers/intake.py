"""IntakeService."""

from typing import Any, Final

import grpc
from google.api import httpbody_pb2

from scheduler_svc.domain.intake.integrations import IntegrationKeyUnknown, IntegrationKind, TooManyPayloads
from scheduler_svc.domain.intake.mail import ReceivedMail
from scheduler_svc.domain.intake.pagerduty import PagerDutyReply, accepted, refused, routing_key, throttled
from scheduler_svc.domain.intake.payloads import RawPayload
from scheduler_svc.handlers.integrations import receipt_message
from scheduler_svc.service.intake import PayloadIntake
from tocsin.api.scheduler.v1 import intake_service_pb2 as pb
from tocsin.api.scheduler.v1 import intake_service_pb2_grpc as rpc
from tocsin.api.scheduler.v1 import integration_service_pb2
from tocsin.errors import InvalidInput

Context = grpc.aio.ServicerContext[Any, Any]

_KINDS: Final = {
    "alertmanager": IntegrationKind.ALERTMANAGER,
    "grafana": IntegrationKind.GRAFANA,
    "generic": IntegrationKind.GENERIC,
    "cloudevents": IntegrationKind.CLOUDEVENTS,
}


class IntakeHandlers(rpc.IntakeServiceServicer):
    """Takes alerts from whoever has the key of an integration."""

    def __init__(self, *, intake: PayloadIntake) -> None:
        self._intake = intake

    async def ReceivePayload(self, request: pb.ReceivePayloadRequest, context: Context) -> integration_service_pb2.PayloadReceipt:
        """Takes a payload."""
        payload = RawPayload(request.body.data, request.body.content_type, dict(request.headers))
        taken = await self._intake.receive(request.key, payload, kind=_KINDS[request.format])
        return receipt_message(taken.receipt)

    async def EnqueuePagerDutyEvent(self, request: pb.EnqueuePagerDutyEventRequest, context: Context) -> pb.PagerDutyAnswer:
        """Takes an event, and answers as PagerDuty does."""
        payload = RawPayload(request.body.data, request.body.content_type)
        try:
            taken = await self._intake.receive(routing_key(payload), payload, kind=IntegrationKind.PAGERDUTY)
        except IntegrationKeyUnknown:
            return _answer(refused(["'routing_key' is not that of an integration"]))
        except InvalidInput as error:
            return _answer(refused(f"'{item.field}' {item.description}" for item in error.violations))
        except TooManyPayloads:
            return _answer(throttled())
        return _answer(accepted(taken.keys[0]))

    async def ReceiveMail(self, request: pb.ReceiveMailRequest, context: Context) -> pb.ReceiveMailResponse:
        """Takes a mail."""
        mail = ReceivedMail(request.message_id, getattr(request, "from"), request.subject, request.text)
        taken = await self._intake.receive_mail(request.key, mail)
        return pb.ReceiveMailResponse(incident=f"incidents/{taken.incidents[0].id}" if taken.incidents else "")


def _answer(reply: PagerDutyReply) -> pb.PagerDutyAnswer:
    body = httpbody_pb2.HttpBody(content_type="application/json", data=reply.body)
    return pb.PagerDutyAnswer(body=body, status=reply.status)
