"""Passwords that somebody chooses: checked, then hashed."""

from collections.abc import Iterable

from auth_svc.domain import PasswordRule, Tenant, User
from auth_svc.ports import PasswordHasher


class NewPasswords:
    """Turns a chosen password into its hash, if it may be chosen."""

    def __init__(self, *, rule: PasswordRule, hasher: PasswordHasher) -> None:
        self._rule = rule
        self._hasher = hasher

    def check(self, password: str, *, own: Iterable[str], field: str = "password") -> str:
        """The password as it is hashed; see `PasswordRule.checked`.

        Raises:
            InvalidInput: it may not be chosen; ``field`` and the reason are named.
        """
        return self._rule.checked(password, own=own, field=field)

    async def hash(self, password: str, *, own: Iterable[str], client: str, field: str = "password") -> str:
        """The hash of a password.

        Args:
            password: as it was given.
            own: what is known of the account; see `words_of`.
            client: in whose turn it is hashed; see `PasswordHasher`.
            field: named in the error.

        Raises:
            InvalidInput: it may not be chosen.
            ResourceExhausted: too many are waiting.
        """
        return await self._hasher.hash(self.check(password, own=own, field=field), client=client)


def words_of(user: User, tenant: Tenant) -> tuple[str, ...]:
    """What everybody knows of an account, and tries first."""
    return (user.email, user.username, user.display_name, tenant.display_name)
