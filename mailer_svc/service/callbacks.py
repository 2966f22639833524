"""Callbacks of providers: signed by them, read by their kind, and stored once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from mailer_svc.ports.callbacks import CallbackReader
from mailer_svc.ports.providers import ProviderStore
from mailer_svc.ports.reporting import StatusReports
from tocsin.alerts.model import AlertKind, Alerts
from tocsin.clock import Clock
from tocsin.errors import NotFound, PermissionDenied


class CallbackNotExpected(NotFound):
    """There is no provider of this name that calls back."""


class Taken(NamedTuple):
    """How many events a callback held, and how many of them were new and of a delivery that is there."""

    events: int
    taken: int


class ProviderCallbacks:
    """Takes callbacks."""

    def __init__(
        self,
        *,
        store: ProviderStore,
        reader: CallbackReader,
        reports: StatusReports,
        alerts: Alerts,
        clock: Clock,
        link: Callable[[str], str],
    ) -> None:
        """Makes it.

        Args:
            store: the providers of tenants.
            reader: checks signatures, and reads.
            reports: takes what is told.
            alerts: hear of callbacks that somebody forged.
            clock: source of time.
            link: the public URL of a path.
        """
        self._store = store
        self._reader = reader
        self._reports = reports
        self._alerts = alerts
        self._clock = clock
        self._link = link

    async def receive(self, *, provider: str, query: str, headers: Mapping[str, str], body: bytes) -> Taken:
        """Store what a callback tells.

        Raises:
            CallbackNotExpected: there is no such provider, or its kind has no callbacks.
            PermissionDenied: the provider has not signed it.
            InvalidInput: it cannot be read.
            Unavailable: nothing of it is stored; the provider sends it again.
        """
        record = await self._store.find(id=provider.rpartition("-")[2])
        tenant = record.tenant if record else ""
        url = self._link(f"/v1/callbacks/{provider}") + (f"?{query}" if query else "")
        try:
            found = self._reader.read(record or provider, url=url, headers=headers, body=body, now=self._clock.micros())
        except PermissionDenied:
            place = f"callbacks of {record.kind if record else provider}"
            self._alerts.report(kind=AlertKind.CALLBACK_FORGED, place=place, tenant=tenant, latest=f"providers/{provider}")
            raise
        if found is None:
            raise CallbackNotExpected
        name = f"{record.kind}-{record.id}" if record else provider  # as timelines have it
        told = [replace(report, provider=name) for report in found]
        return Taken(len(told), await self._reports.report(told, tenant=tenant))
