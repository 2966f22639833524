"""The limits in words and numbers: ``write=200/s``, ``auth=20/m``, ``bulk=1000/10s``, ``read=unlimited``."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from limits import RateLimitItem, RateLimitItemPerSecond

TENANT_DEFAULTS: Final = (
    "read=100000/10s,list=20000/10s,write=100000/10s,stream=10000/10s,bulk=1000/10s,compute=5000/10s,auth=10000/10s,public=100000/10s"
)
"""Per tenant. One process serves a few thousand calls a second: these stop a loop that went wild at many replicas, and nothing else."""
ADDRESS_DEFAULTS: Final = "auth=1200/m,public=20000/10s,credentials=1200/m"
"""Per client address, before anybody is known. A sign-in takes a core for a twentieth of a second, so 20 a second are all that one can."""

CREDENTIALS: Final = "credentials"
"""The limit of credentials that are not valid."""
PUBLIC: Final = "public"
"""The limit of public methods whose rate class has none of its own."""

_LEASES: Final = 60
_MOST_CALLS: Final = 10**9
_MOST_SECONDS: Final = 86_400
_LIMIT: Final = re.compile(r"([a-z_]{1,32})=(?:([0-9]{1,10})/([0-9]{0,5})([smh])|(unlimited))")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """So many calls in any window of so many seconds, which are handed out in leases.

    A replica takes a lease, a sixtieth of the calls, and serves it without asking anybody. So the window counts leases, 119 at most.

    Attributes:
        name: the rate class; also the name of the policy in the answers.
        calls: in one window; what was asked for, less the part of a lease that is left over (under 1.7 %).
        lease: calls in a lease.
        credit: calls that a replica serves while its next lease is on its way.
        item: the same for `limits`, in leases.
        policy: value of the RateLimit-Policy field.
    """

    name: str
    calls: int
    lease: int
    credit: int
    item: RateLimitItem
    policy: bytes

    @classmethod
    def of(cls, name: str, calls: int, seconds: int) -> "LimitRule":
        """The rule of ``calls`` in ``seconds``."""
        lease = max(1, calls // _LEASES)
        leases = calls // lease
        return cls(
            name=name,
            calls=leases * lease,
            lease=lease,
            credit=lease // 2,
            item=RateLimitItemPerSecond(leases, seconds, namespace=name),
            policy=f'"{name}";q={leases * lease};w={seconds}'.encode(),
        )

    @property
    def seconds(self) -> int:
        """The length of the window."""
        return self.item.get_expiry()


def parse_limits(text: str, *, defaults: str, known: Collection[str]) -> Mapping[str, LimitRule]:
    """The limits by name: those of ``defaults``, in place of which stand those of ``text``.

    Args:
        text: limits with commas between them; spaces do not matter.
        defaults: the same.
        known: names that there are.

    Raises:
        ValueError: something is no limit, or there is none of that name.
    """
    found: dict[str, LimitRule] = {}
    for part in (*defaults.split(","), *text.split(",")):
        if not (words := "".join(part.split())):
            continue
        if (match := _LIMIT.fullmatch(words)) is None:
            raise ValueError(f"{part.strip()[:60]!r} is no limit such as write=200/s, auth=20/m or read=unlimited")
        name, calls, count, unit, unlimited = match.groups()
        if name not in known:
            raise ValueError(f"there is no limit {name!r}; there are {', '.join(sorted(known))}")
        if unlimited:
            found.pop(name, None)
            continue
        seconds = int(count or 1) * _SECONDS[unit]
        if not 1 <= int(calls) <= _MOST_CALLS or not 1 <= seconds <= _MOST_SECONDS:
            raise ValueError(f"{part.strip()[:60]!r} must be 1 to {_MOST_CALLS:,} calls in 1 second to 24 hours")
        found[name] = LimitRule.of(name, int(calls), seconds)
    return found
