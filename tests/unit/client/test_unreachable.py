"""What both clients say of a gateway that cannot be reached: the mistake, and what mends it."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki
from tocsin_client import AsyncClient, Client, RetryRule, errors

ONCE = RetryRule(attempts=1)
Failing = Callable[[str], errors.TocsinError]


@pytest.fixture(scope="module")
def server_context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """The TLS of a server whose authority nobody knows."""
    folder = tmp_path_factory.mktemp("pki")
    ensure_pki(folder=folder, services=["sink"], trust_domain="tocsin.local", clock=SystemClock())
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "sink.pem", folder / "sink-key.pem")
    return context


def served(listener: socket.socket) -> Iterator[str]:
    """The address of a server that answers each connection with a 400, until the test ends."""
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            with suppress(OSError), listener.accept()[0] as connection:  # an OSError: the handshake failed, as it must
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    server = threading.Thread(target=serve)
    server.start()
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    yield address
    ended.set()
    with suppress(OSError), socket.create_connection(("127.0.0.1", listener.getsockname()[1])):
        pass
    server.join()
    listener.close()


@pytest.fixture
def plain() -> Iterator[str]:
    """The address of a server without TLS."""
    yield from served(socket.create_server(("127.0.0.1", 0)))


@pytest.fixture
def secured(server_context: ssl.SSLContext) -> Iterator[str]:
    """The address of a server with TLS."""
    yield from served(server_context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True))


def with_threads(url: str) -> errors.TocsinError:
    """How a call of the client without asyncio fails."""
    with Client(url, retry=ONCE) as client, pytest.raises(errors.TocsinError) as raised:
        client.get_alarm("alarms/1")
    return raised.value


def with_asyncio(url: str) -> errors.TocsinError:
    """How a call of the other one does."""

    async def call() -> errors.TocsinError:
        async with AsyncClient(url, retry=ONCE) as client:
            with pytest.raises(errors.TocsinError) as raised:
                await client.get_alarm("alarms/1")
        return raised.value

    return asyncio.run(call())


FACES = pytest.mark.parametrize("failing", [with_threads, with_asyncio], ids=["threads", "asyncio"])


@FACES
def test_a_scheme_that_the_gateway_does_not_speak_is_told(failing: Failing, plain: str, secured: str) -> None:
    """Either way, with what the URL begins with."""
    told = failing(f"https://{plain}")
    assert isinstance(told, errors.NotSent)
    assert plain in told.message
    assert "http://" in told.message
    told = failing(f"http://{secured}")
    assert isinstance(told, errors.Unavailable)
    assert secured in told.message
    assert "https://" in told.message


@FACES
def test_a_certificate_that_is_not_trusted_is_told(failing: Failing, secured: str) -> None:
    """With where an own authority is named."""
    told = failing(f"https://{secured}")
    assert isinstance(told, errors.NotSent)
    assert "certificate is not trusted" in told.message
    assert "SSL_CERT_FILE" in told.message


@FACES
def test_that_nobody_listens_is_told(failing: Failing) -> None:
    """The port is held for the test, so that nobody else comes to listen there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert "nothing listens" in failing(f"http://127.0.0.1:{held.getsockname()[1]}").message


@FACES
def test_a_name_that_is_unknown_is_told(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the resolver says it."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "cannot be resolved" in failing("http://gateway.invalid:8000").message
