"""SimpleNotificationService: the short form of notifications."""

import json
import re
from typing import Final

from google.protobuf.struct_pb2 import Struct

from mailer_svc.domain import (
    DeliveryState,
    Notification,
    NotificationState,
    Priority,
    TemplateUse,
    notification_id,
)
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.handlers.notifications import Context
from mailer_svc.service import CountedNotification, Notifications
from tocsin.api.mailer.v1 import simple_notification_service_pb2 as pb
from tocsin.api.mailer.v1 import simple_notification_service_pb2_grpc as rpc
from tocsin.errors import FieldViolation, InvalidInput
from tocsin.mesh.context import principal
from tocsin.mesh.values import plain

_HERE: Final = {
    "notification.template": "templateCode",
    "notification.variables": "variables",
    "notification.channels[0]": "notificationType",
    "notification.metadata": "metadata",
}
_UNDER_WAY: Final = frozenset({DeliveryState.ACCEPTED, DeliveryState.SENDING, DeliveryState.RETRYING, DeliveryState.HELD})
_OUT: Final = frozenset({DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.DIGESTED})
_ENDED: Final = frozenset({NotificationState.CANCELLED, NotificationState.FAILED})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
_MOST_VARIABLES: Final = 100
_MOST_BYTES: Final = 65536


class SimpleNotificationHandlers(rpc.SimpleNotificationServiceServicer):
    """Sends notifications in the short form, and tells in one word what became of one."""

    def __init__(self, *, notifications: Notifications) -> None:
        self._notifications = notifications

    async def SendSimpleNotification(self, request: pb.SendSimpleNotificationRequest, context: Context) -> pb.SimpleNotification:
        """Takes a notification for one recipient."""
        draft = _draft(principal().tenant, request)
        try:
            # The system that this form is of takes users whom it does not know, and tells it in the status.
            sent = await self._notifications.send(draft, request_id=request.request_id, check_recipients=False)
        except InvalidInput as error:
            raise _in_short_form(error) from error
        return _shown(await self._notifications.get(tenant=sent.tenant, id=sent.id))

    async def GetSimpleNotification(self, request: pb.GetSimpleNotificationRequest, context: Context) -> pb.SimpleNotification:
        """Tells what became of a notification."""
        tenant = principal().tenant
        if bool(request.notification_id) == bool(request.request_id):
            raise InvalidInput.at("notificationId", "give either it or requestId")
        known = request.notification_id.removeprefix("notifications/")
        identity = known or notification_id(tenant=tenant, kind="request", key=request.request_id)
        return _shown(await self._notifications.get(tenant=tenant, id=identity))


def _draft(tenant: str, given: pb.SendSimpleNotificationRequest) -> Notification:
    urgency = {0: Priority.NORMAL, 1: Priority.CRITICAL, 2: Priority.NORMAL}
    return Notification(
        id="",
        tenant=tenant,
        priority=urgency.get(given.priority, Priority.BULK),
        category="",
        channels=(given.notification_type,),
        to=(),
        recipients=(f"recipients/{given.user_id}",),
        content=TemplateUse(given.template_code, _variables(given.variables)),
        resend=False,
        metadata=_json(plain(given.metadata)) if given.HasField("metadata") else "",
        status_url="",
        send_time=0,
        created=0,
        updated=0,
    )


def _variables(given: Struct) -> dict[str, str]:
    """The values as templates take them: texts as they are, nothing for null, anything else as JSON.

    Raises:
        InvalidInput: there are too many, or one has a name or a length that no template takes.
    """
    if len(given.fields) > _MOST_VARIABLES:
        raise InvalidInput.at("variables", f"has more than {_MOST_VARIABLES} values")
    found: dict[str, str] = {}
    for name, value in plain(given).items():
        if not _NAME.match(name):
            raise InvalidInput.at("variables", f"{name[:64]!r} is no name of a variable: letters, digits and underscores")
        text = value if isinstance(value, str) else "" if value is None else _json(value)
        if len(text.encode()) > _MOST_BYTES:
            raise InvalidInput.at(f"variables.{name}", f"has more than {_MOST_BYTES:,} bytes")
        found[name] = text
    return found


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _in_short_form(error: InvalidInput) -> InvalidInput:
    """``error`` with the fields of the short form."""
    wrong = [FieldViolation(_HERE.get(item.field, item.field), item.description) for item in error.violations]
    return InvalidInput("; ".join(f"{item.field}: {item.description}" for item in wrong) or error.message, violations=wrong)


def _shown(counted: CountedNotification) -> pb.SimpleNotification:
    item, states = counted.notification, {DeliveryState(count.state) for count in counted.counts if count.count}
    shown = pb.SimpleNotification(notification_id=item.id, timestamp=timestamp(item.updated), status="failed")
    if states & _OUT:
        shown.status = "delivered"
    elif states & _UNDER_WAY or item.state not in (*_ENDED, NotificationState.COMPLETED):
        shown.status = "pending"
    else:
        reasons = [count.reason for count in counted.counts if count.reason]
        shown.error = item.detail or (reasons[0] if reasons else "".join(sorted(state.name for state in states)[:1]) or item.state.name)
    return shown
