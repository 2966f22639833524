"""TLS at both doors: the certificate that is shown, its renewal without a restart, and what clients are told."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from gateway.certificate import DoorCertificate
from gateway.config import GatewaySettings
from tests.integration.gateway.support import Rig
from tests.unit.gateway.contracts import message_type
from tocsin.clock import SystemClock
from tocsin.config import ConfigError, load
from tocsin.mesh.authority import Authority, make_ca

HELLO = "/shelf.v1.ShelfService/Hello"


class Shown:
    """The files of a certificate for "door", of an authority of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.cert_file, self.key_file, self.ca_file = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
        self.authority: Authority = make_ca(trust_domain="door.test", clock=SystemClock())
        self.ca_file.write_bytes(self.authority.certificate.public_bytes(serialization.Encoding.PEM))
        self.renew()

    def renew(self, lifetime: timedelta = timedelta(days=90)) -> int:
        """Replaces the files; returns the serial number of the new certificate."""
        certificate, key = self.authority.issue(service="door", trust_domain="door.test", clock=SystemClock(), lifetime=lifetime)
        self.key_file.write_bytes(key)
        self.cert_file.write_bytes(certificate)
        return x509.load_pem_x509_certificate(certificate).serial_number

    @property
    def settings(self) -> dict[str, Any]:
        """Those of a gateway that shows it."""
        return {"public_tls_cert_file": self.cert_file, "public_tls_key_file": self.key_file}

    def trust(self) -> ssl.SSLContext:
        """A client that knows the authority."""
        return ssl.create_default_context(cafile=str(self.ca_file))


@pytest.fixture
def shown(tmp_path: Path) -> Shown:
    """A certificate."""
    return Shown(tmp_path / "door")


@pytest.fixture
async def secure(tmp_path: Path, shown: Shown) -> AsyncGenerator[Rig]:
    """A gateway that shows it at both doors."""
    rig = Rig(folder=tmp_path / "rig", clock=SystemClock())
    try:
        await rig.start(**shown.settings)
        yield rig
    finally:
        await rig.stop()


async def serial(rig: Rig, shown: Shown, *, name: str | None) -> int:
    """The serial number of the certificate that the HTTP door shows; ``name`` is what the client asks for, if anything."""
    context = shown.trust()
    context.check_hostname = name is not None
    port = int(rig.url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "")
    shown_certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return x509.load_der_x509_certificate(shown_certificate).serial_number


async def hello(rig: Rig, shown: Shown) -> str:
    """What the gRPC edge answers."""
    credentials = grpc.ssl_channel_credentials(shown.ca_file.read_bytes())
    async with grpc.aio.secure_channel(rig.running.address, credentials) as channel:
        answer = await channel.unary_unary(HELLO)(b"", timeout=60)
    return message_type("Book").FromString(answer).title


async def test_both_doors_speak_tls_alone(secure: Rig, shown: Shown) -> None:
    """Over HTTP with HSTS, over gRPC; plain text gets no answer at either."""
    assert secure.url.startswith("https://")
    async with httpx2.AsyncClient(base_url=secure.url, verify=shown.trust(), trust_env=False) as client:
        answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert await hello(secure, shown) == "hello"
    async with httpx2.AsyncClient(base_url=secure.url.replace("https", "http"), trust_env=False) as client:
        with pytest.raises(httpx2.HTTPError):
            await client.get("/health")
    async with grpc.aio.insecure_channel(secure.running.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await channel.unary_unary(HELLO)(b"", timeout=10)


@pytest.mark.parametrize("name", ["door", None], ids=["by name", "by address"])
async def test_a_renewed_certificate_needs_no_restart(secure: Rig, shown: Shown, name: str | None) -> None:
    """The next handshake shows it; a connection that is open goes on, and half a renewal changes nothing."""
    async with httpx2.AsyncClient(base_url=secure.url, verify=shown.trust(), trust_env=False) as client:
        assert (await client.get("/health")).status_code == 200
        before = await serial(secure, shown, name=name)
        key = shown.key_file.read_bytes()
        newest = shown.renew()
        assert newest != before
        assert await serial(secure, shown, name=name) == newest
        assert await hello(secure, shown) == "hello"
        shown.key_file.write_bytes(key)  # the other one's
        assert await serial(secure, shown, name=name) == newest
        shown.cert_file.unlink()
        assert await serial(secure, shown, name=name) == newest
        assert await hello(secure, shown) == "hello"
        assert (await client.get("/health")).status_code == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_versions_of_tls_are_refused(secure: Rig, shown: Shown) -> None:
    """TLS 1.1 and older are forbidden (RFC 8996)."""
    context = shown.trust()
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    port = int(secure.url.rpartition(":")[2])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="door")


@pytest.mark.parametrize(
    ("lifetime", "words"), [(timedelta(days=90), None), (timedelta(days=6), "expires in 5 days"), (timedelta(), "it has expired")]
)
async def test_health_tells_of_a_certificate_that_ends(tmp_path: Path, shown: Shown, lifetime: timedelta, words: str | None) -> None:
    """Nobody is asked for a certificate that expires tonight."""
    shown.renew(lifetime)
    rig = Rig(folder=tmp_path / "rig", clock=SystemClock())
    try:
        await rig.start(**shown.settings)
        async with httpx2.AsyncClient(base_url=rig.url, verify=False, trust_env=False) as client:
            health = (await client.get("/health")).json()
    finally:
        await rig.stop()
    assert (words or "") in health.get("background", {}).get("public-certificate", "")
    assert ("background" in health) is (words is not None)


@pytest.mark.parametrize("broken", ["missing", "text", "another's key", "key with a passphrase", "one of the two"])
def test_files_that_cannot_be_used_stop_the_start(shown: Shown, tmp_path: Path, broken: str) -> None:
    """With the names of the settings and of the files."""
    settings = {name: str(value) for name, value in shown.settings.items()}
    match broken:
        case "missing":
            shown.cert_file.unlink()
        case "text":
            shown.cert_file.write_text("no certificate")
        case "another's key":
            shown.key_file.write_bytes(Shown(tmp_path / "other").key_file.read_bytes())
        case "key with a passphrase":
            shown.key_file.write_bytes(_locked(shown.key_file.read_bytes()))
        case _:
            del settings["public_tls_key_file"]
    env = {f"TOCSIN_GATEWAY_{name.upper()}": value for name, value in settings.items()}
    with pytest.raises(ConfigError, match=r"(?i)public_tls_cert_file") as refused:
        _door(env)
    assert broken == "one of the two" or str(shown.cert_file) in str(refused.value)


def _door(env: dict[str, str]) -> DoorCertificate:
    """What the gateway makes of its environment."""
    found = load(GatewaySettings, env)
    assert found.public_tls_cert_file is not None
    assert found.public_tls_key_file is not None
    return DoorCertificate(cert_file=found.public_tls_cert_file, key_file=found.public_tls_key_file)


def _locked(key: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret"))
    return loaded.private_bytes(*form)
