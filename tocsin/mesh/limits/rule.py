"""The limits in words and numbers: ``write=200/s``, ``auth=20/m``, ``bulk=1000/10s``, ``read=unlimited``."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

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
        leases: in one window.
        seconds: length of the window.
        policy: value of the RateLimit-Policy field.
    """

    name: str
    calls: int
    lease: int
    credit: int
    leases: int
    seconds: int
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
            leases=leases,
            seconds=seconds,
            policy=f'"{name}";q={leases * lease};w={seconds}'.encode(),
        )


def parse_limits(text: str, *, defaults: str = "", known: Collection[str] | None = None) -> Mapping[str, LimitRule]:
    """The limits by name: those of ``defaults``, in place of which stand those of ``text``.

    Args:
        text: limits with commas between them; spaces do not matter.
        defaults: the same.
        known: names that there are; any unless given.

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
        if known is not None and name not in known:
            raise ValueError(f"there is no limit {name!r}; there are {', '.join(sorted(known))}")
        if unlimited:
            found.pop(name, None)
            continue
        seconds = int(count or 1) * _SECONDS[unit]
        if not 1 <= int(calls) <= _MOST_CALLS or not 1 <= seconds <= _MOST_SECONDS:
            raise ValueError(f"{part.strip()[:60]!r} must be 1 to {_MOST_CALLS:,} calls in 1 second to 24 hours")
        found[name] = LimitRule.of(name, int(calls), seconds)
    return found
