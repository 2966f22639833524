"""What a user asks for about people, through the mesh."""

from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.mailer.support import Rig
from tocsin.api.mailer.v1 import group_service_pb2 as groups
from tocsin.api.mailer.v1 import recipient_service_pb2 as recipients

Address = recipients.Address


class People:
    """What a user of a tenant asks for."""

    def __init__(self, rig: Rig, tenant: str = "t1") -> None:
        self.rig = rig
        self.tenant = tenant

    async def call(self, method: Any, request: Any) -> Any:
        """One call."""
        with self.rig.user(self.tenant):
            return await method(request)

    async def create(self, id: str = "", **fields: Any) -> recipients.Recipient:  # noqa: A002
        """A new recipient."""
        given = recipients.Recipient(name=f"recipients/{id}" if id else "", **fields)
        return await self.call(self.rig.recipients.CreateRecipient, recipients.CreateRecipientRequest(recipient=given))

    async def get(self, name: str) -> recipients.Recipient:
        """A recipient."""
        return await self.call(self.rig.recipients.GetRecipient, recipients.GetRecipientRequest(name=name))

    async def update(self, *paths: str, **fields: Any) -> recipients.Recipient:
        """A recipient, changed."""
        request = recipients.UpdateRecipientRequest(recipient=recipients.Recipient(**fields), update_mask=FieldMask(paths=paths))
        return await self.call(self.rig.recipients.UpdateRecipient, request)

    async def names(self, condition: str = "") -> list[str]:
        """The ids of recipients that meet a filter, read in pages of two."""
        found: list[str] = []
        token = ""
        while True:
            request = recipients.ListRecipientsRequest(filter=condition, page_size=2, page_token=token)
            page = await self.call(self.rig.recipients.ListRecipients, request)
            found += [item.name.removeprefix("recipients/") for item in page.recipients]
            token = page.next_page_token
            if not token:
                return found

    async def add_address(self, parent: str, **fields: Any) -> Address:
        """A new address."""
        request = recipients.AddAddressRequest(parent=parent, address=Address(**fields))
        return await self.call(self.rig.recipients.AddAddress, request)

    async def request(self, name: str) -> Address:
        """Asks for a code."""
        method, request = self.rig.recipients.RequestAddressVerification, recipients.RequestAddressVerificationRequest(name=name)
        return await self.call(method, request)

    async def verify(self, name: str, code: str) -> Address:
        """Brings a code back."""
        return await self.call(self.rig.recipients.VerifyAddress, recipients.VerifyAddressRequest(name=name, code=code))

    async def group(self, id: str, *members: str) -> None:  # noqa: A002
        """A new group with members."""
        await self.call(self.rig.groups.CreateGroup, groups.CreateGroupRequest(group=groups.Group(name=f"groups/{id}")))
        if members:
            await self.add(id, *members)

    async def add(self, id: str, *members: str) -> groups.Group:  # noqa: A002
        """A group with more members."""
        request = groups.AddGroupMembersRequest(name=f"groups/{id}", members=members)
        return await self.call(self.rig.groups.AddGroupMembers, request)

    async def members(self, id: str) -> list[str]:  # noqa: A002
        """What is in a group itself."""
        request = groups.ListGroupMembersRequest(name=f"groups/{id}", page_size=1000)
        page = await self.call(self.rig.groups.ListGroupMembers, request)
        return [member.name for member in page.members]
