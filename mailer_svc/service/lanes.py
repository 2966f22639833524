"""The providers of tenants at work: made when they are read, replaced when they change, and closed when they are gone."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from mailer_svc.domain import SendJob, SendOutcome, SendResult
from mailer_svc.domain.providers import ProviderRecord, ProviderStatus
from mailer_svc.ports import AWAY, Provider
from mailer_svc.ports.providers import Fingerprint, ProviderKinds, ProviderStore, UnreadableProvider
from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.telemetry import get_logger

_log = get_logger(__name__)

_LOOK_SECONDS: Final = 2.0
_LINGER_SECONDS: Final = 120.0  # longer than any attempt: what is replaced may be at work
_UNREADABLE_SECONDS: Final = 60.0
_CAPACITY: Final = 16

Entry = ProviderRecord | UnreadableProvider
Lane = tuple[str, str]


class TenantLanes:
    """The providers that tenants configure, by tenant and channel; a component."""

    def __init__(self, *, store: ProviderStore, kinds: ProviderKinds, clock: Clock) -> None:
        """Makes it; nothing is read yet."""
        self._store = store
        self._kinds = kinds
        self._clock = clock
        self._lanes: Mapping[Lane, Sequence[Provider]] = {}
        self._channels: Mapping[str, Sequence[Provider]] = {}
        self._working: dict[str, tuple[Entry, Provider]] = {}
        self._seen: Fingerprint | None = None
        self._reading = asyncio.Lock()
        self._loops = Background(clock)

    async def start(self) -> None:
        """Reads what there is, and follows its changes."""
        with contextlib.suppress(*AWAY):
            await self.refresh()
        self._loops.periodic("provider lanes", _LOOK_SECONDS, self.refresh, at_once=False, vital=False)

    async def stop(self) -> None:
        """Closes every provider."""
        await self._loops.stop()
        working, self._working = self._working, {}
        for _, provider in working.values():
            await _stopped(provider)

    def serves(self, channel: str, tenant: str) -> bool:
        """Whether the tenant has a provider of its own for the channel."""
        return (tenant, channel) in self._lanes

    def of(self, tenant: str, channel: str) -> Sequence[Provider]:
        """The tenant's providers for the channel, in the order in which they are asked."""
        return self._lanes.get((tenant, channel), ())

    def everybody(self, channel: str) -> Sequence[Provider]:
        """The providers of all tenants for the channel."""
        return self._channels.get(channel, ())

    def status(self, identity: str) -> ProviderStatus:
        """How a provider does."""
        _, provider = self._working.get(identity, (None, None))
        return ProviderStatus() if provider is None else status_of(provider)

    async def _started(self, entry: Entry) -> Provider:
        """The provider of an entry, ready; whatever is wrong with that costs the provider, and no other."""
        name = f"{entry.kind}-{entry.id}"
        if isinstance(entry, UnreadableProvider):
            return BrokenProvider(name=name, problem=entry.problem)
        try:
            provider = self._kinds.make(entry)
            await provider.start()
        except TocsinError as error:
            return BrokenProvider(name=name, problem=error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, its provider gets it
            _log.warning("provider cannot work as it is stored", provider=name, tenant=entry.tenant, exc_info=True)
            return BrokenProvider(name=name, problem=f"It cannot work as it is stored: {type(error).__name__}")
        return provider

    async def refresh(self) -> None:
        """Takes up what has changed."""
        async with self._reading:  # two at once would each make the same providers
            fingerprint = await self._store.fingerprint()
            if fingerprint != self._seen:
                await self._read(fingerprint)

    async def _read(self, fingerprint: Fingerprint) -> None:
        before, working = self._working, dict[str, tuple[Entry, Provider]]()
        lanes: dict[Lane, list[Provider]] = defaultdict(list)
        channels: dict[str, list[Provider]] = defaultdict(list)
        for entry in await self._store.everything():
            known, provider = before.get(entry.id, (None, None))
            if provider is None or not _alike(known, entry):
                provider = await self._started(entry)
            working[entry.id] = (entry, provider)
            lanes[entry.tenant, entry.channel].append(provider)
            channels[entry.channel].append(provider)
        self._lanes, self._channels, self._working, self._seen = dict(lanes), dict(channels), working, fingerprint
        kept = {id(provider) for _, provider in working.values()}
        for _, provider in before.values():
            if id(provider) not in kept:
                self._close_later(provider)

    def _close_later(self, provider: Provider) -> None:
        self._loops.once("close provider", partial(self._close, provider))

    async def _close(self, provider: Provider) -> None:
        try:
            await self._clock.sleep(_LINGER_SECONDS)
        finally:
            await _stopped(provider)


async def _stopped(provider: Provider) -> None:
    """Closes a provider; one that cannot be closed is told of, and the others are."""
    try:
        await provider.stop()
    except Exception:  # noqa: BLE001 - likewise
        _log.warning("provider not closed", provider=provider.name, exc_info=True)


def _alike(known: Entry | None, entry: Entry) -> bool:
    """Whether a provider that works by one works by the other as well: a new name or place is no reason for new connections."""
    if isinstance(known, ProviderRecord) and isinstance(entry, ProviderRecord):
        return (known.kind, known.config, known.secrets) == (entry.kind, entry.config, entry.secrets)
    return known == entry


class ChannelLanes:
    """The lanes of one channel: a tenant's own providers; those of the installation for addresses that none of them delivers to."""

    def __init__(self, *, channel: str, tenants: TenantLanes, shared: Sequence[Provider]) -> None:
        """Takes the installation's providers, the preferred one first; there may be none."""
        self._channel = channel
        self._tenants = tenants
        self._shared = tuple(shared)
        self.capacity = max((provider.capacity for provider in self._shared), default=_CAPACITY)

    def of(self, tenant: str, address: str) -> Sequence[Provider]:
        """Who sends for a tenant to an address, of those who can deliver to it."""
        own = [provider for provider in self._tenants.of(tenant, self._channel) if provider.takes(address)]
        return own or [provider for provider in self._shared if provider.takes(address)]

    def shared(self) -> Sequence[Provider]:
        """Those of the installation."""
        return self._shared

    def everybody(self) -> Sequence[Provider]:
        """All providers."""
        return (*self._tenants.everybody(self._channel), *self._shared)

    async def start(self) -> None:
        """Gets those of the installation ready; those of tenants are ready by themselves."""
        for provider in self._shared:
            await provider.start()

    async def stop(self) -> None:
        """Close the connections of the installation's."""
        for provider in self._shared:
            await provider.stop()


def status_of(provider: Provider) -> ProviderStatus:
    """How a provider does."""
    circuit = "OPEN" if provider.pause() else "HALF_OPEN" if provider.probing() else "CLOSED"
    return ProviderStatus(circuit=circuit, fault=provider.fault(), concurrency=provider.capacity)


class BrokenProvider:
    """Stands for a stored provider that cannot work as it is stored: messages wait, and the operator is told."""

    def __init__(self, *, name: str, problem: str) -> None:
        """Takes what is wrong with it."""
        self.name = name
        self.capacity = 1
        self._problem = problem

    async def start(self) -> None:
        """Has nothing to start."""

    async def stop(self) -> None:
        """Has nothing to stop."""

    def takes(self, address: str) -> bool:
        """It would have taken any."""
        del address
        return True

    def pause(self) -> float:
        """Seconds in which an attempt makes no sense."""
        return _UNREADABLE_SECONDS

    def probing(self) -> bool:
        """It never worked."""
        return True

    def fault(self) -> str:
        """What is wrong with it."""
        return self._problem

    async def send(self, job: SendJob, *, hand_over: object) -> SendOutcome:
        """Sends nothing."""
        del job, hand_over
        return SendOutcome(SendResult.MISCONFIGURED, 0, self._problem)
