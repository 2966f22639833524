"""The keys that sign tokens change under traffic: good tokens stay good, and those of a retired key end with it."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from tests.chaos.load import FULL, SERVICES, Load, Note
from tocsin.testing.stack import STRANGERS, RunningStack
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.thorough, pytest.mark.e2e, pytest.mark.timeout(600)]

TIMES = 5 if FULL else 1
RATE = 20


class Keys:
    """The key files of a stack, handled as auth_svc's README says."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.retired = folder
        self._signing = folder.parent / "keys" / "signing.pem"

    def announce(self) -> None:
        """Makes the next key and publishes its public half."""
        key = Ed25519PrivateKey.generate()
        following = self.retired / "next"
        following.touch(mode=0o600)
        following.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._publish(key, "next.pem")

    def switch(self) -> None:
        """Keeps the old key's public half, and puts the next key in its place."""
        old = load_pem_private_key(self._signing.read_bytes(), None)
        assert isinstance(old, Ed25519PrivateKey)
        self._publish(old, "old.pem")
        (self.retired / "next").replace(self._signing)
        (self.retired / "next.pem").unlink()

    def retire(self) -> None:
        """Takes the old key's public half away."""
        (self.retired / "old.pem").unlink()

    def _publish(self, key: Ed25519PrivateKey, name: str) -> None:
        fresh = self.retired / f".{name}.new"
        fresh.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        fresh.replace(self.retired / name)


class Traffic:
    """Calls with tokens; every answer but a good one is kept."""

    def __init__(self, client: httpx2.AsyncClient, stack: RunningStack) -> None:
        self._client = client
        self._account = {"email": "ann@example.com", "password": "correct horse battery staple", "tenantDisplayName": "acme"}
        self._http = stack.info["http"]
        self.token = ""
        self.calls: Counter[str] = Counter()
        self.failed: list[str] = []

    async def register(self) -> None:
        """Makes the account whose tokens are used."""
        answer = await self._client.post("/v1/auth:register", json=self._account)
        assert answer.is_success, answer.text
        await self.sign_in()

    async def sign_in(self) -> str:
        """A new token, which the traffic uses from now on; the id of the key that signed it."""
        answer = await self._client.post("/v1/auth:token", json={name: self._account[name] for name in ("email", "password")})
        assert answer.is_success, answer.text
        self.token = answer.json()["accessToken"]
        return self.key_of(self.token)

    @staticmethod
    def key_of(token: str) -> str:
        """The id of the key that signed a token."""
        return str(jwt.get_unverified_header(token)["kid"])

    async def status(self, token: str, path: str = "/v1/alarms") -> int:
        """How a call with the token is answered."""
        answer = await self._client.get(path, headers={"Authorization": f"Bearer {token}"})
        return answer.status_code

    @asynccontextmanager
    async def flowing(self) -> AsyncGenerator[None]:
        """Calls without pause, at the gateway and through it at each service, with the newest token."""
        over = asyncio.Event()

        async def call(path: str) -> None:
            while not over.is_set():
                token = self.token
                answered = await self.status(token, path)
                self.calls[self.key_of(token)] += 1
                self.failed += [] if answered == 200 else [f"{path} {answered}"]
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            for path in ("/v1/alarms", "/v1/deliveries", "/v1/tasks", "/verify"):
                group.create_task(call(path))
            yield
            over.set()


async def rotate(keys: Keys, traffic: Traffic) -> None:
    """One rotation, from the announcement of the next key to the end of the old one."""
    old = traffic.token
    keys.announce()
    # auth_svc looks every second, and the caches of the others are fetched again after another one.
    await asyncio.sleep(3.0)
    keys.switch()

    async def switched() -> bool:
        await asyncio.sleep(0.25)
        return await traffic.sign_in() != Traffic.key_of(old)

    await eventually(switched, what="a token of the next key")
    assert await traffic.status(old) == 200, "a token of the old key is good until the key is retired"
    # Tokens that the gateway got for API keys live for a second, those of the traffic are new.
    await asyncio.sleep(2.0)
    keys.retire()

    async def refused() -> bool:
        await asyncio.sleep(0.1)
        return await traffic.status(old) == 401

    await eventually(refused, seconds=90, what="the refusal of a token whose key was retired")


async def test_keys_rotate_under_traffic_and_no_good_token_fails(tmp_path: Path, record_property: Note) -> None:
    """Announced, switched, retired: every call with a good token succeeds, and every alarm rings once."""
    keys = Keys(tmp_path / "state" / "retired")
    env = {
        **STRANGERS,
        "TOCSIN_AUTH_RETIRED_KEY_FILES": str(keys.retired),
        "TOCSIN_JWKS_MAX_AGE_SECONDS": "1",
        "TOCSIN_GATEWAY_API_KEY_CACHE_SECONDS": "1",
    }
    with RunningStack(state=tmp_path / "state", env=env) as stack:
        async with stack.client() as client:
            load, traffic = Load(client), Traffic(client, stack)
            await load.steady()
            await traffic.register()
            async with load.during(rate=RATE), traffic.flowing():
                for _ in range(TIMES):
                    await rotate(keys, traffic)
            account = await load.settle()
            restarts = {service: stack.restarts(service) for service in SERVICES}
        logs = stack.logs()
    used = [count for count in traffic.calls.values() if count]
    record_property(
        "account", f"{TIMES} rotations, {sum(used)} calls with tokens of {len(used)} keys, failed {len(traffic.failed)}: {account}"
    )
    assert len(used) == TIMES + 1
    assert traffic.failed == [], logs
    assert restarts == dict.fromkeys(SERVICES, 0)
    assert account.verdict == "valid", f"{account}\n{account.faults()}\n{logs}"
