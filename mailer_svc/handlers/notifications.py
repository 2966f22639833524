"""NotificationService."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import grpc
import msgspec
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError

from mailer_svc.domain import NO_ALERT, Content, DeliveryCount, Notification, NotificationState, Priority, TemplateUse
from mailer_svc.handlers.deliver import alert_of
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.handlers.resources import resource
from mailer_svc.ports import NotificationQuery
from mailer_svc.service import CountedNotification, Notifications
from tocsin.api.mailer.v1 import delivery_service_pb2
from tocsin.api.mailer.v1 import notification_service_pb2 as pb
from tocsin.api.mailer.v1 import notification_service_pb2_grpc as rpc
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.listing import Condition, FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import NOT_READABLE, int32

Context = grpc.aio.ServicerContext[Any, Any]

_FILTERS = {
    "state": FilterField(kind=FilterKind.CHOICE, choices=tuple(state.name for state in NotificationState)),
    "category": FilterField(),
    "firing": FilterField(),
    "alarm": FilterField(),
}


class NotificationHandlers(rpc.NotificationServiceServicer):
    """Sends notifications, and tells what became of them."""

    def __init__(self, *, notifications: Notifications, secret: Callable[[str], str]) -> None:
        """Takes what keeps them, and what gives the secret of a tenant's status callbacks."""
        self._notifications = notifications
        self._secret = secret

    async def GetCallbackSecret(self, request: pb.GetCallbackSecretRequest, context: Context) -> pb.GetCallbackSecretResponse:
        """Tells the secret that status callbacks are signed with."""
        return pb.GetCallbackSecretResponse(secret=self._secret(principal().tenant))

    async def SendNotification(self, request: pb.SendNotificationRequest, context: Context) -> pb.Notification:
        """Takes a notification."""
        draft = draft_of(principal().tenant, request.notification)
        return notification_message(CountedNotification(await self._notifications.send(draft, request_id=request.request_id)))

    async def GetNotification(self, request: pb.GetNotificationRequest, context: Context) -> pb.Notification:
        """Reads a notification, with the number of its deliveries by state and reason."""
        return notification_message(await self._notifications.get(tenant=principal().tenant, id=_id(request.name)))

    async def ListNotifications(self, request: pb.ListNotificationsRequest, context: Context) -> pb.ListNotificationsResponse:
        """Lists notifications, the newest first."""
        tenant = principal().tenant
        wanted = _query(tenant, parse_filter(request.filter, fields=_FILTERS))

        async def read(behind: tuple[int, str] | None, most: int) -> tuple[Sequence[Notification], None]:
            return await self._notifications.page(wanted, before=behind, limit=most), None

        listing = Listing(f"notifications {tenant} {request.filter}", (int, str))
        items, token = await list_page(request, listing, read=read, show=_uncounted, place=lambda item: (item.created, item.id))
        return pb.ListNotificationsResponse(notifications=items, next_page_token=token)

    async def CancelNotification(self, request: pb.CancelNotificationRequest, context: Context) -> pb.Notification:
        """Cancels a notification before its time."""
        return _uncounted(await self._notifications.cancel(tenant=principal().tenant, id=_id(request.name)))


def draft_of(tenant: str, given: pb.Notification) -> Notification:
    """The notification that a client asks for, without an id."""
    use = TemplateUse(given.template.removeprefix("templates/"), dict(given.variables))
    return Notification(
        id="",
        tenant=tenant,
        priority=Priority(given.priority or Priority.NORMAL),
        category=given.category.removeprefix("categories/"),
        channels=tuple(given.channels),
        to=tuple(given.to),
        recipients=tuple(given.recipients),
        content=use if given.template else Content(given.subject, given.text, given.html),
        alert=alert_of(given),
        resend=given.resend_if_unknown,
        metadata=_metadata(given),
        status_url=given.status_url,
        send_time=given.send_time.ToMicroseconds() if given.HasField("send_time") else 0,
        created=0,
        updated=0,
    )


def _metadata(given: pb.Notification) -> str:
    if not given.HasField("metadata"):
        return ""
    return json.dumps(MessageToDict(given.metadata), ensure_ascii=False, separators=(",", ":"))


def _uncounted(item: Notification) -> pb.Notification:
    return notification_message(CountedNotification(item))


def notification_message(counted: CountedNotification) -> pb.Notification:
    """The notification as clients see it."""
    item = counted.notification
    message = pb.Notification(
        name=f"notifications/{item.id}",
        to=item.to,
        recipients=item.recipients,
        channels=item.channels,
        category=resource("categories", item.category),
        priority=alarm_pb2.Priority.ValueType(int32(item.priority)),
        send_time=timestamp(item.send_time),
        status_url=item.status_url,
        resend_if_unknown=item.resend,
        state=pb.Notification.State.ValueType(int32(item.state)),
        detail=item.detail,
        deliveries=[_count(each) for each in counted.counts],
        firing=resource("firings", item.firing),
        dedup_key=item.alert.key,
        event=delivery_service_pb2.MessageEvent.ValueType(item.alert.event if item.alert != NO_ALERT else 0),
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if isinstance(item.content, TemplateUse):
        message.template = f"templates/{item.content.code}"
        message.variables.update(item.content.variables)
    else:
        message.subject, message.text, message.html = item.content.subject, item.content.text, item.content.html
    _show_metadata(message, item.metadata)
    return message


def _show_metadata(message: pb.Notification, text: str) -> None:
    try:
        found: object = msgspec.json.decode(text or "null")
        if isinstance(found, dict):
            ParseDict(cast("dict[str, object]", found), message.metadata)
    except (ParseError, *NOT_READABLE):  # a row that nobody can read shows what else it has
        message.ClearField("metadata")


def _count(item: DeliveryCount) -> pb.DeliveryCount:
    return pb.DeliveryCount(state=delivery_service_pb2.Delivery.State.ValueType(int32(item.state)), reason=item.reason, count=item.count)


def _id(name: str) -> str:
    return name.removeprefix("notifications/")


def _query(tenant: str, conditions: tuple[Condition, ...]) -> NotificationQuery:
    equal: list[tuple[str, str | int]] = []
    unequal: list[tuple[str, str | int]] = []
    for condition in conditions:
        value = str(condition.value)
        pair: tuple[str, str | int] = (condition.field, value)
        if condition.field == "firing":
            pair = ("firing", value.removeprefix("firings/"))
        elif condition.field == "category":
            pair = ("category", value.removeprefix("categories/"))
        elif condition.field == "state":
            pair = ("state", int(NotificationState[value]))
        (equal if condition.operator == "=" else unequal).append(pair)
    return NotificationQuery(tenant=tenant, equal=tuple(equal), unequal=tuple(unequal))
