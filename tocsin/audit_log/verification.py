"""Whether an export of the audit log is whole: nothing changed, removed, swapped, inserted or cut off (pure).

An export is newline-delimited JSON, as `GET /v1/auditLogs:export` gives it: ``{"anchor": …}`` where retention has cut, ``{"auditLog": …}``
for each entry, ``{"head": …}`` for the last place that was signed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, cast

import jwt
from jwt import PyJWK

from tocsin.audit_log.model import GENESIS, AuditEntry, chained
from tocsin.clock import to_micros

HEAD_TYPE: Final = "tocsin-audit-head"
"""Type of the signature of a place in a chain (RFC 7515, 4.1.9)."""

_MOST_PROBLEMS: Final = 100
_TEXTS: Final = (
    "service", "method", "subject", "session", "clientAddress", "userAgent", "resource", "outcome", "detail", "requestId", "traceId",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class AuditReport:
    """What was found.

    Attributes:
        entries: how many were read.
        first: number of the first one; 0 without any.
        last: number of the last one.
        signed: up to which number a signature covers the chain; 0 without one.
        problems: what is wrong, a line each; empty if the log is whole.
    """

    entries: int = 0
    first: int = 0
    last: int = 0
    signed: int = 0
    problems: list[str] = field(default_factory=list[str])


class ExportVerifier:
    """Reads an export line by line."""

    def __init__(self, *, tenant: str, keys: Mapping[str, PyJWK]) -> None:
        """Begins.

        Args:
            tenant: whose log it is; empty takes that of the first line that names one.
            keys: public keys of the installation, by their ids.
        """
        self._tenant = tenant
        self._keys = keys
        self._number: int = 0
        self._hash: str = GENESIS
        self._hashes: dict[int, str] = {}
        self._heads: list[Mapping[str, Any]] = []
        self._begun = False
        self.report = AuditReport()

    def read(self, number: int, line: Mapping[str, Any]) -> None:
        """Reads the line ``number`` of the file."""
        kind, content = next(iter(line.items()), ("", None))
        if len(line) != 1 or kind not in ("anchor", "auditLog", "head") or not isinstance(content, dict):
            self._problem(f"line {number}: it is no line of an export")
            return
        message = cast("dict[str, Any]", content)
        if kind == "auditLog":
            self._entry(number, message)
        elif kind == "head":
            self._heads.append(message)
        elif self._begun:
            self._problem(f"line {number}: an anchor stands behind other lines")
        else:
            self._anchor(message)
        self._begun = True

    def finish(self, known: Iterable[Mapping[str, Any]] = ()) -> AuditReport:
        """What was found, once all lines have been read.

        Args:
            known: signed heads that were kept elsewhere, which the log must contain as well.
        """
        heads = [*self._heads, *known]
        if not self._heads and self.report.entries:
            self._problem("no signed head: whether the end was cut off cannot be told")
        for head in heads:
            self._head(head)
        return self.report

    def _anchor(self, anchor: Mapping[str, Any]) -> None:
        if self._signed(anchor, "anchor"):
            self._number, self._hash = int(anchor["number"]), str(anchor["hash"])
            self._hashes[self._number] = self._hash

    def _entry(self, line: int, message: Mapping[str, Any]) -> None:
        number = _number_of(message)
        if number != self._number + 1:
            self._problem(f"line {line}: entry {number} follows entry {self._number}")
        if self._tenant not in ("", message.get("tenant")):
            self._problem(f"line {line}: entry {number} is another tenant's")
        self._tenant = self._tenant or str(message.get("tenant", ""))
        found = str(message.get("hash", ""))
        try:
            expected = chained(self._hash, number, _entry_of(message))
        except (ValueError, TypeError, OverflowError):
            expected = ""
        if found != expected:
            self._problem(f"line {line}: entry {number} is not what was written, or not behind what was written before it")
        report = self.report
        report.entries += 1
        report.first, report.last = report.first or number, number
        # What follows is judged by what stands here: one change is told once.
        self._number, self._hash = number, found
        self._hashes[number] = found

    def _head(self, head: Mapping[str, Any]) -> None:
        if not self._signed(head, "head"):
            return
        number = int(head["number"])
        if number > self._number:
            self._problem(
                f"cut off: entry {number} was signed at {head.get('signTime', 'some time')}, and the last one here is {self._number}"
            )
        elif number in self._hashes and self._hashes[number] != head["hash"]:
            self._problem(f"entry {number} is not the one that was signed")
        else:
            self.report.signed = max(self.report.signed, number)

    def _signed(self, head: Mapping[str, Any], what: str) -> bool:
        """Whether an anchor or a head is what the installation signed."""
        signature = str(head.get("signature", ""))
        try:
            header = jwt.get_unverified_header(signature)
            key = self._keys.get(str(header.get("kid")))
            if key is None:
                self._problem(f"{what}: it is signed with a key that is not known: {header.get('kid')}")
                return False
            options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
            claims = jwt.decode(signature, key, algorithms=[key.algorithm_name], options=options)
        except jwt.PyJWTError:
            self._problem(f"{what}: its signature is not valid")
            return False
        tenant = self._tenant or str(head.get("tenant", ""))
        said = tenant, _integer(head.get("number")), head.get("hash")
        if header.get("typ") != HEAD_TYPE or (claims.get("tenant"), claims.get("number"), claims.get("hash")) != said:
            self._problem(f"{what}: its signature says something else")
            return False
        return True

    def _problem(self, text: str) -> None:
        if len(self.report.problems) < _MOST_PROBLEMS:
            self.report.problems.append(text)


def _number_of(message: Mapping[str, Any]) -> int:
    return _integer(str(message.get("name", "")).removeprefix("auditLogs/"))


def _integer(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        return -1


def _entry_of(message: Mapping[str, Any]) -> AuditEntry:
    """The entry in a message in JSON."""
    texts = [str(message.get(name, "")) for name in _TEXTS]
    service, method, subject, session, address, agent, resource, outcome, detail, request, trace = texts
    return AuditEntry(
        tenant=str(message.get("tenant", "")),
        id=str(message.get("entryId", "")),
        time=to_micros(datetime.fromisoformat(str(message["time"]))) if "time" in message else 0,
        service=service,
        method=method,
        subject=subject,
        session=session,
        client_address=address,
        user_agent=agent,
        resource=resource,
        outcome=outcome,
        detail=detail,
        request_id=request,
        trace_id=trace,
        count=int(message.get("count", 0)),
    )
