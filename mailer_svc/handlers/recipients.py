"""RecipientService."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain import Recipient
from mailer_svc.handlers.people_imports import PeopleCodecs, exported, exported_recipient, imported, recipient_lines
from mailer_svc.handlers.people_messages import (
    address_draft,
    address_message,
    personal_rules,
    recipient_draft,
    recipient_message,
    rules_message,
)
from mailer_svc.ports import RecipientQuery
from mailer_svc.service import AddressVerification, PeopleImports, Recipients
from tocsin.api.mailer.v1 import recipient_service_pb2 as pb
from tocsin.api.mailer.v1 import recipient_service_pb2_grpc as rpc
from tocsin.api.mailer.v1.import_pb2 import ImportOptions
from tocsin.channels import CHANNELS
from tocsin.errors import InvalidInput
from tocsin.listing import Condition, FilterField, FilterKind, parse_filter
from tocsin.masks import fields_to_change, paths_of
from tocsin.mesh.context import principal
from tocsin.mesh.tokens import Principal
from tocsin.pages import Listing, list_page

Context = grpc.aio.ServicerContext[Any, Any]

_EQUAL = ("=",)
RECIPIENT_FILTER = {
    "display_name": FilterField(operators=_EQUAL),
    "address": FilterField(operators=_EQUAL),
    "channel": FilterField(kind=FilterKind.CHOICE, choices=tuple(CHANNELS), operators=_EQUAL),
    "group": FilterField(operators=_EQUAL),
}
_WRITABLE = ("display_name", "locale", "time_zone", "attributes")
_LEFT = ("addresses", "groups", "rules")  # they have methods of their own
_COLLECTION = "recipients/"


class RecipientHandlers(rpc.RecipientServiceServicer):
    """Manages recipients of the caller's tenant."""

    def __init__(self, *, recipients: Recipients, verification: AddressVerification, imports: PeopleImports, codecs: PeopleCodecs) -> None:
        self._recipients = recipients
        self._verification = verification
        self._imports = imports
        self._codecs = codecs

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
        named = fields_to_change(request.update_mask, given, (*_WRITABLE, *_LEFT))
        changes = {name: getattr(draft, name) for name in named if name in _WRITABLE}
        if left := [name for name in named if name in _LEFT and (name in paths_of(request.update_mask) or getattr(given, name))]:
            _check_as_they_are(left, given, recipient_message(await self._recipients.get(tenant=who.tenant, id=draft.id)))
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

    async def GetPersonalRules(self, request: pb.GetPersonalRulesRequest, context: Context) -> pb.PersonalRules:
        """Reads how a recipient wants to be told of incidents."""
        rules = await self._recipients.rules(tenant=principal().tenant, recipient=_ruled(request.name))
        return rules_message(rules, name=request.name)

    async def ReplacePersonalRules(self, request: pb.ReplacePersonalRulesRequest, context: Context) -> pb.PersonalRules:
        """Changes that."""
        name = request.rules.name
        rules = await self._recipients.replace_rules(tenant=principal().tenant, recipient=_ruled(name), rules=personal_rules(request.rules))
        return rules_message(rules, name=name)

    async def ImportRecipients(
        self, request_iterator: AsyncIterator[pb.ImportRecipientsRequest], context: Context
    ) -> AsyncGenerator[pb.ImportRecipientsResponse]:
        """Makes and changes many recipients."""

        def begin(who: Principal, options: ImportOptions) -> tuple[Any, Any]:
            source = recipient_lines(self._codecs, who, skip=options.skip_lines)
            return self._imports.of_recipients(who.tenant, dry=options.validate_only), source

        async with aclosing(imported(self._imports, request_iterator, begin)) as found:
            async for progress in found:
                yield pb.ImportRecipientsResponse(progress=progress)

    async def ExportRecipients(self, request: pb.ExportRecipientsRequest, context: Context) -> AsyncGenerator[pb.ExportRecipientsResponse]:
        """Sends every recipient that meets the filter."""
        query, address = recipient_query(principal().tenant, parse_filter(request.filter, fields=RECIPIENT_FILTER))

        async def read(after: str, most: int) -> Sequence[Recipient]:
            return await self._recipients.page(query, address=address, after=after, limit=most)

        async for items in exported(read, show=exported_recipient, place=lambda item: item.id):
            yield pb.ExportRecipientsResponse(recipients=items)


def _ruled(name: str) -> str:
    """The id of the recipient whose rules a name is of."""
    return name.removeprefix(_COLLECTION).removesuffix("/rules")


def _address_of(name: str) -> tuple[str, str]:
    _, recipient, _, identity = name.split("/")
    return recipient, identity


def _check_as_they_are(left: Collection[str], given: pb.Recipient, stored: pb.Recipient) -> None:
    """Refuses other addresses and groups than those that there are: an update leaves them, and the caller would not know."""
    kept = {(item.channel, item.value) for item in stored.addresses}
    if "addresses" in left and {(item.channel, item.value) for item in given.addresses} != kept:
        raise InvalidInput.at("recipient.addresses", f"are not changed by an update: POST /v1/{stored.name}/addresses adds one")
    if "groups" in left and set(given.groups) != set(stored.groups):
        raise InvalidInput.at("recipient.groups", "are not changed by an update: POST /v1/groups/{id}:addMembers adds members")
    if "rules" in left and personal_rules(given.rules) != personal_rules(stored.rules):
        raise InvalidInput.at("recipient.rules", f"are not changed by an update: PUT /v1/{stored.name}/rules replaces them")


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
