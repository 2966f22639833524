"""Client of Tocsin: every call of its REST API, with asyncio (`AsyncClient`) and without (`Client`).

    with Client("http://127.0.0.1:8000", key) as tocsin:
        alarm = tocsin.create_alarm({"trigger": {"every": "60s"}, "action": {"task": {"handler": "noop"}}})

Messages are in `tocsin_client.models`, errors in `tocsin_client.errors`.
"""

from typing import TYPE_CHECKING, Any

from tocsin_client.calls import Content, RetryRule
from tocsin_client.client import Client
from tocsin_client.core import Pages, Stream
from tocsin_client.errors import FieldViolation, TocsinError
from tocsin_client.version import __version__

if TYPE_CHECKING:
    from tocsin_client.async_client import AsyncClient
    from tocsin_client.async_core import AsyncPages, AsyncStream

__all__ = [
    "AsyncClient",
    "AsyncPages",
    "AsyncStream",
    "Client",
    "Content",
    "FieldViolation",
    "Pages",
    "RetryRule",
    "Stream",
    "TocsinError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """The client for asyncio, loaded when it is wanted."""
    if name == "AsyncClient":
        from tocsin_client.async_client import AsyncClient

        return AsyncClient
    if name in ("AsyncPages", "AsyncStream"):
        from tocsin_client import async_core

        return getattr(async_core, name)
    raise AttributeError(name)
