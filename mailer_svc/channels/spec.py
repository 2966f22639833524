"""What a channel is made of: a row of the table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mailer_svc.domain import Channel
from mailer_svc.domain.channels import nobody
from mailer_svc.ports import Meter, Provider
from tocsin.clock import Clock
from tocsin.config import Settings
from tocsin.installation_key import InstallationKey
from tocsin.mesh.breaker import BreakerRegistry

S = TypeVar("S", bound=Settings)


class NoSettings(Settings):
    """A channel without settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a channel's providers may stand on."""

    clock: Clock
    breakers: BreakerRegistry
    meter: Meter
    key: InstallationKey
    public_link: Callable[[str], str]


def always(_settings: Settings) -> bool:
    """Nothing has to be set."""
    return True


def no_providers(_settings: Settings, _parts: Parts) -> Sequence[Provider]:
    """Nobody sends: for a channel whose messages are kept."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec(Generic[S]):
    """A channel.

    Attributes:
        name: its name in the contract, which is also that of its module.
        settings: its own settings; they become settings of the mailer, ``TOCSIN_MAILER_…``.
        normal_address: an address in the form that is stored; raises an `InvalidInput` for what the channel cannot deliver to.
        ready: whether what it takes is set.
        missing: says what to set, as long as it is not ready.
        providers: who sends, the preferred one first; nobody as long as it is not ready. What a provider makes of a message, and of the
            answer to it, is its own (see `mailer_svc.ports.Provider`).
        kept: a message is delivered by being stored.
    """

    name: str
    settings: type[S]
    normal_address: Callable[[str], str]
    ready: Callable[[S], bool] = always
    missing: str = ""
    providers: Callable[[S, Parts], Sequence[Provider]] = no_providers
    kept: bool = False

    def channel(self, settings: S, *, wake: Callable[[], None] | None) -> Channel:
        """The channel as the use cases know it; ``wake`` wakes its sender, None if it has none."""
        return Channel(
            name=self.name,
            normal_address=self.normal_address,
            kept=self.kept,
            missing="" if self.ready(settings) else self.missing,
            wake=wake or nobody,
        )
