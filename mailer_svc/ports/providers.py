"""What providers of tenants need: where they are kept, and what kinds there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from mailer_svc.domain.providers import ProviderRecord
from mailer_svc.ports.sending import Provider


class Fingerprint(NamedTuple):
    """Changes whenever a provider does."""

    providers: int
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableProvider:
    """A stored provider that cannot be read, and why."""

    id: str
    tenant: str
    channel: str
    kind: str
    problem: str


class ProviderStore(Protocol):
    """Keeps providers; secrets are sealed."""

    async def add(self, record: ProviderRecord, *, most: int) -> ProviderRecord:
        """Store one at its position, or at the end of its lane; return it with its position.

        Raises:
            TooManyProviders: the tenant has ``most``.
        """
        ...

    async def get(self, *, tenant: str, id: str) -> ProviderRecord | None:  # noqa: A002 - the word of the contract
        """One provider.

        Raises:
            SealBroken: its secrets cannot be opened.
        """
        ...

    async def find(self, *, id: str) -> ProviderRecord | None:  # noqa: A002 - the word of the contract
        """The provider of any tenant; for its callbacks."""
        ...

    async def replace(self, record: ProviderRecord) -> ProviderRecord | None:
        """Store what it is now, and move it to its position; None: it is gone."""
        ...

    async def delete(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Remove one. False: there was none."""
        ...

    async def of_tenant(self, *, tenant: str) -> Sequence[ProviderRecord | UnreadableProvider]:
        """All providers of a tenant, by channel and position."""
        ...

    async def everything(self) -> Sequence[ProviderRecord | UnreadableProvider]:
        """The providers of every tenant that are enabled, by channel and position."""
        ...

    async def fingerprint(self) -> Fingerprint:
        """Changes whenever a provider does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KindDescription:
    """A kind of providers: its channel, the JSON Schema of its configuration, and the fields of it that are secrets."""

    kind: str
    channel: str
    schema: Mapping[str, Any]
    secrets: Sequence[str]
    has_callback: bool


class ProviderKinds(Protocol):
    """The kinds of providers."""

    def all(self) -> Sequence[KindDescription]:
        """Every kind, by name."""
        ...

    def find(self, kind: str) -> KindDescription | None:
        """One kind; None: this mailer does not know it."""
        ...

    def checked(self, kind: str, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """The configuration in its normal form, defaults left out.

        Raises:
            InvalidInput: the schema of the kind does not allow it; fields are named as "config.…".
        """
        ...

    def make(self, record: ProviderRecord) -> Provider:
        """A provider that works by a record.

        Raises:
            InvalidInput: the record's configuration is not one of its kind any more.
        """
        ...
