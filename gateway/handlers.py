"""The gateway's own pages: health, the picture for operators, and the documentation."""

import gzip
import hashlib

from gateway.console_site import ConsoleSite
from gateway.http.endpoints import Answer, PageEndpoint
from gateway.http.exchange import Exchange
from gateway.http.headers import has_etag, takes_gzip
from gateway.openapi.pages import POLICY, Asset, Pages
from gateway.service import HealthService
from gateway.transcoding.rendering import JSON_TYPE
from tocsin.protojson.codec import dump_json

OPERATOR_SCOPE = "mesh:read"
"""Scope for what the inside looks like: addresses, versions, dependencies."""

_NO_STORE = (b"cache-control", b"no-store")
_REVALIDATE = (b"cache-control", b"no-cache")


def pages(*, health: HealthService, document: object) -> list[tuple[str, PageEndpoint]]:
    """The pages with their HTTP methods.

    Args:
        health: the picture of the platform.
        document: the OpenAPI 3.1 document.
    """
    found = [*_of_health(health), *_of_documentation(document)]
    return [*(("GET", endpoint) for endpoint in found), *ConsoleSite().endpoints()]


def _of_health(health: HealthService) -> list[PageEndpoint]:
    async def show_health(exchange: Exchange) -> Answer:
        del exchange
        return _json(await health.health())

    async def show_scheduler(exchange: Exchange) -> Answer:
        """As an earlier system had it: the part of the picture that is the scheduler's."""
        del exchange
        return _json(await health.of_service("scheduler_svc"))

    async def show_services(exchange: Exchange) -> Answer:
        del exchange
        return _json(await health.debug())

    return [
        *(PageEndpoint(template=path, page=show_health) for path in ("/health", "/health/")),
        *(PageEndpoint(template=path, page=show_scheduler) for path in ("/scheduler/health", "/scheduler/health/")),
        *(
            PageEndpoint(template=path, page=show_services, public=False, scope=OPERATOR_SCOPE)
            for path in ("/debug/services", "/debug/services/")
        ),
    ]


def _of_documentation(document: object) -> list[PageEndpoint]:
    docs = Pages()

    async def show_index(exchange: Exchange) -> Answer:
        return _file(exchange, docs.index)

    async def show_asset(exchange: Exchange) -> Answer:
        return _file(exchange, docs.asset(exchange.variables["name"]))

    async def show_root(exchange: Exchange) -> Answer:
        """A browser goes to the console, everybody else to the documentation."""
        target = b"/console" if b"text/html" in exchange.headers.get(b"accept", b"") else b"/docs"
        return Answer(status=307, headers=((b"location", target), (b"vary", b"accept")), data=b"")

    return [
        _document("/openapi.json", document),
        PageEndpoint(template="/docs", page=show_index),
        PageEndpoint(template="/docs/", page=show_index),
        PageEndpoint(template="/docs/{name}", page=show_asset),
        PageEndpoint(template="/", page=show_root),
    ]


def _document(template: str, content: object) -> PageEndpoint:
    data = dump_json(content)
    asset = Asset(
        content_type=JSON_TYPE,
        data=data,
        compressed=gzip.compress(data, 6, mtime=0),
        etag=f'"{hashlib.sha256(data).hexdigest()[:16]}"'.encode(),
    )

    async def show(exchange: Exchange) -> Answer:
        return _file(exchange, asset)

    return PageEndpoint(template=template, page=show)


def _json(content: object) -> Answer:
    return Answer(headers=((b"content-type", JSON_TYPE.encode()), _NO_STORE), data=dump_json(content))


def _file(exchange: Exchange, asset: Asset) -> Answer:
    """A file, or 304 if the browser has it (RFC 9110, 13.1.2)."""
    if has_etag(exchange.headers.get(b"if-none-match"), asset.etag):
        return Answer(status=304, headers=((b"etag", asset.etag), _REVALIDATE), data=b"")
    headers = (
        (b"content-type", asset.content_type.encode()),
        (b"etag", asset.etag),
        _REVALIDATE,
        (b"vary", b"accept-encoding"),
        (b"content-security-policy", POLICY),
        (b"referrer-policy", b"no-referrer"),
    )
    if takes_gzip(exchange.headers):
        return Answer(headers=(*headers, (b"content-encoding", b"gzip")), data=asset.compressed)
    return Answer(headers=headers, data=asset.data)
