"""What keeps the audit log, and what signs its heads."""

from collections.abc import Sequence
from typing import Protocol

from auth_svc.domain import AuditHead, ChainState, StoredEntry
from tocsin.audit_log import AuditEntry
from tocsin.listing import Condition


class AuditLogStore(Protocol):
    """The audit log: a chain for each tenant. Every method is one transaction."""

    async def append_entries(self, entries: Sequence[AuditEntry]) -> None:
        """Adds entries to the ends of their tenants' chains, in their order; those that are there already are left out.

        Entries of no tenant become the operator's.
        """
        ...

    async def get_entry(self, tenant: str, number: int) -> StoredEntry:
        """One entry.

        Raises:
            AuditLogNotFound: the tenant has no such entry, or not any more.
        """
        ...

    async def list_entries(self, tenant: str, *, conditions: Sequence[Condition], before: int | None, limit: int) -> Sequence[StoredEntry]:
        """The newest entries that meet the conditions, with smaller numbers than ``before``."""
        ...

    async def entries_after(self, tenant: str, number: int, *, limit: int) -> Sequence[StoredEntry]:
        """The first entries with greater numbers than ``number``."""
        ...

    async def get_chain(self, tenant: str) -> ChainState:
        """How the chain of a tenant stands; one without entries is at its begin."""
        ...

    async def chains_after(self, tenant: str, *, limit: int) -> Sequence[ChainState]:
        """The chains of the next tenants, by their ids."""
        ...

    async def unsigned_chains(self, *, limit: int) -> Sequence[ChainState]:
        """Chains with entries behind their signed heads."""
        ...

    async def sign_chain(self, head: AuditHead) -> None:
        """Stores a signed head, unless a later one is there."""
        ...

    async def cut_chain(self, anchor: AuditHead, *, purge: bool = False) -> int:
        """Deletes the entries up to ``anchor``, which stands for them from then on; returns how many.

        Args:
            anchor: signed.
            purge: whether the tenant is being deleted, and they are counted for the report.
        """
        ...


class HeadSigner(Protocol):
    """Signs places of chains."""

    def sign_head(self, *, tenant: str, number: int, entry_hash: str, time: int) -> str:
        """A JSON Web Signature (RFC 7515) of a place in the chain of a tenant, at a time in microseconds since 1970."""
        ...
