"""The audit log: who did what to which resource, from where (docs/audit-log.md).

`tocsin.audit_log.journal` keeps what a process has to tell until auth_svc has it; `Node` has one. `tocsin.audit_log.verification` checks an
export.
"""

from tocsin.audit_log.model import GENESIS, AuditEntry, chained

__all__ = ["GENESIS", "AuditEntry", "chained"]
