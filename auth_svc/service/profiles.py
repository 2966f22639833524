"""One's own profile, and what people and programs of one's tenant are called."""

from collections.abc import Mapping, Sequence
from typing import Final

from auth_svc.domain import SecurityEvent, TokenCaller, User, checked_locale, checked_name
from auth_svc.ports import SecurityLog, Store

_READS_PEOPLE: Final = "users:read"


class Profiles:
    """Shows and changes the profile of who asks, and knows names."""

    def __init__(self, *, store: Store, log: SecurityLog) -> None:
        self._store = store
        self._log = log

    async def own(self, caller: TokenCaller) -> User:
        """The user who asks.

        Raises:
            UsersOnly: a program asks.
            UserNotFound: the user was removed.
        """
        return await self._store.get_user(caller.tenant, caller.user)

    async def change(self, caller: TokenCaller, *, display_name: str | None, locale: str | None) -> User:
        """Changes what is given.

        Raises:
            UsersOnly: a program asks.
            InvalidInput: a text cannot be used.
            UserNotFound: the user was removed.
        """
        changed = await self._store.change_user(
            caller.tenant,
            caller.user,
            display_name=None if display_name is None else checked_name(display_name, field="profile.displayName"),
            role=None,
            locale=None if locale is None else checked_locale(locale, field="profile.locale"),
            owners=True,  # what an owner may do is not touched
        )
        self._log.record(SecurityEvent.USER_CHANGED, tenant=caller.tenant, subject=caller.subject, by=caller.subject)
        return changed

    async def names(self, caller: TokenCaller, resources: Sequence[str]) -> Mapping[str, str]:
        """What they are called, by resource name; what the tenant does not have is left out, and so is who has no name to tell."""
        found = await self._store.names_of(caller.tenant, frozenset(resources), addresses=_READS_PEOPLE in caller.scopes)
        return {resource: name for resource, name in found.items() if name}
