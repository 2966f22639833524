"""RecipientService."""

import json
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct

from mailer_svc.domain import AddressState, Recipient, RecipientAddress
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.handlers.masks import fields_to_change
from mailer_svc.ports import RecipientQuery
from mailer_svc.service import AddressDraft, AddressVerification, RecipientDraft, Recipients
from tocsin.api.mailer.v1 import recipient_service_pb2 as pb
from tocsin.api.mailer.v1 import recipient_service_pb2_grpc as rpc
from tocsin.channels import CHANNELS
from tocsin.listing import Condition, FilterField, FilterKind, parse_filter
from tocsin.mesh.context import principal
from tocsin.pages import Listing, list_page
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_EQUAL = ("=",)
RECIPIENT_FILTER = {
    "display_name": FilterField(operators=_EQUAL),
    "address": FilterField(operators=_EQUAL),
    "channel": FilterField(kind=FilterKind.CHOICE, choices=tuple(CHANNELS), operators=_EQUAL),
    "group": FilterField(operators=_EQUAL),
}
_WRITABLE = ("display_name", "locale", "time_zone", "attributes")
_COLLECTION = "recipients/"


class RecipientHandlers(rpc.RecipientServiceServicer):
    """Manages recipients of the caller's tenant."""

    def __init__(self, *, recipients: Recipients, verification: AddressVerification) -> None:
        self._recipients = recipients
        self._verification = verification

    async def CreateRecipient(self, request: pb.CreateRecipientRequest, context: Context) -> pb.Recipient:
        """Makes a recipient."""
        who = principal()
        made = await self._recipients.create(tenant=who.tenant, draft=recipient_draft(request.recipient, time_zone=who.time_zone))
        return recipient_message(made)

    async def GetRecipient(self, request: pb.GetRecipientRequest, context: Context) -> pb.Recipient:
        """Reads a recipient."""
        return recipient_message(await self._recipients.get(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION)))

    async def ListRecipients(self, request: pb.ListRecipientsRequest, context: Context) -> pb.ListRecipientsResponse:
        """Lists recipients, by name."""
        tenant = principal().tenant
        query, address = recipient_query(tenant, parse_filter(request.filter, fields=RECIPIENT_FILTER))

        async def read(behind: tuple[str] | None, most: int) -> tuple[Sequence[Recipient], None]:
            return await self._recipients.page(query, address=address, after=behind[0] if behind else "", limit=most), None

        listing = Listing(f"recipients {tenant} {request.filter}", (str,))
        found, token = await list_page(request, listing, read=read, show=recipient_message, place=lambda item: (item.id,))
        return pb.ListRecipientsResponse(recipients=found, next_page_token=token)

    async def UpdateRecipient(self, request: pb.UpdateRecipientRequest, context: Context) -> pb.Recipient:
        """Changes fields of a recipient."""
        who, given = principal(), request.recipient
        draft = recipient_draft(given, time_zone=who.time_zone)
        changes = {name: getattr(draft, name) for name in fields_to_change(request.update_mask, given, _WRITABLE)}
        return recipient_message(await self._recipients.update(tenant=who.tenant, id=draft.id, changes=changes))

    async def DeleteRecipient(self, request: pb.DeleteRecipientRequest, context: Context) -> Empty:
        """Removes a recipient."""
        await self._recipients.delete(tenant=principal().tenant, id=request.name.removeprefix(_COLLECTION))
        return Empty()

    async def AddAddress(self, request: pb.AddAddressRequest, context: Context) -> pb.Address:
        """Adds an address."""
        recipient = request.parent.removeprefix(_COLLECTION)
        added = await self._recipients.add_address(tenant=principal().tenant, recipient=recipient, draft=address_draft(request.address))
        return address_message(recipient, added)

    async def RemoveAddress(self, request: pb.RemoveAddressRequest, context: Context) -> Empty:
        """Removes an address."""
        recipient, identity = _address_of(request.name)
        await self._recipients.remove_address(tenant=principal().tenant, recipient=recipient, id=identity)
        return Empty()

    async def RequestAddressVerification(self, request: pb.RequestAddressVerificationRequest, context: Context) -> pb.Address:
        """Sends a code to an address."""
        recipient, identity = _address_of(request.name)
        found = await self._verification.request(tenant=principal().tenant, recipient=recipient, id=identity)
        return address_message(recipient, found)

    async def VerifyAddress(self, request: pb.VerifyAddressRequest, context: Context) -> pb.Address:
        """Takes a code back."""
        recipient, identity = _address_of(request.name)
        found = await self._verification.verify(tenant=principal().tenant, recipient=recipient, id=identity, code=request.code)
        return address_message(recipient, found)


def _address_of(name: str) -> tuple[str, str]:
    _, recipient, _, identity = name.split("/")
    return recipient, identity


def recipient_query(tenant: str, conditions: Sequence[Condition]) -> tuple[RecipientQuery, str | None]:
    """What a filter asks for, and the address that it names, which has no normal form yet."""
    values = {condition.field: str(condition.value) for condition in conditions}
    name = values.get("display_name")
    is_prefix = name is not None and name.endswith("*")
    group = values.get("group")
    query = RecipientQuery(
        tenant=tenant,
        name=None if is_prefix else name,
        prefix=name[:-1] if name is not None and is_prefix else None,
        channel=values.get("channel"),
        group=group.removeprefix("groups/") if group is not None else None,
    )
    return query, values.get("address")


def recipient_draft(given: pb.Recipient, *, time_zone: str) -> RecipientDraft:
    """A recipient as a client wrote it; ``time_zone`` is taken unless it names one."""
    return RecipientDraft(
        id=given.name.removeprefix(_COLLECTION),
        display_name=given.display_name,
        locale=given.locale,
        time_zone=given.time_zone or time_zone,
        attributes=_attributes(given.attributes),
        addresses=[address_draft(address) for address in given.addresses],
        groups=[group.removeprefix("groups/") for group in given.groups],
    )


def _attributes(given: Struct) -> str:
    return json.dumps(json_format.MessageToDict(given), ensure_ascii=False, sort_keys=True) if given.fields else "{}"


def address_draft(given: pb.Address) -> AddressDraft:
    """An address as a client wrote it."""
    state = AddressState(given.state) if given.state else None
    return AddressDraft(channel=given.channel, value=given.value, state=state, reason=given.reason)


def recipient_message(item: Recipient) -> pb.Recipient:
    """The recipient as clients see it."""
    message = pb.Recipient(
        name=f"recipients/{item.id}",
        display_name=item.display_name,
        locale=item.locale,
        time_zone=item.time_zone,
        addresses=[address_message(item.id, address) for address in item.addresses],
        groups=[f"groups/{group}" for group in item.groups],
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if item.attributes != "{}":
        message.attributes.CopyFrom(_stored_attributes(item.attributes))
    return message


def _stored_attributes(text: str) -> Struct:
    found = Struct()
    try:
        json_format.Parse(text, found)
    except json_format.ParseError:  # what an odd row holds costs itself, not the page
        return Struct()
    return found


def address_message(recipient: str, item: RecipientAddress) -> pb.Address:
    """The address as clients see it."""
    message = pb.Address(
        name=f"recipients/{recipient}/addresses/{item.id}",
        channel=item.channel,
        value=item.value,
        state=pb.Address.State.ValueType(int32(item.state)),
        reason=item.reason,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if item.last_seen:
        message.last_seen_time.CopyFrom(timestamp(item.last_seen))
    return message
