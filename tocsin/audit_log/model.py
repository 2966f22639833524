"""An entry of the audit log, and the chain that entries make (pure)."""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

GENESIS: Final = "0" * 64
"""What stands in place of the hash before the first entry."""

_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Something that somebody did, or tried to do. Nothing in it is ever a secret, a text, or an address that somebody gave.

    Attributes:
        tenant: whose it is; empty, until it is stored, for the operator's.
        id: identity that the service gave it: one that comes again is the same one.
        time: when, in microseconds since 1970.
        service: which service, such as "scheduler_svc".
        method: "AlarmService/CreateAlarm", or what a service did by itself.
        subject: "users/…" or "apiKeys/…"; empty when unknown.
        session: id of the session; empty without one.
        client_address: IP address of the client; empty when there is none.
        user_agent: what the client calls itself.
        resource: name of the resource; empty when neither request nor answer says it.
        outcome: "OK" or a code of google.rpc.Code.
        detail: what else, in a word.
        request_id: identity of the request; empty without one.
        trace_id: of the call.
        count: messages of a stream, or how often the same was refused.
    """

    tenant: str
    id: str
    time: int
    service: str
    method: str
    subject: str = ""
    session: str = ""
    client_address: str = ""
    user_agent: str = ""
    resource: str = ""
    outcome: str
    detail: str = ""
    request_id: str = ""
    trace_id: str = ""
    count: int = 1


def chained(previous: str, number: int, entry: AuditEntry) -> str:
    """The hash of the entry ``number`` of a tenant, whose predecessor has the hash ``previous``.

    It is SHA-256, in hexadecimal, of a JSON array (RFC 8259, UTF-8, no spaces, no escapes but those that it needs) of the hash before, the
    number, and the fields in the order of `AuditEntry`.
    """
    parts = (
        previous,
        number,
        entry.tenant,
        entry.id,
        entry.time,
        entry.service,
        entry.method,
        entry.subject,
        entry.session,
        entry.client_address,
        entry.user_agent,
        entry.resource,
        entry.outcome,
        entry.detail,
        entry.request_id,
        entry.trace_id,
        entry.count,
    )
    return hashlib.sha256(_encode(parts).encode()).hexdigest()
