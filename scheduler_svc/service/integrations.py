"""Integrations of the caller's tenant."""

import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from scheduler_svc.domain import new_id
from scheduler_svc.domain.incident_words import IncidentSeverity
from scheduler_svc.domain.intake.alerts import ReadPayload
from scheduler_svc.domain.intake.generic import PayloadMapping, check_mapping
from scheduler_svc.domain.intake.integrations import (
    KEPT_BYTES,
    KEY_BYTES,
    Integration,
    IntegrationChanged,
    IntegrationKind,
    KeptPayload,
    hash_of,
    key_of,
)
from scheduler_svc.domain.intake.payloads import RawPayload
from scheduler_svc.domain.intake.reading import MAPPED, read_payload
from scheduler_svc.ports.incidents import EscalationPolicyStore
from scheduler_svc.ports.integrations import IntegrationStore
from tocsin.clock import Clock
from tocsin.errors import FailedPrecondition, InvalidInput
from tocsin.searching import mentions, search

_ATTEMPTS: Final = 5
_GROUPING: Final = frozenset({IntegrationKind.ALERTMANAGER, IntegrationKind.GRAFANA})
_MEDIA_TYPES: Final = {IntegrationKind.CLOUDEVENTS: "application/cloudevents+json"}


class IntegrationSpec(NamedTuple):
    """What a client says of an integration."""

    kind: IntegrationKind
    display_name: str
    policy: str
    severity: IncidentSeverity
    mapping: PayloadMapping | None
    by_group: bool
    paused: bool


class Integrations:
    """Makes, reads and changes them."""

    def __init__(self, *, store: IntegrationStore, policies: EscalationPolicyStore, clock: Clock) -> None:
        self._store = store
        self._policies = policies
        self._clock = clock

    async def create(self, tenant: str, *, integration: str, spec: IntegrationSpec) -> tuple[Integration, str]:
        """Makes an integration, and its key; its id is made if none is given.

        Raises:
            InvalidInput: its fields do not fit together.
            IntegrationExists: there is one of this id.
            TooManyIntegrations: the tenant has as many as it may have.
        """
        await self._check(tenant, spec)
        now, key = self._clock.micros(), key_of(secrets.token_bytes(KEY_BYTES))
        made = Integration(id=integration or new_id(now).lower(), tenant=tenant, created=now, updated=now, **spec._asdict())
        await self._store.create(made, key_hash=hash_of(key))
        return made, key

    async def get(self, tenant: str, integration: str) -> Integration:
        """The integration.

        Raises:
            IntegrationNotFound: the tenant has none of that id.
        """
        return await self._store.get(tenant, integration)

    async def page(self, tenant: str, *, after: str, size: int, text: str = "") -> tuple[Sequence[Integration], str | None]:
        """Integrations behind an id, by id, with ``text`` in their ids or names.

        With fewer than ``size`` comes where to go on; None: they were the last.
        """
        if not text:
            return await self._store.page(tenant, after=after, size=size), None
        return await search(
            lambda behind, most: self._store.page(tenant, after=behind, size=most),
            meets=lambda integration: mentions(text, integration.id, integration.display_name),
            place=lambda integration: integration.id,
            after=after,
            limit=size,
        )

    async def update(self, tenant: str, integration: str, *, etag: str, change: Callable[[Integration], IntegrationSpec]) -> Integration:
        """Gives an integration what ``change`` makes of it.

        Raises:
            InvalidInput: its fields do not fit together, or its kind would be another.
            IntegrationNotFound: the tenant has none of that id.
            IntegrationChanged: ``etag`` is given, and not its own; or others changed it again and again.
        """
        return await self._replace(tenant, integration, etag=etag, change=change)

    async def rotate(self, tenant: str, integration: str) -> tuple[Integration, str]:
        """Gives an integration another key; the one before is worth nothing from then on.

        Raises:
            IntegrationNotFound: the tenant has none of that id.
        """
        key = key_of(secrets.token_bytes(KEY_BYTES))
        return await self._replace(tenant, integration, key_hash=hash_of(key)), key

    async def delete(self, tenant: str, integration: str, *, etag: str) -> None:
        """Removes it, and its payloads; its incidents stay.

        Raises:
            IntegrationNotFound: the tenant has none of that id.
            IntegrationChanged: ``etag`` is given, and not its own.
        """
        await self._store.delete(tenant, integration, etag=etag)

    async def payloads(self, tenant: str, integration: str, *, before: str, size: int) -> Sequence[KeptPayload]:
        """Its last payloads, the newest first, behind an id.

        Raises:
            IntegrationNotFound: the tenant has none of that id.
        """
        found = await self._store.payloads(tenant, integration, before=before, size=size)
        if not found:
            await self._store.get(tenant, integration)
        return found

    async def attempt(
        self, tenant: str, integration: str, *, payload: str, content_type: str, mapping: PayloadMapping | None
    ) -> ReadPayload:
        """What a payload would do: a given one, or the last one that came, with the mapping that is stored or a given one.

        Raises:
            InvalidInput: what its sender would be told, too.
            IntegrationNotFound: the tenant has none of that id.
            FailedPrecondition: no payload came yet, or the last one was too large to be kept.
        """
        stored = await self._store.get(tenant, integration)
        if mapping is not None:
            _check_kind(stored.kind, mapping=mapping, by_group=False, field="mapping")
            stored = msgspec.structs.replace(stored, mapping=mapping)
        if payload:
            kind = content_type or _MEDIA_TYPES.get(stored.kind, "application/json")
            return read_payload(RawPayload(payload.encode("utf-8", "replace"), kind), stored)
        return read_payload(await self._last(stored), stored)

    async def _last(self, integration: Integration) -> RawPayload:
        found = await self._store.payloads(integration.tenant, integration.id, before="", size=1)
        if not found:
            raise FailedPrecondition(f"No payload came to {integration.name} yet; give one.")
        if found[0].truncated:
            raise FailedPrecondition(f"The last payload has {found[0].size:,} bytes, of which {KEPT_BYTES:,} are kept; give one.")
        return RawPayload(found[0].body.encode(), found[0].content_type, found[0].headers)

    async def _replace(
        self,
        tenant: str,
        integration: str,
        *,
        etag: str = "",
        key_hash: str = "",
        change: Callable[[Integration], IntegrationSpec] | None = None,
    ) -> Integration:
        for attempt in range(1, _ATTEMPTS + 1):
            stored = await self._store.get(tenant, integration)
            if etag and etag != stored.etag:
                raise IntegrationChanged("The integration was changed since; its etag is another one now.")
            changed = msgspec.structs.replace(stored, version=stored.version + 1, updated=self._clock.micros())
            if change is not None:
                spec = change(stored)
                if spec.kind is not stored.kind:
                    raise InvalidInput.at("integration.kind", "cannot be changed: another sender needs another integration")
                await self._check(tenant, spec)
                changed = msgspec.structs.replace(changed, damaged=(), **spec._asdict())
            try:
                await self._store.replace(changed, version=stored.version, key_hash=key_hash)
            except IntegrationChanged:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return changed
        raise IntegrationChanged

    async def _check(self, tenant: str, spec: IntegrationSpec) -> None:
        """Refuses what the contract cannot see.

        Raises:
            InvalidInput: a mapping that finds nothing or that its kind does not read, grouping that its kind does not know, or a policy
                that is not there.
        """
        _check_kind(spec.kind, mapping=spec.mapping, by_group=spec.by_group, field="integration.mapping")
        if spec.policy and await self._policies.missing([(tenant, spec.policy)]):
            raise InvalidInput.at("integration.escalationPolicy", f"there is no escalationPolicies/{spec.policy}")


def _check_kind(kind: IntegrationKind, *, mapping: PayloadMapping | None, by_group: bool, field: str) -> None:
    if mapping is not None and kind not in MAPPED:
        raise InvalidInput.at(field, f"is for {' and '.join(sorted(kind.name for kind in MAPPED))} alone")
    if mapping is None and kind is IntegrationKind.GENERIC:
        raise InvalidInput.at(field, "is missing: it says where a GENERIC payload has its title")
    if mapping is not None:
        check_mapping(mapping, field=field)
    if by_group and kind not in _GROUPING:
        raise InvalidInput.at("integration.byGroup", f"is for {' and '.join(sorted(kind.name for kind in _GROUPING))} alone")
