"""The console's files: built from `console/`, committed beside this module, and served as they are."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from typing import Final

from gateway.http.endpoints import Answer, PageEndpoint
from gateway.http.exchange import Exchange
from gateway.http.headers import has_etag, takes_coding
from gateway.transcoding.router import RouteNotFound

POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    b"frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content-Security-Policy of the console: it runs its own files alone, talks to its own host alone, and turns no text into script."""

FRAME_POLICY: Final = (
    b"sandbox allow-same-origin; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    b"frame-ancestors 'self'"
)
"""Of the empty page in which the console shows HTML that is not saved yet, such as the preview of a template.

The console writes into it, for which both have to be of one origin. Whatever is written, it runs, loads, sends and opens nothing.
"""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
_INDEX: Final = "index.html"
_FRAME: Final = b'<!DOCTYPE html><html lang="und"><title>Preview</title></html>\n'
_BROTLI: Final = ".br"
_GZIP: Final = ".gz"
_FOR_GOOD: Final = (b"cache-control", b"public, max-age=31536000, immutable")
"""A file whose name has the hash of its content never changes."""
_REVALIDATE: Final = (b"cache-control", b"no-cache")
_COMMON: Final = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"vary", b"accept-encoding"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleFile:
    """A file in each way in which it is sent; ``forms`` by content coding, the smallest first."""

    content_type: bytes
    etag: bytes
    forms: Mapping[bytes, bytes]
    is_immutable: bool

    def answer(self, exchange: Exchange) -> Answer:
        """The file, or 304 if the browser has it (RFC 9110, 13.1.2)."""
        caching = _FOR_GOOD if self.is_immutable else _REVALIDATE
        if has_etag(exchange.headers.get(b"if-none-match"), self.etag):
            return Answer(status=304, headers=((b"etag", self.etag), caching), data=b"")
        headers = ((b"content-type", self.content_type), (b"etag", self.etag), caching, *_COMMON)
        coding = next(name for name in self.forms if name == b"" or takes_coding(exchange.headers, name))
        return Answer(headers=((*headers, (b"content-encoding", coding)) if coding else headers), data=self.forms[coding])


class ConsoleSite:
    """The console: one page for every path below /console, and the files that it loads."""

    def __init__(self) -> None:
        """Reads the build."""
        self._files = dict(_read(files("gateway") / "console"))

    def endpoints(self) -> list[tuple[str, PageEndpoint]]:
        """Its pages with their HTTP methods."""
        paths = ("/console", "/console/", "/console/{path=**}")
        pages = [("GET", PageEndpoint(template=path, page=self._show)) for path in paths]
        return [("GET", PageEndpoint(template="/console/frame", page=_show_frame)), *pages]

    async def _show(self, exchange: Exchange) -> Answer:
        """A file of the build, or the page, which finds out itself what its path means.

        Raises:
            RouteNotFound: there is no such file.
        """
        path = exchange.variables.get("path", "")
        found = self._files.get(path if path.startswith("assets/") else _INDEX)
        if found is None:
            raise RouteNotFound
        return found.answer(exchange)


async def _show_frame(exchange: Exchange) -> Answer:
    """The empty page."""
    del exchange
    headers = (
        (b"content-type", _TYPES[".html"].encode()),
        _REVALIDATE,
        (b"content-security-policy", FRAME_POLICY),
        (b"referrer-policy", b"no-referrer"),
    )
    return Answer(headers=headers, data=_FRAME)


def _read(folder: Traversable) -> list[tuple[str, ConsoleFile]]:
    content = dict(_content(folder, ""))
    compressed = (_BROTLI, _GZIP)
    return [
        (name, _file(name, data, content.get(name + _BROTLI), content.get(name + _GZIP)))
        for name, data in content.items()
        if not name.endswith(compressed)
    ]


def _content(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for item in folder.iterdir():
        name = f"{prefix}{item.name}"
        found += _content(item, f"{name}/") if item.is_dir() else [(name, item.read_bytes())]
    return found


def _file(name: str, data: bytes, brotli: bytes | None, gzipped: bytes | None) -> ConsoleFile:
    forms = {b"gzip": gzipped or gzip.compress(data, 9, mtime=0), b"": data}
    return ConsoleFile(
        content_type=_TYPES[PurePosixPath(name).suffix].encode(),
        etag=f'"{hashlib.sha256(data).hexdigest()[:16]}"'.encode(),
        forms={b"br": brotli, **forms} if brotli is not None else forms,
        is_immutable=name.startswith("assets/"),
    )
