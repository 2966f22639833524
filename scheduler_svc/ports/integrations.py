"""Integrations and what they got, as the use cases need them kept."""

from collections.abc import Sequence
from typing import Protocol

from scheduler_svc.domain.intake.integrations import Integration, KeptPayload


class IntegrationStore(Protocol):
    """Integrations of all tenants, and the last payloads of each. Of a key only the hash is known."""

    async def create(self, integration: Integration, *, key_hash: str) -> None:
        """Keeps a new one.

        Raises:
            IntegrationExists: there is one of this id.
            TooManyIntegrations: the tenant has as many as it may have.
        """
        ...

    async def get(self, tenant: str, integration: str) -> Integration:
        """The integration.

        Raises:
            IntegrationNotFound: the tenant has none of that id.
        """
        ...

    async def by_key(self, key_hash: str) -> Integration:
        """The integration of a key, of whatever tenant; without the time of its last payload.

        Raises:
            IntegrationKeyUnknown: there is none.
        """
        ...

    async def page(self, tenant: str, *, after: str, size: int) -> Sequence[Integration]:
        """Integrations behind an id, by id."""
        ...

    async def replace(self, integration: Integration, *, version: int, key_hash: str = "") -> None:
        """Keeps another version of it, with another key if one is given.

        Raises:
            IntegrationChanged: it is not of that version any more.
        """
        ...

    async def delete(self, tenant: str, integration: str, *, etag: str) -> None:
        """Removes it, and its payloads.

        Raises:
            IntegrationNotFound: the tenant has none of that id.
            IntegrationChanged: ``etag`` is given, and not its own.
        """
        ...

    async def keep(self, payloads: Sequence[KeptPayload]) -> Sequence[None]:
        """Keeps payloads, and forgets all of their integrations but the last ones; of an integration that is gone nothing is kept."""
        ...

    async def payloads(self, tenant: str, integration: str, *, before: str, size: int) -> Sequence[KeptPayload]:
        """Payloads of an integration, the newest first, behind an id."""
        ...
