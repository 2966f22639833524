"""Whether a name has records, a reading is within limits, a service of this installation is healthy."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from processor_svc.domain import ActionProblem, Json
from processor_svc.ports import Readings, ServiceHealth
from processor_svc.probes.spec import CheckFailed, CheckForbidden, CheckSpec
from tocsin.clock import SECOND, Clock
from tocsin.egress.addresses import AllowedTargets, why_not_public

if TYPE_CHECKING:
    import dns.asyncresolver

_SHOWN: Final = 20


class DnsProbe:
    """Records of a name, asked of the resolver of this installation.

    Addresses that are not public ones are not told: the names of the operator's network are none of a tenant's business.
    """

    def __init__(self, *, allowed: AllowedTargets, resolver: "dns.asyncresolver.Resolver | None" = None) -> None:
        """Asks nothing yet.

        Args:
            allowed: what users may reach besides the public internet.
            resolver: whom it asks; the system's unless given.
        """
        self._allowed = allowed
        self._resolver = resolver

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        """Nothing beyond the contract."""
        del spec
        return ()

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        """Asks."""
        del tenant
        import dns.asyncresolver  # for those who check names: the start of a service takes long enough
        import dns.exception
        import dns.resolver

        self._resolver = self._resolver or dns.asyncresolver.Resolver()
        try:
            answer = await self._resolver.resolve(spec.subject, spec.record_type, search=False, lifetime=spec.timeout_seconds)
        except dns.resolver.NXDOMAIN:
            raise CheckFailed("there is no such name") from None
        except dns.resolver.NoAnswer:
            raise CheckFailed(f"it has no {spec.record_type} record") from None
        except (dns.exception.DNSException, OSError) as error:
            raise CheckFailed(f"the resolver did not answer: {type(error).__name__}") from error
        records = sorted(record.to_text() for record in answer)
        if spec.record_type in ("A", "AAAA"):
            self._check(spec.subject, records)
        facts: dict[str, Json] = {"records": records[:_SHOWN]}
        missing = [text for text in spec.expected if _plain(text) not in {_plain(record) for record in records}]
        if missing:
            raise CheckFailed(f"it lacks {', '.join(missing)}"[:500], facts)
        return facts

    def _check(self, name: str, addresses: Sequence[str]) -> None:
        if self._allowed.has_name(name.removesuffix(".")):
            return
        for address in addresses:
            if words := why_not_public(ip_address(address), self._allowed):
                raise CheckForbidden(f"the name has an address that is not a public one: {words}")


def _plain(record: str) -> str:
    return record.lower().removesuffix(".").strip('"')


class SensorProbe:
    """The latest reading of a metric of the tenant."""

    def __init__(self, *, readings: Readings, clock: Clock) -> None:
        self._readings = readings
        self._clock = clock

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        """Nothing beyond the contract."""
        del spec
        return ()

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        """Reads it."""
        found = await self._readings.latest(tenant, spec.subject)
        if found is None:
            raise CheckFailed("there is no reading")
        age = self._clock.micros() / SECOND - found.measured
        facts: dict[str, Json] = {"value": found.value, "ageSeconds": round(max(0.0, age), 3)}
        if spec.max_age_seconds is not None and age > spec.max_age_seconds:
            raise CheckFailed(f"its last reading is {age:.0f} s old", facts)
        if spec.minimum is not None and found.value < spec.minimum:
            raise CheckFailed(f"{found.value:g} is below {spec.minimum:g}", facts)
        if spec.maximum is not None and found.value > spec.maximum:
            raise CheckFailed(f"{found.value:g} is above {spec.maximum:g}", facts)
        return facts


class ServiceProbe:
    """The health of a service of this installation, as it says itself; a degraded one works."""

    def __init__(self, *, health: ServiceHealth) -> None:
        self._health = health

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        """Nothing beyond the contract."""
        del spec
        return ()

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        """Asks."""
        del tenant
        status = await self._health.of(spec.subject)
        facts: dict[str, Json] = {"health": status}
        if status not in ("healthy", "degraded"):
            raise CheckFailed(f"it is {status}", facts)
        return facts
