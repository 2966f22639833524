"""The audit: which due times a period must contain, recomputed from the rules alone, against the ledger.

It shares nothing with the engine but the rules. Alarms are taken in order of their ids, in small batches; due times and rows are walked
side by side and never collected, so its memory does not grow with the period. It lets others run every few steps.
"""

from scheduler_svc.service.audit.audits import Audits
from scheduler_svc.service.audit.parts import AuditFinding, FindingKind, Summary
from scheduler_svc.service.audit.run import OVERDUE

__all__ = ["OVERDUE", "AuditFinding", "Audits", "FindingKind", "Summary"]
