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
from tocsin.masks import ALL_FIELDS, fields_to_change, paths_of
from tocsin.mesh.context import principal
from tocsin.mesh.values import plain
from tocsin.pages import Listing, list_page
from tocsin.resource_names import check_unnamed
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]
_WRITABLE: Final = ("display_name", "position", "disabled", "config")
_LAST: Final = 2**31


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
        lanes = await self._providers.all(tenant=tenant)

        following = dict(zip([view.id for view in lanes], [*[view.id for view in lanes[1:]], ""], strict=True))

        async def read(behind: tuple[str, str, str, int] | None, most: int) -> tuple[Sequence[ProviderView], None]:
            first = _behind(lanes, *behind) if behind else 0
            return lanes[first : first + most], None

        def place(view: ProviderView) -> tuple[str, str, str, int]:
            return view.id, following[view.id], *_place(view)

        listing = Listing(f"providers {tenant}", (str, str, str, int))
        found, token = await list_page(request, listing, read=read, show=_provider, place=place)
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
    fields, paths = fields_to_change(request.update_mask, given, _WRITABLE), paths_of(request.update_mask)
    return ProviderChange(
        display_name=given.display_name if "display_name" in fields else None,
        position=given.position if "position" in fields else None,
        enabled=not given.disabled if "disabled" in fields else None,
        config=plain(given.config) if "config" in fields else None,
        kind=given.kind if not paths or {"kind", ALL_FIELDS} & {*paths} else "",
    )


def _behind(lanes: Sequence[ProviderView], identity: str, following: str, channel: str, position: int) -> int:
    """Where the list goes on after a provider: behind it, wherever it stands now; if it is gone, at what followed; else by its place.

    Positions alone would not do: they are numbered anew whenever one of the lane comes or moves.
    """
    at = {view.id: number for number, view in enumerate(lanes)}
    if identity in at:
        return at[identity] + 1
    if following in at:
        return at[following]
    return next((number for number, view in enumerate(lanes) if _place(view) >= (channel, position)), len(lanes))


def _place(view: ProviderView) -> tuple[str, int]:
    """The channel, and the position in the tenant's part of its lane; behind all of them for what has none."""
    return view.channel, view.record.position if view.record else _LAST


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
