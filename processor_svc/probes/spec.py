"""What a check looks at, what it may find, and what each probe promises."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from processor_svc.domain import ActionProblem, Json
from tocsin.clock import SECOND, Clock

_DAY_SECONDS: Final = 86_400


class CheckFailed(Exception):
    """What was looked at does not work as it should.

    The message says why, for a person; ``facts`` are what was found until then.
    """

    def __init__(self, reason: str, facts: Mapping[str, Json] | None = None) -> None:
        super().__init__(reason)
        self.facts = facts or {}


class CheckForbidden(Exception):
    """It may not be looked at from here; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """What is looked at, and what is good: the fields of ``tocsin.api.scheduler.v1.Check``, with their defaults filled in.

    Attributes:
        target: the kind of what is looked at: "http", "tcp"...
        subject: what it is: a URL, a host with its port, a name, a metric, a service.
        timeout_seconds: of one try.
        max_age_seconds: of a reading; None for any.
    """

    target: str
    subject: str
    statuses: tuple[str, ...] = ("2xx",)
    contains: str = ""
    certificate_days: int = 0
    method: str = "GET"
    record_type: str = "A"
    expected: tuple[str, ...] = ()
    grpc_service: str = ""
    tls: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_age_seconds: float | None = None
    timeout_seconds: float = 10.0
    tries: int = 1
    metric: str = ""


class Probe(Protocol):
    """Looks at one kind of target."""

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        """What is wrong with a check before anything is looked at; paths of fields start at the check."""
        ...

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        """Looks once; what it found, for the result. It is cancelled when it takes too long.

        Raises:
            CheckFailed: it does not work as it should.
            CheckForbidden: it may not be looked at.
            TocsinError: another service, which is needed to look, does not answer.
        """
        ...


def check_certificate(certificate: Mapping[str, Any], spec: CheckSpec, facts: dict[str, Json], *, clock: Clock) -> None:
    """Adds the days that a certificate (as `ssl.SSLSocket.getpeercert` shows it) is still good.

    Raises:
        CheckFailed: they are fewer than the check wants.
    """
    text = certificate.get("notAfter")
    if not isinstance(text, str):
        if spec.certificate_days:
            raise CheckFailed("there is no certificate", facts)
        return
    days = (ssl.cert_time_to_seconds(text) - clock.micros() / SECOND) / _DAY_SECONDS
    facts["certificateDays"] = round(days, 2)
    if days < spec.certificate_days:
        raise CheckFailed(f"its certificate is good for {max(0, int(days))} more days", facts)
