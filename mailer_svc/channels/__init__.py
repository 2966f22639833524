"""How messages leave: the table of channels, one module for each, of the channel's name in the contract."""

from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mailer_svc.channels.spec import CallbackRefused, CallbackRequest, ChannelSpec, Configured, Parts, ProviderConfig, ProviderKind
from tocsin.channels import CHANNELS

__all__ = [
    "CallbackRefused",
    "CallbackRequest",
    "ChannelSpec",
    "Configured",
    "Parts",
    "ProviderConfig",
    "ProviderKind",
    "kinds",
    "table",
]


def table(names: Iterable[str] = tuple(CHANNELS)) -> Mapping[str, ChannelSpec[Any]]:
    """The channels that are here, of those with these names, by name; for the others messages are refused."""
    modules = (f"{__name__}.{name}" for name in names)
    found = (import_module(module).CHANNEL for module in modules if find_spec(module))
    return {channel.name: channel for channel in found}


def kinds() -> Mapping[str, tuple[str, ProviderKind[Any]]]:
    """Every kind of provider by its name, with the name of its channel."""
    return {kind.name: (channel.name, kind) for channel in table().values() for kind in channel.kinds}
