"""Swagger UI from its package: nothing is loaded from elsewhere, and nothing runs inline."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import swagger_ui_bundle

from gateway.transcoding.router import RouteNotFound

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".html": "text/html; charset=utf-8",
}
_BUNDLED = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")

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
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/docs/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: true,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
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
        folder = Path(str(swagger_ui_bundle.swagger_ui_path))
        files: Mapping[str, bytes] = {
            "index.html": _PAGE.encode(),
            "start.js": _START.encode(),
            **{name: (folder / name).read_bytes() for name in _BUNDLED},
        }
        self._assets = {name: _asset(name, data) for name, data in files.items()}

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


def _asset(name: str, data: bytes) -> Asset:
    return Asset(
        content_type=_TYPES[Path(name).suffix],
        data=data,
        compressed=gzip.compress(data, 6, mtime=0),
        etag=f'"{hashlib.sha256(data).hexdigest()[:16]}"'.encode(),
    )
