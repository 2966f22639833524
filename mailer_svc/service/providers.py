"""The providers of a tenant: kept, checked, shown without their secrets, and tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mailer_svc.domain import Channels, Content, Priority, SendJob, SendOutcome, message_id
from mailer_svc.domain.providers import (
    HIDDEN,
    MOST_PROVIDERS,
    ProviderNotFound,
    ProviderOfSettings,
    ProviderRecord,
    ProviderView,
)
from mailer_svc.ports import Provider
from mailer_svc.ports.providers import KindDescription, ProviderKinds, ProviderStore, UnreadableProvider
from mailer_svc.service.lanes import TenantLanes, status_of
from tocsin.clock import Clock
from tocsin.errors import InvalidInput

_TEST_SUBJECT: Final = "Tocsin: a test"
_TEST_TEXT: Final = "This message was sent to try a provider. Nothing else has happened."


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledProvider:
    """A provider of the installation."""

    channel: str
    kind: str
    provider: Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChange:
    """What is to be changed of a provider; None: stays."""

    display_name: str | None = None
    position: int | None = None
    enabled: bool | None = None
    config: Mapping[str, Any] | None = None
    kind: str = ""
    """As the caller believes it to be: it is chosen once; empty: not said."""


class Providers:
    """Keeps the providers of tenants."""

    def __init__(
        self,
        *,
        store: ProviderStore,
        kinds: ProviderKinds,
        lanes: TenantLanes,
        channels: Channels,
        installed: Sequence[InstalledProvider],
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        """Makes it.

        Args:
            store: keeps them.
            kinds: what there may be.
            lanes: are told of changes.
            channels: check addresses.
            installed: those of the installation, in their order.
            clock: source of time.
            new_id: makes ids that nobody else has.
        """
        self._store = store
        self._kinds = kinds
        self._lanes = lanes
        self._channels = channels
        self._installed = {one.provider.name: one for one in installed}
        self._clock = clock
        self._new_id = new_id

    def kinds(self) -> Sequence[KindDescription]:
        """Every kind, by name."""
        return self._kinds.all()

    async def create(
        self, *, tenant: str, kind: str, display_name: str, position: int, enabled: bool, config: Mapping[str, Any]
    ) -> ProviderView:
        """Keep a new provider.

        Raises:
            InvalidInput: there is no such kind, or its schema does not allow the configuration.
            TooManyProviders: the tenant has as many as one may have.
        """
        found = self._kind(kind)
        plain, secrets = self._split(found, config, {})
        now = self._clock.micros()
        record = ProviderRecord(
            id=self._new_id(),
            tenant=tenant,
            channel=found.channel,
            kind=kind,
            display_name=display_name,
            position=position,
            enabled=enabled,
            config=plain,
            secrets=secrets,
            created=now,
            updated=now,
        )
        stored = await self._store.add(record, most=MOST_PROVIDERS)
        await self._lanes.refresh()
        return self._view(stored)

    async def get(self, *, tenant: str, id: str) -> ProviderView:  # noqa: A002 - the word of the contract
        """One provider, of the tenant or of the installation.

        Raises:
            ProviderNotFound: there is none.
        """
        if installed := self._installed.get(id):
            return _installed_view(installed, self._kinds)
        found = next((entry for entry in await self._store.of_tenant(tenant=tenant) if entry.id == id), None)
        if found is None:
            raise ProviderNotFound(f"There is no provider providers/{id}")
        return self._view(found)

    async def all(self, *, tenant: str) -> Sequence[ProviderView]:
        """The lanes: by channel, the tenant's own first, in the order in which they are asked."""
        own = [self._view(entry) for entry in await self._store.of_tenant(tenant=tenant)]
        installed = [_installed_view(one, self._kinds) for one in self._installed.values()]
        return sorted([*own, *installed], key=lambda view: view.channel)

    async def update(self, *, tenant: str, id: str, change: ProviderChange) -> ProviderView:  # noqa: A002 - as above
        """Change a provider; secrets that are not given stay.

        Raises:
            ProviderNotFound: there is none.
            ProviderOfSettings: it is one of the installation.
            InvalidInput: its schema does not allow the configuration, or the kind is another one.
        """
        record = await self._own(tenant, id)
        if change.kind not in ("", record.kind):
            raise InvalidInput.at("provider.kind", f"is {record.kind} and cannot be changed: another kind is another provider")
        if change.config is not None:
            plain, secrets = self._split(self._kind(record.kind), change.config, record.secrets)
            record = replace(record, config=plain, secrets=secrets)
        changed = replace(
            record,
            display_name=record.display_name if change.display_name is None else change.display_name,
            position=record.position if change.position is None else change.position,
            enabled=record.enabled if change.enabled is None else change.enabled,
            updated=max(self._clock.micros(), record.updated + 1),
        )
        stored = await self._store.replace(changed)
        if stored is None:
            raise ProviderNotFound(f"There is no provider providers/{id}")
        await self._lanes.refresh()
        return self._view(stored)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002 - as above
        """Remove a provider.

        Raises:
            ProviderNotFound: there is none.
            ProviderOfSettings: it is one of the installation.
        """
        if id in self._installed:
            raise ProviderOfSettings
        if not await self._store.delete(tenant=tenant, id=id):
            raise ProviderNotFound(f"There is no provider providers/{id}")
        await self._lanes.refresh()

    async def test(self, *, tenant: str, id: str, to: str) -> SendOutcome:  # noqa: A002 - as above
        """Send one message by this provider alone, whether it is enabled or not.

        Raises:
            ProviderNotFound: there is none.
            InvalidInput: its channel does not take the address, or its configuration is not one of its kind any more.
        """
        if installed := self._installed.get(id):
            return await installed.provider.send(self._test_job(tenant, installed.channel, to), hand_over=_always)
        record = await self._record(tenant, id)
        job = self._test_job(tenant, record.channel, to)
        provider = self._kinds.make(record)
        await provider.start()
        try:
            return await provider.send(job, hand_over=_always)
        finally:
            await provider.stop()

    def _test_job(self, tenant: str, channel: str, to: str) -> SendJob:
        identity, now = self._new_id(), self._clock.micros()
        return SendJob(
            id=identity,
            epoch=0,
            tenant=tenant,
            priority=Priority.NORMAL,
            to=self._channels.find(channel).normal_address(to),
            content=Content(_TEST_SUBJECT, _TEST_TEXT),
            message_id=message_id(identity, "tocsin.invalid"),
            attempts=0,
            deferrals=0,
            created=now,
            since=now,
            resend=False,
            traceparent="",
        )

    def _kind(self, kind: str) -> KindDescription:
        found = self._kinds.find(kind)
        if found is None:
            names = ", ".join(one.kind for one in self._kinds.all())
            raise InvalidInput.at("kind", f"is none of {names}" if kind else f"is required: one of {names}")
        return found

    def _split(
        self, kind: KindDescription, config: Mapping[str, Any], known: Mapping[str, str]
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The checked configuration without its secrets, and these; a secret that is left out or shown as hidden stays as it is known."""
        given = {name: value for name, value in config.items() if not (name in kind.secrets and value == HIDDEN)}
        whole = self._kinds.checked(kind.kind, {**known, **given})
        secrets = {name: str(value) for name, value in whole.items() if name in kind.secrets}
        return {name: value for name, value in whole.items() if name not in kind.secrets}, secrets

    async def _record(self, tenant: str, identity: str) -> ProviderRecord:
        record = await self._store.get(tenant=tenant, id=identity)
        if record is None:
            raise ProviderNotFound(f"There is no provider providers/{identity}")
        return record

    async def _own(self, tenant: str, identity: str) -> ProviderRecord:
        if identity in self._installed:
            raise ProviderOfSettings
        return await self._record(tenant, identity)

    def _view(self, entry: ProviderRecord | UnreadableProvider) -> ProviderView:
        kind = self._kinds.find(entry.kind)
        status = self._lanes.status(entry.id)
        record, problem = (entry, "") if isinstance(entry, ProviderRecord) else (None, entry.problem)
        return ProviderView(
            id=entry.id,
            channel=entry.channel,
            kind=entry.kind,
            installed=False,
            record=record,
            status=status if record else replace(status, fault=problem),
            has_callback=bool(kind and kind.has_callback),
        )


def _installed_view(installed: InstalledProvider, kinds: ProviderKinds) -> ProviderView:
    kind = kinds.find(installed.kind)
    return ProviderView(
        id=installed.provider.name,
        channel=installed.channel,
        kind=installed.kind,
        installed=True,
        record=None,
        status=status_of(installed.provider),
        has_callback=bool(kind and kind.has_callback),
    )


async def _always() -> bool:
    """Nobody else has this message."""
    return True
