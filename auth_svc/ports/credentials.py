"""Stores passwords, the clients that know them, and registrations that wait for their address."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from auth_svc.domain import Account, AccountMail, OneTimeToken, Registration, Tenant, User


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHistory:
    """Which clients have signed in to an account before: those that were asked for, and whether there is any."""

    known: frozenset[str] = frozenset()
    some: bool = False


class CredentialStore(Protocol):
    """What people prove who they are with. Every method is one transaction."""

    async def get_account(self, tenant: str, user: str) -> Account:
        """The user with the password's hash.

        Raises:
            UserNotFound: the tenant has no such user.
        """
        ...

    async def client_history(self, user: str, digests: Collection[str]) -> ClientHistory:
        """Which of these clients have signed in to the user's account."""
        ...

    async def change_password(
        self, user: str, *, old: str, new: str, keep: str, mail: AccountMail | None, now: datetime
    ) -> Sequence[str] | None:
        """Stores the hash ``new`` unless it is no longer ``old`` (None); ends every session but ``keep``, and says which.

        Links to reset the password work no more, and the clients of before are forgotten.
        """
        ...

    async def reset_password(
        self, token: str, *, user: str, new: str, clients: Collection[str], mail: AccountMail | None, now: datetime
    ) -> Sequence[str]:
        """Uses up the token with this digest, stores the hash ``new``, ends every session, and says which.

        The address is confirmed by that: the link came there. ``clients`` are known from now on, those of before are forgotten.

        Raises:
            OneTimeTokenVoid: the token may not be used.
        """
        ...

    async def add_registration(self, registration: Registration, mail: AccountMail) -> bool:
        """Stores both; says False, and stores neither, if the address got too many mails."""
        ...

    async def find_registration(self, registration: str) -> Registration | None:
        """The registration."""
        ...

    async def confirm_registration(self, token: str, *, tenant: Tenant, admin: User, password_hash: str, now: datetime) -> None:
        """Uses up the token with this digest, and stores the tenant and its administrator; earlier registrations of the address go.

        Raises:
            OneTimeTokenVoid: the token may not be used.
            EmailTaken: the address has got an account meanwhile.
            UsernameTaken: the username is in use.
        """
        ...

    async def verify_address(self, token: str, *, now: datetime) -> tuple[OneTimeToken, User]:
        """Uses up the token with this digest, and marks the address of its user as confirmed.

        Raises:
            OneTimeTokenVoid: the token may not be used, or its user is gone.
        """
        ...

    async def username_taken(self, key: str) -> bool:
        """Whether a user signs in by the username with this `sign_in_key`."""
        ...

    async def purge_credentials(self, *, now: datetime, clients_before: datetime) -> None:
        """Deletes registrations that were not confirmed in time, and clients last seen before ``clients_before``."""
        ...
