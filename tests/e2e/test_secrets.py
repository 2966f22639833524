"""No secret leaves: marked ones are put everywhere that takes one, everything is made to fail, and what comes out is searched."""

import asyncio
import re
import secrets
import sys
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import httpx2
import pytest

from tocsin.testing.postgres import PostgresServer
from tocsin.testing.process import memory_of
from tocsin.testing.stack import STRANGERS, RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

MARK = "seKret"


def marked(name: str) -> str:
    """A secret that can be found again, and its place be told."""
    return f"{MARK}{name}{secrets.token_hex(8)}"


async def _call_badly(stack: RunningStack, found: list[str]) -> None:
    """Requests that carry marked secrets and fail, over both doors; their answers are part of what comes out."""
    password, token, key = marked("password"), marked("token"), f"tk_{marked('key')}"
    email = f"{secrets.token_hex(6)}@example.com"
    async with httpx2.AsyncClient(base_url=stack.info["http"], trust_env=False) as nobody:
        requests: list[dict[str, Any]] = [
            {"url": "/register", "json": {"email": email, "password": password}},
            {"url": "/register", "json": {"email": email, "password": password}},
            {"url": "/register", "json": {"email": "nonsense", "password": password}},
            {"url": "/token", "json": {"email": email, "password": marked("wrong")}},
            {"url": "/token", "json": {"email": email, "password": [password]}},
            {"url": "/token", "content": f'{{"password": "{password}"'.encode(), "headers": {"Content-Type": "application/json"}},
            {"url": "/v1/auth:refresh", "json": {"refreshToken": token}},
            {"url": "/v1/auth:revoke", "json": {"refreshToken": token}},
            {"url": "/v1/alarms", "json": {}, "headers": {"Authorization": f"Bearer {key}"}},
            {"url": "/v1/alarms", "json": {}, "headers": {"Authorization": f"Basic {token}"}},
            {"url": "/v1/alarms", "json": {}, "headers": {"Authorization": f"Bearer eyJ{token}.eyJ{token}.{token}"}},
        ]
        for request in requests:
            answer = await nobody.post(**request)
            assert answer.status_code < 500, answer.text
            found.append(answer.text)
    async with grpc.aio.insecure_channel(stack.info["grpc"].removeprefix("grpc://")) as channel:
        for header in (f"Bearer {key}", f"Bearer {token}", token):
            call = channel.unary_unary("/tocsin.api.scheduler.v1.AlarmService/ListAlarms")(b"", metadata=(("authorization", header),))
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            found.append(f"{refused.value.details()} {refused.value.trailing_metadata()}")


async def _mail(stack: RunningStack) -> None:
    """A mail that the provider never takes."""
    async with stack.client() as client:
        body = {
            "trigger": {"every": "1s", "count": 1},
            "action": {"notify": {"to": ["ann@example.com"], "subject": "s", "text": "t", "channels": ["email"]}},
        }
        (await client.post("/v1/alarms", json=body)).raise_for_status()

        async def tried() -> bool:
            deliveries = (await client.get("/v1/deliveries")).json().get("deliveries") or [{}]
            return bool(deliveries[0].get("attempts") or deliveries[0].get("nextAttemptTime"))

        await eventually(tried, what="an attempt")


async def _command(*arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tocsin.cli", *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    return out.decode(errors="replace")


async def _everything(stack: RunningStack, found: list[str]) -> None:
    """What anybody can read of a running stack, and what its processes have written."""
    async with stack.client() as client:
        found += [(await client.get(path)).text for path in ("/health", "/debug/services", "/v1/mesh", "/openapi.json", "/v1/deliveries")]
    async with httpx2.AsyncClient(trust_env=False) as nobody:
        found += [(await nobody.get(service["metrics"])).text for service in stack.info["services"].values()]
    found += [path.read_text(errors="replace") for path in sorted((stack.state / "logs").rglob("*.log"))]
    found.append((stack.state / "stack.json").read_text())


def _check_privileges(stack: RunningStack, env: dict[str, str]) -> None:
    """No process holds a secret that it has no use for, and no file of the stack can be read by other users."""
    marks = {mark: name for name, value in env.items() for mark in re.findall(rf"{MARK}\w+", value)}
    for service, told in stack.info["services"].items():
        memory = memory_of(told["pid"])
        held = {name for mark, name in marks.items() if mark.encode() in memory}
        own = {name for name in marks.values() if name.startswith("TOCSIN_MAILER_") and service == "mailer_svc"}
        assert held == own | ({"TOCSIN_DATABASE_URL"} if service != "gateway" else set()), service
    open_to_others = [path for path in stack.state.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert open_to_others == []


async def test_no_marked_secret_comes_out(postgres_server: PostgresServer, tmp_path: Path) -> None:
    """Answers, logs, metrics, health, the mesh, the documents, the command line: none holds a secret that was put in."""
    database, admin = f"secrets_{secrets.token_hex(4)}", await asyncpg.connect(postgres_server.url())
    await admin.execute(f"CREATE DATABASE {database}")
    url = re.sub(r"//([^@/:]*)(:[^@/]*)?@", rf"//\1:{marked('database')}@", postgres_server.url(database))
    assert MARK in url
    env = {
        **STRANGERS,
        "TOCSIN_DATABASE_URL": url,
        "TOCSIN_MAILER_SMTP_HOST": "127.0.0.1",
        "TOCSIN_MAILER_SMTP_PORT": "1",
        "TOCSIN_MAILER_SMTP_USERNAME": "ann",
        "TOCSIN_MAILER_SMTP_PASSWORD": marked("smtp"),
        "TOCSIN_MAILER_SMTP_FALLBACKS": f"smtps://ann:{marked('fallback')}@127.0.0.1:1",
    }
    found: list[str] = []
    with RunningStack(state=tmp_path / "state", env=env) as stack:
        await _call_badly(stack, found)
        await _mail(stack)
        keys = (marked("cli"), f"{marked('line')}\nX: y", f"ä{marked('umlaut')}")
        found += [await _command("alarm", "list", "--url", stack.info["http"], "--api-key", key) for key in keys]
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", database)
        await _everything(stack, found)
        _check_privileges(stack, env)
    found.append(await _command("serve", "scheduler_svc", "--state", str(tmp_path / "none")))
    await admin.execute(f"DROP DATABASE {database} WITH (FORCE)")
    await admin.close()
    leaks = [text[max(0, place.start() - 120) : place.end() + 60] for text in found for place in re.finditer(MARK, text)]
    assert leaks == []
    assert sum(map(len, found)) > 100_000, "what was searched is what there is to see"
