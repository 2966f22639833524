"""Swagger UI from its package: nothing is loaded from elsewhere, and nothing runs inline."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import mkdocs_swagger_ui_tag

from gateway.transcoding.router import RouteNotFound

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
_BUNDLED = {"swagger-ui.css": "stylesheets", "swagger-ui-bundle.js": "javascripts"}
"""Names of files, and the folders of the package that hold them."""

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the pages. Swagger UI sets style attributes; it needs no inline script."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tocsin API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/svg+xml" href="/docs/bell.svg">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_BELL = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<path fill="#b45309" d="M16 3a3 3 0 0 0-3 3c-4 1-6 5-6 9v6l-3 4h24l-3-4v-6c0-4-2-8-6-9a3 3 0 0 0-3-3zm-4 23a4 4 0 0 0 8 0z"/>
</svg>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file as it is sent."""

    content_type: str
    data: bytes
    compressed: bytes
    etag: bytes


class Pages:
    """The files of the documentation."""

    def __init__(self) -> None:
        """Reads the files of the package."""
        package = files(mkdocs_swagger_ui_tag) / "swagger-ui"
        content: Mapping[str, bytes] = {
            "index.html": _PAGE.encode(),
            "start.js": _START.encode(),
            "bell.svg": _BELL.encode(),
            **{name: (package / folder / name).read_bytes() for name, folder in _BUNDLED.items()},
        }
        self._assets = {name: _asset(name, data) for name, data in content.items()}

    @property
    def index(self) -> Asset:
        """The page."""
        return self._assets["index.html"]

    def asset(self, name: str) -> Asset:
        """A file of the page.

        Raises:
            RouteNotFound: there is none of this name.
        """
        found = self._assets.get(name)
        if found is None:
            raise RouteNotFound
        return found


@cache
def _asset(name: str, data: bytes) -> Asset:
    return Asset(
        content_type=_TYPES[Path(name).suffix],
        data=data,
        compressed=gzip.compress(data, 6, mtime=0),
        etag=f'"{hashlib.sha256(data).hexdigest()[:16]}"'.encode(),
    )
