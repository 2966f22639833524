"""The channels that messages leave by, as this mailer has them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mailer_svc.domain.errors import NoProvider, UnsupportedChannel


def nobody() -> None:
    """Nobody waits to be woken."""


def no_tenant(_tenant: str) -> bool:
    """No tenant has providers of its own."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way in which messages leave.

    Attributes:
        name: its name in the contract.
        normal_address: an address in the form that is stored; raises an `InvalidInput` for what the channel cannot deliver to.
        kept: a message is delivered by being stored, in the transaction that accepts it; nobody sends it.
        repeatable: receivers know a message that comes again, so it is sent again whenever its outcome is unknown.
        missing: what an operator has to set before messages can be sent; empty: they can be.
        serves: whether a tenant has providers of its own.
        wake: says that a message may be due.
            shares: the channel whose addresses of recipients it delivers to; empty: it has addresses of its own.
            codes: an address is PENDING until a code that was sent to it comes back; otherwise it is ACTIVE at once.
    """

    name: str
    normal_address: Callable[[str], str]
    kept: bool = False
    repeatable: bool = False
    missing: str = ""
    serves: Callable[[str], bool] = no_tenant
    wake: Callable[[], None] = nobody
    shares: str = ""
    codes: bool = False

    @property
    def address_channel(self) -> str:
        """The channel by which people's addresses for it are known."""
        return self.shares or self.name


class Channels:
    """The channels of this mailer, by name."""

    def __init__(self, channels: Iterable[Channel], *, default: str) -> None:
        """Takes the channels, and the name of the one for messages that name none."""
        self._channels = {channel.name: channel for channel in channels}
        self._default = default

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._channels.values())

    def usable_by(self, tenant: str) -> list[str]:
        """The names of those that a tenant's messages can be sent by, in order."""
        return sorted(channel.name for channel in self if not channel.missing or channel.serves(tenant))

    @property
    def queued(self) -> list[str]:
        """The names of those whose messages wait for a sender, in order."""
        return sorted(channel.name for channel in self if not channel.kept)

    def find(self, name: str) -> Channel:
        """The channel of that name; the default one for an empty name.

        Raises:
            UnsupportedChannel: this mailer does not know it.
        """
        channel = self._channels.get(name or self._default)
        if channel is None:
            raise UnsupportedChannel(f"This mailer does not know the channel {name[:64]!r}; it has {', '.join(sorted(self._channels))}")
        return channel

    def address_channel(self, name: str) -> str:
        """By which channel people's addresses for the one of that name are known; itself if this mailer does not know it."""
        channel = self._channels.get(name or self._default)
        return name if channel is None else channel.address_channel

    def keeps(self, name: str) -> bool:
        """Whether messages of that channel are delivered by being stored."""
        return name in self._channels and self._channels[name].kept

    def usable_channel(self, name: str, *, tenant: str) -> Channel:
        """The channel of that name, by which the tenant's messages can be sent; the default one for an empty name.

        Raises:
            UnsupportedChannel: this mailer does not know it.
            NoProvider: an operator has to set something first.
        """
        channel = self.find(name)
        if channel.missing and not channel.serves(tenant):
            raise NoProvider(channel.missing)
        return channel

    def wake(self, names: Iterable[str]) -> None:
        """Says that messages of these channels may be due."""
        for name in names:
            if name in self._channels:
                self._channels[name].wake()
