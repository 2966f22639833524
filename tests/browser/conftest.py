"""A browser, a web server for the example's page, and a push server with a certificate."""

import asyncio
from collections.abc import AsyncIterator, Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.browser.chromium import Chromium
from tests.integration.mailer.support import certificate
from tocsin.testing.http import HttpSink, Reply

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "webpush"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's word
        """Nothing."""


@pytest.fixture
def page_url() -> Generator[str]:
    """Where the example's page is served; localhost counts as secure."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(EXAMPLE)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def push_server(tmp_path: Path) -> AsyncIterator[tuple[HttpSink, Path]]:
    """Stands for the push service of the browser; and the authority that its certificate is of."""
    context, authority = await asyncio.to_thread(certificate, tmp_path)
    async with HttpSink(tls=context) as sink:
        sink.script(Reply(status=201, headers={"location": "https://push.example.net/m/1"}))
        yield sink, authority


@pytest.fixture
async def chromium(tmp_path: Path) -> AsyncIterator[Chromium]:
    """A browser."""
    async with Chromium(profile=tmp_path / "profile") as browser:
        yield browser
