"""Stores changes of addresses."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import AccountMail, AddressChange, User


class AddressChangeStore(Protocol):
    """Changes of addresses. Every method is one transaction."""

    async def ask_address_change(self, change: AddressChange, *, mail: AccountMail) -> None:
        """Stores a change and its mail; an earlier one of the user that was not confirmed cannot be any more.

        The mail is left out, and nobody is told, if its address got too many: it may be a stranger's.

        Raises:
            TooManyAddressChanges: the user has asked for too many of late.
        """
        ...

    async def find_address_change(self, name: str) -> AddressChange | None:
        """The change with this `name`."""
        ...

    async def confirm_address_change(
        self, token: str, change: AddressChange, *, notice: AccountMail | None, now: datetime
    ) -> Sequence[str]:
        """Uses up the token with this digest, and gives the user the new address; ends every session but that of the change, says which.

        Links that went to the address of before work no more, but for that of ``notice``.

        Raises:
            OneTimeTokenVoid: the token may not be used, the user is gone or has another address by now, or the new one is somebody's.
        """
        ...

    async def revert_address_change(
        self, token: str, change: AddressChange, *, mail: AccountMail, now: datetime
    ) -> tuple[User, Sequence[str]]:
        """Uses up the token with this digest, and gives the user the address of before; ends every session, and says which.

        The password works no more, for whoever changed the address knew it or had a session; ``mail`` leads to another one. Later changes
        of the user are void.

        Raises:
            OneTimeTokenVoid: the token may not be used, the user is gone, or the address is somebody else's by now.
        """
        ...

    async def purge_address_changes(self, before: datetime) -> None:
        """Deletes changes that were asked for before then."""
        ...
