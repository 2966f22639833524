"""Routes: which policy a trigger goes to that names none, and with which others it is one incident. Pure."""

from typing import Final

import msgspec

from scheduler_svc.domain.matchers import SilenceMatcher
from tocsin.clock import HOUR, MINUTE, SECOND
from tocsin.recurrence import Micros

DEFAULT_GROUP_WAIT: Final[Micros] = 30 * SECOND
DEFAULT_GROUP_INTERVAL: Final[Micros] = 5 * MINUTE
DEFAULT_GROUP_REPEAT: Final[Micros] = 4 * HOUR


class IncidentRoute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A route of a tenant.

    Attributes:
        position: routes are asked in this order, of equal ones by id.
        matchers: which triggers take it; without any all do.
        policy: id of the policy; empty: nobody is told.
        group_by: labels whose values make a group; empty: each trigger is an incident of its own.
        wait: of a new group before its first step.
        interval: least time between two messages about a group.
        repeat: a group in which nothing changes is told again so long after the last message; 0: never.
        repeat_acknowledged: whether that is so also while somebody has it.
    """

    id: str
    tenant: str
    display_name: str = ""
    position: int = 0
    matchers: tuple[SilenceMatcher, ...] = ()
    policy: str = ""
    group_by: tuple[str, ...] = ()
    wait: Micros = DEFAULT_GROUP_WAIT
    interval: Micros = DEFAULT_GROUP_INTERVAL
    repeat: Micros = DEFAULT_GROUP_REPEAT
    repeat_acknowledged: bool = False
    version: int = 1
    created: Micros = 0
    updated: Micros = 0

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.version)
