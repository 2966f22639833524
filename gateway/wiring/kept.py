"""What the gateway keeps in its file: calls that wait for their service, and answers to requests that may come again."""

import platform
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.config import GatewaySettings
from gateway.idempotency import IdempotentCalls, KeyBounds, SharedKeys
from gateway.metrics import KeyMetrics
from gateway.ports import Spooler
from gateway.spool import (
    OWNERS,
    CallSpooler,
    IdempotencyStore,
    Spool,
    SpoolAdmin,
    SpoolFile,
    SpoolRule,
    SpoolStore,
    SpoolTakeover,
    SpoolUse,
    metadata,
    spoolable_methods,
)
from gateway.wiring.runtime import Runtime
from tocsin.clock import Clock
from tocsin.database import TenantRows
from tocsin.installation_key import InstallationKey
from tocsin.lifecycle import Component
from tocsin.redis import Redis
from tocsin.sealing import Sealer
from tocsin.telemetry import Telemetry

_LONGEST_HOST: Final = 60


class KeptCalls:
    """The file and what lies in it.

    Attributes:
        spool: calls that wait.
        keys: answers by idempotency key.
        admin: shows and empties the spool.
        spoolers: of each method that may wait, by path.
    """

    def __init__(self, settings: GatewaySettings, clock: Clock, *, runtime: Runtime, redis: Redis) -> None:
        self._file = SpoolFile(path=settings.spool_file, clock=clock)
        self._runtime = runtime
        self.spool = Spool(store=SpoolStore(self._file), rule=_spool_rule(settings), clock=clock)
        self.keys = _keys(settings, clock, store=IdempotencyStore(self._file), redis=redis, telemetry=runtime.telemetry)
        self.admin = SpoolAdmin(spool=self.spool, file=self._file)
        self.spoolers: Mapping[str, Spooler] = {
            path: CallSpooler(path=path, method=method, spool=self.spool, clock=clock) for path, method in spoolable_methods(clock).items()
        }
        self._takeover = SpoolTakeover(file=self._file, spool=self.spool, keys=self.keys, clock=clock)

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._file, self.keys, self.spool)

    @property
    def followers(self) -> Sequence[Component]:
        """What takes over the files of gateways that are gone, and removes everything of tenants that are deleted; started last."""
        purger = self._runtime.purger
        if purger is None:
            return (self._takeover,)
        rows = TenantRows(metadata=metadata, owners=OWNERS, database=lambda: self._file.database)
        host = platform.node()[:_LONGEST_HOST]
        elsewhere = (self.keys.forget_tenant, self.spool.forget_tenant)
        return (self._takeover, purger(rows, place=lambda: f"{host}/{self._file.place}", elsewhere=elsewhere))


def _keys(settings: GatewaySettings, clock: Clock, *, store: IdempotencyStore, redis: Redis, telemetry: Telemetry) -> IdempotentCalls:
    return IdempotentCalls(
        store=store,
        shared=SharedKeys(redis, clock=clock),
        sealer=Sealer(lambda: InstallationKey.of(settings).derive("answers to requests with an idempotency key")),
        bounds=KeyBounds(
            keys=settings.idempotency_limit, tenant_keys=settings.idempotency_tenant_limit, size=settings.idempotency_max_bytes
        ),
        clock=clock,
        metrics=KeyMetrics(telemetry.registry),
    )


def _spool_rule(settings: GatewaySettings) -> SpoolRule:
    return SpoolRule(
        all=SpoolUse(settings.spool_limit, settings.spool_max_bytes),
        tenant=SpoolUse(settings.spool_tenant_limit, settings.spool_tenant_max_bytes),
        anonymous=settings.spool_stranger_limit,
        address=settings.spool_address_limit,
    )
