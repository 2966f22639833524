"""ProviderService."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import grpc
from google.protobuf.empty_pb2 import Empty

from mailer_svc.domain.providers import HIDDEN, ProviderView
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.ports.providers import KindDescription
from mailer_svc.service import ProviderChange, Providers
from tocsin.api.mailer.v1 import provider_service_pb2 as pb
from tocsin.api.mailer.v1 import provider_service_pb2_grpc as rpc
from tocsin.errors import InvalidInput
from tocsin.listing import snake_case
from tocsin.mesh.context import principal
from tocsin.mesh.values import plain
from tocsin.pages import Listing, list_page
from tocsin.resource_names import check_unnamed
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]
_WRITABLE: Final = ("display_name", "position", "disabled", "config")


class ProviderHandlers(rpc.ProviderServiceServicer):
    """Manages the providers of the caller's tenant."""

    def __init__(self, *, providers: Providers) -> None:
        self._providers = providers

    async def CreateProvider(self, request: pb.CreateProviderRequest, context: Context) -> pb.Provider:
        """Adds a provider."""
        given = request.provider
        check_unnamed(given.name, field="provider.name")
        return _provider(
            await self._providers.create(
                tenant=principal().tenant,
                kind=given.kind,
                display_name=given.display_name,
                position=given.position,
                enabled=not given.disabled,
                config=plain(given.config),
            )
        )

    async def GetProvider(self, request: pb.GetProviderRequest, context: Context) -> pb.Provider:
        """Reads one provider."""
        return _provider(await self._providers.get(tenant=principal().tenant, id=_id(request.name)))

    async def ListProviders(self, request: pb.ListProvidersRequest, context: Context) -> pb.ListProvidersResponse:
        """Lists the lanes."""
        tenant = principal().tenant
        numbered = list(enumerate(await self._providers.all(tenant=tenant), start=1))

        async def read(behind: tuple[int] | None, most: int) -> tuple[Sequence[tuple[int, ProviderView]], None]:
            first = behind[0] if behind else 0
            return numbered[first : first + most], None

        listing = Listing(f"providers {tenant}", (int,))
        found, token = await list_page(request, listing, read=read, show=lambda row: _provider(row[1]), place=lambda row: (row[0],))
        return pb.ListProvidersResponse(providers=found, next_page_token=token)

    async def UpdateProvider(self, request: pb.UpdateProviderRequest, context: Context) -> pb.Provider:
        """Changes a provider."""
        given = request.provider
        if not given.name:
            raise InvalidInput.at("provider.name", "is required")
        return _provider(await self._providers.update(tenant=principal().tenant, id=_id(given.name), change=_change(request)))

    async def DeleteProvider(self, request: pb.DeleteProviderRequest, context: Context) -> Empty:
        """Removes a provider."""
        await self._providers.delete(tenant=principal().tenant, id=_id(request.name))
        return Empty()

    async def TestProvider(self, request: pb.TestProviderRequest, context: Context) -> pb.TestProviderResponse:
        """Sends a message by this provider alone."""
        outcome = await self._providers.test(tenant=principal().tenant, id=_id(request.name), to=request.to)
        return pb.TestProviderResponse(
            sent=outcome.result.value == "sent", outcome=outcome.result.value, code=int32(outcome.code), detail=outcome.detail
        )

    async def ListProviderKinds(self, request: pb.ListProviderKindsRequest, context: Context) -> pb.ListProviderKindsResponse:
        """Lists the kinds of providers."""
        return pb.ListProviderKindsResponse(kinds=[_kind(kind) for kind in self._providers.kinds()])


def _change(request: pb.UpdateProviderRequest) -> ProviderChange:
    given = request.provider
    paths = [snake_case(path) for path in request.update_mask.paths]
    for path in paths:
        if path not in (*_WRITABLE, "*") and path not in pb.Provider.DESCRIPTOR.fields_by_name:
            raise InvalidInput.at("updateMask", f"a provider has no field {path!r}; known are {', '.join(_WRITABLE)}")
    if not paths:
        paths = [field.name for field, _ in given.ListFields()]
    elif "*" in paths:
        paths = list(_WRITABLE)
    return ProviderChange(
        display_name=given.display_name if "display_name" in paths else None,
        position=given.position if "position" in paths else None,
        enabled=not given.disabled if "disabled" in paths else None,
        config=plain(given.config) if "config" in paths else None,
    )


def _id(name: str) -> str:
    return name.removeprefix("providers/")


def _provider(view: ProviderView) -> pb.Provider:
    shown = pb.Provider(
        name=f"providers/{view.id}",
        kind=view.kind,
        channel=view.channel,
        source=pb.Provider.SETTINGS if view.installed else pb.Provider.TENANT,
        circuit=view.status.circuit,
        fault=view.status.fault,
        concurrency=int32(view.status.concurrency),
        callback_path=_callback_path(view),
    )
    if (record := view.record) is not None:
        shown.display_name, shown.position, shown.disabled = record.display_name, int32(record.position), not record.enabled
        shown.config.update(_shown_config(record.config, record.secrets))
        shown.create_time.CopyFrom(timestamp(record.created))
        shown.update_time.CopyFrom(timestamp(record.updated))
    return shown


def _callback_path(view: ProviderView) -> str:
    """Where the provider may call back: by its name in timelines."""
    if not view.has_callback:
        return ""
    return f"/v1/callbacks/{view.id}" if view.installed else f"/v1/callbacks/{view.kind}-{view.id}"


def _shown_config(config: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, Any]:
    return {**config, **dict.fromkeys(secrets, HIDDEN)}


def _kind(kind: KindDescription) -> pb.ProviderKind:
    shown = pb.ProviderKind(kind=kind.kind, channel=kind.channel, secrets=kind.secrets)
    shown.config_schema.update(kind.schema)
    return shown
