"""Nobody renews the certificates: every call says so, health says so, and new files are all that it takes to go on."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.clock import SystemClock
from tocsin.mesh.authority import Authority
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(600)]

TIMES, LIFE, AWAY = (5, 6.0, 5.0) if FULL else (1, 1.5, 0.5)
RATE = 20


def issue(state: Path, lifetime: timedelta) -> None:
    """Replaces every service's certificate by one that lives so long."""
    folder = state / "pki"
    key = load_pem_private_key((folder / "ca-key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    authority = Authority(certificate=x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes()), key=key)
    for service in SERVICES:
        pair = authority.issue(service=service, trust_domain="tocsin.local", clock=SystemClock(), lifetime=lifetime)
        for name, content in zip((f"{service}.pem", f"{service}-key.pem"), pair, strict=True):
            fresh = folder / f".{name}"
            fresh.write_bytes(content)
            fresh.replace(folder / name)


async def health(client: httpx2.AsyncClient) -> dict[str, Any]:
    """What /health shows."""
    return (await client.get("/health")).json()


async def complaint(client: httpx2.AsyncClient) -> str:
    """What a call is answered while it cannot be made; empty if it can."""
    answer = await client.get("/v1/alarms")
    if answer.is_success:
        return ""
    assert answer.status_code == 503, answer.text
    return str(answer.json()["message"])


async def expire(stack: RunningStack, client: httpx2.AsyncClient) -> list[str]:
    """Lets every certificate end and renews it after a while; what was said meanwhile, by a call and by health."""

    async def refused() -> bool:
        return "has expired" in await complaint(client)

    async def ill() -> bool:
        return (await health(client))["status"] == "unavailable"

    async def well() -> bool:
        return not await complaint(client) and (await health(client))["status"] == "healthy"

    issue(stack.state, timedelta(seconds=LIFE))
    await eventually(refused, what="a call that names the expired certificate")
    await eventually(ill, what="health that is not well")
    services = (await health(client))["services"]
    said = [await complaint(client), *(str(service["dependencies"]["certificate"].get("detail")) for service in services.values())]
    await asyncio.sleep(AWAY)
    issue(stack.state, timedelta(days=1))
    await eventually(well, seconds=60, what="a recovery without a restart")
    return said


async def test_expired_certificates_are_named_and_renewed_without_a_restart(tmp_path: Path, record_property: Note) -> None:
    """All of them expire under load: calls and health say why; after the renewal everything that was accepted arrives, once."""
    said: list[str] = []
    with RunningStack(state=tmp_path / "state") as stack:
        async with stack.client() as client:
            load = Load(client)
            await load.steady()
            async with load.during(rate=RATE):
                for _ in range(TIMES):
                    said += await expire(stack, client)
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    record_property("account", f"expired {TIMES} times, refused {load.refused}, answers {dict(load.answers)}: {account}")
    assert all("The certificate of gateway expired at 2" in words for words in said), said
    assert load.refused > 0
    assert restarts == dict.fromkeys(SERVICES, 0)
    assert account.accepted == account.attempted
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
