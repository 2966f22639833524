"""What people and programs are called."""

from collections.abc import Mapping, Set
from typing import Protocol


class NameStore(Protocol):
    """The names of users, service accounts and API keys."""

    async def names_of(self, tenant: str, resources: Set[str], *, addresses: bool) -> Mapping[str, str]:
        """What they are called, by resource name such as "users/{id}"; of another kind, or of another tenant, is nothing there.

        Args:
            tenant: whose they are.
            resources: at most a hundred.
            addresses: whether a person without a name and a username is called by the address; otherwise by nothing.
        """
        ...
