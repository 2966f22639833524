"""Which installation is loaded, by whose key, and where its processes tell what they use."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from tocsin.errors import InvalidInput
from tocsin.stack.stack_file import StackStatus

KINDS: Final = ("rest", "grpc", "events")
"""Of calls: REST, the same over gRPC, and events that fire an alarm each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTarget:
    """An installation that runs.

    Attributes:
        http: URL of the gateway.
        grpc: its address for gRPC, host:port; empty: gRPC is left out.
        api_key: of the tenant that is loaded, within its limits and quotas.
        verify: what is trusted to be the gateway.
        certificate: file of the one certificate that its doors show; empty: those whom the system trusts.
        metrics: URLs of the processes' metrics, by name; without any, memory and CPU are not told.
    """

    http: str
    grpc: str = ""
    api_key: str = field(repr=False)
    verify: ssl.SSLContext | bool = True
    certificate: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of_stack(cls, picture: StackStatus, api_key: str) -> Self:
        """The stack on this machine."""
        return cls(
            http=picture.http,
            grpc=picture.grpc.removeprefix("grpc://").removeprefix("grpcs://"),
            api_key=api_key,
            verify=picture.verify(),
            certificate=picture.certificate,
            metrics={name: service.metrics for name, service in picture.services.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """How much.

    Attributes:
        alarms: that are stored, and do not fire.
        rate: calls a second of the mixed load, of all kinds.
        seconds: how long it lasts.
        mix: shares of the kinds.
        firings: a second of the even stream.
        firing_seconds: how long that lasts; 0 leaves it out.
        keep: leave what was made.
    """

    alarms: int
    rate: float
    seconds: float
    mix: Mapping[str, int]
    firings: int
    firing_seconds: int
    keep: bool = False


def mix_of(text: str) -> dict[str, int]:
    """Shares such as "rest=2,grpc=1,events=1".

    Raises:
        InvalidInput: a kind is unknown or named twice, a share is no number from 0 to 100, or all are 0.
    """
    found: dict[str, int] = {}
    for part in text.split(","):
        kind, _, share = part.strip().partition("=")
        if kind not in KINDS or kind in found:
            raise InvalidInput.at("mix", f"{kind!r} is none of {', '.join(KINDS)}, or named twice")
        if not (share.isascii() and share.isdigit() and int(share) <= 100):
            raise InvalidInput.at("mix", f"the share of {kind} is a number from 0 to 100, not {share!r}")
        found[kind] = int(share)
    if not any(found.values()):
        raise InvalidInput.at("mix", "one kind at least has a share")
    return {kind: share for kind, share in found.items() if share}
