"""Whether an action can do what it shall."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from scheduler_svc.domain import Finding

Findings: TypeAlias = tuple[Finding, ...]


class KindChecks(Protocol):
    """Checks actions of one kind."""

    async def check(self, tenant: str, bodies: Sequence[bytes]) -> Sequence[Findings]:
        """What is wrong with each of the actions of the tenant, in order; empty for a good one.

        It never raises, and answers soon: what cannot be known now is a tentative finding.

        Args:
            tenant: whose they are.
            bodies: serialised `tocsin.api.scheduler.v1.Action`, each different from the others.
        """
        ...
