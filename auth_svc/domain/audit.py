"""The chains of the audit log (pure)."""

from dataclasses import dataclass, field

from tocsin.audit_log import GENESIS, AuditEntry


@dataclass(frozen=True, slots=True)
class AuditHead:
    """A place in the chain of a tenant, signed by the installation.

    Attributes:
        tenant: whose chain it is.
        number: of the entry; 0 is before the first one.
        hash: of the entry.
        signed: when, in microseconds since 1970.
        signature: JSON Web Signature that says all this; empty while nothing was signed.
    """

    tenant: str
    number: int = 0
    hash: str = GENESIS
    signed: int = 0
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """How the chain of a tenant stands.

    Attributes:
        tenant: whose chain it is.
        number: of the last entry.
        hash: of the last entry.
        signed: the head that was signed last.
        anchor: the last entry that retention has cut.
    """

    tenant: str
    number: int = 0
    hash: str = GENESIS
    signed: AuditHead = field(default_factory=lambda: AuditHead(""))
    anchor: AuditHead = field(default_factory=lambda: AuditHead(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntry:
    """An entry in its place.

    Attributes:
        number: its place in the chain of its tenant; the first is 1.
        entry: what it says.
        hash: of it and of all before.
    """

    number: int
    entry: AuditEntry
    hash: str

    @property
    def name(self) -> str:
        """Resource name."""
        return f"auditLogs/{self.number}"
