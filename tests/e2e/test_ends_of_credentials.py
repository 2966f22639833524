"""Every way in which a credential ends or may do less, seen at both doors of another gateway than the one that was told, and by streams."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import grpc
import httpx2
import pytest

from tests.e2e.conftest import PASSWORD
from tests.second_gateway import SecondGateway
from tocsin.api.scheduler.v1 import firing_service_pb2 as pb
from tocsin.api.scheduler.v1 import firing_service_pb2_grpc as rpc
from tocsin.testing.stack import RunningStack
from tocsin.testing.waiting import eventually

pytestmark = pytest.mark.e2e

PATH: Final = "/v1/firings"
SCOPE: Final = "firings:read"
NEVER_ASKED: Final = {"TOCSIN_GATEWAY_API_KEY_CACHE_SECONDS": "3600", "TOCSIN_GATEWAY_SESSION_CACHE_SECONDS": "3600"}
"""What this gateway knows of keys and cookies it keeps for an hour, so that whatever it refuses it was told of."""
GONE: Final = (401, grpc.StatusCode.UNAUTHENTICATED)
LESS: Final = (403, grpc.StatusCode.PERMISSION_DENIED)


@dataclass(slots=True, kw_only=True)
class Scene:
    """A tenant, somebody in it with a role of the tenant's own, and the credential that is shown.

    Attributes:
        stack: the services, with the gateway that is told what to do.
        owner: signed in at that gateway.
        role: "roles/…" of the person, or of the program.
        user: "users/…".
        email: of the person.
        tokens: of the session of the person.
        account: "serviceAccounts/…".
        key: "apiKeys/…" of the person, or of the program.
        shown: the credential.
    """

    stack: RunningStack
    owner: httpx2.AsyncClient
    role: str = ""
    user: str = ""
    email: str = ""
    tokens: dict[str, Any] = field(default_factory=dict[str, Any])
    account: str = ""
    key: str = ""
    shown: str = ""

    async def make_role(self) -> str:
        """A role that may read firings, and make keys."""
        name = f"roles/r{secrets.token_hex(6)}"
        await self.told(
            "POST", "/v1/roles", {"name": name, "scopes": [SCOPE, "alarms:read", "keys:write", "account:read", "account:write"]}
        )
        return name

    async def told(self, method: str, path: str, body: Any = None, **parameters: str) -> Any:
        """What the owner is answered."""
        return await answered(self.owner, method, path, body, **parameters)

    async def of_person(self, path: str, body: Any) -> Any:
        """What the person is answered, in the same session."""
        async with self.stack.client(key=self.tokens["accessToken"]) as client:
            return await answered(client, "POST", path, body)


async def answered(client: httpx2.AsyncClient, method: str, path: str, body: Any = None, **parameters: str) -> Any:
    """The answer of a call that has to be good."""
    answer = await client.request(method, path, json=body, params=parameters)
    assert answer.status_code == 200, (method, path, answer.text)
    return answer.json()


async def signed_in(stack: RunningStack, email: str) -> dict[str, Any]:
    """The tokens of a new session."""
    async with stack.client(key="none") as client:
        return await answered(client, "POST", "/v1/auth:token", {"email": email, "password": PASSWORD})


async def token(scene: Scene) -> None:
    """The access token of somebody's session."""
    scene.email, scene.role = f"{secrets.token_hex(6)}@example.com", await scene.make_role()
    made = await scene.told("POST", "/v1/users", {"email": scene.email, "password": PASSWORD, "roleName": scene.role})
    scene.user, scene.tokens = made["name"], await signed_in(scene.stack, scene.email)
    scene.shown = scene.tokens["accessToken"]


async def key(scene: Scene) -> None:
    """An API key of somebody."""
    await token(scene)
    made = await scene.of_person("/v1/apiKeys", {"displayName": "k", "scopes": [SCOPE]})
    scene.key, scene.shown = made["apiKey"]["name"], made["secret"]


async def program(scene: Scene) -> None:
    """The API key of a service account."""
    scene.role = await scene.make_role()
    account = await scene.told("POST", "/v1/serviceAccounts", {"displayName": "p", "role": scene.role})
    made = await scene.told("POST", "/v1/apiKeys", {"displayName": "k", "scopes": [SCOPE], "owner": account["name"]})
    scene.account, scene.key, scene.shown = account["name"], made["apiKey"]["name"], made["secret"]


async def sign_out(scene: Scene) -> None:
    """By the refresh token."""
    await scene.of_person("/v1/auth:revoke", {"refreshToken": scene.tokens["refreshToken"]})


async def sign_out_everywhere(scene: Scene) -> None:
    """By oneself."""
    await scene.of_person("/v1/sessions:revokeAll", {})


async def end_sessions(scene: Scene) -> None:
    """By an owner."""
    await scene.told("POST", f"/v1/{scene.user}/sessions:revokeAll", {})


async def change_password(scene: Scene) -> None:
    """From another session, which goes on."""
    scene.tokens = await signed_in(scene.stack, scene.email)
    await scene.of_person("/v1/account:changePassword", {"currentPassword": PASSWORD, "newPassword": "another battery staple"})


async def reuse(scene: Scene) -> None:
    """A spent refresh token is shown again: it was stolen from one of the two."""
    body = {"grantType": "refresh_token", "refreshToken": scene.tokens["refreshToken"]}
    await scene.of_person("/v1/auth:token", body)
    async with scene.stack.client(key="none") as client:
        assert (await client.post("/v1/auth:token", json=body)).status_code == 401


async def deactivate(scene: Scene) -> None:
    """Somebody who left."""
    await scene.told("POST", f"/v1/{scene.user}:deactivate", {})


async def remove(scene: Scene) -> None:
    """Somebody who left for good."""
    await scene.told("DELETE", f"/v1/{scene.user}")


async def demote(scene: Scene) -> None:
    """To a role without the scope."""
    role = f"roles/r{secrets.token_hex(6)}"
    await scene.told("POST", "/v1/roles", {"name": role, "scopes": ["alarms:read"]})
    if scene.account:
        await scene.told("PATCH", f"/v1/{scene.account}", {"role": role}, updateMask="role")
    else:
        await scene.told("PATCH", f"/v1/{scene.user}", {"roleName": role}, updateMask="roleName")


async def shrink(scene: Scene) -> None:
    """The role loses the scope."""
    await scene.told("PATCH", f"/v1/{scene.role}", {"scopes": ["alarms:read"]}, updateMask="scopes")


async def require_factor(scene: Scene) -> None:
    """The tenant requires a second factor, which nobody has shown."""
    await scene.told("PATCH", "/v1/tenant", {"requireSecondFactor": True}, updateMask="requireSecondFactor")


async def delete_key(scene: Scene) -> None:
    """A key that leaked."""
    await scene.told("DELETE", f"/v1/{scene.key}")


async def rotate(scene: Scene) -> None:
    """Another secret, and none of the time before."""
    await scene.told("POST", f"/v1/{scene.key}:rotate", {"overlap": "0s"})


async def let_expire(scene: Scene) -> None:
    """The key ends in the middle of what is done with it."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    await scene.told("POST", f"/v1/{scene.key}:rotate", {"overlap": "3600s", "expireTime": soon.isoformat()})


async def deactivate_program(scene: Scene) -> None:
    """A service account that is not needed for now."""
    await scene.told("POST", f"/v1/{scene.account}:deactivate", {})


async def remove_program(scene: Scene) -> None:
    """And not any more."""
    await scene.told("DELETE", f"/v1/{scene.account}")


Act = Callable[[Scene], Awaitable[None]]
End = tuple[int, grpc.StatusCode]
WALKS: Final[Mapping[str, tuple[Act, Sequence[Act], Sequence[Act]]]] = {
    # What is shown, the ways after which nobody takes it, and those after which it may do less.
    "token": (token, (sign_out, sign_out_everywhere, end_sessions, change_password, reuse, deactivate, remove), (demote, shrink)),
    "tenant": (token, (), (require_factor,)),
    "key": (key, (delete_key, rotate, let_expire, deactivate, remove), (demote, shrink)),
    "program": (program, (deactivate_program, remove_program), (demote, shrink)),
}


@pytest.fixture(scope="module")
def second(stack: RunningStack) -> Generator[SecondGateway]:
    """A gateway that nobody tells anything."""
    gateway = SecondGateway(stack, NEVER_ASKED)
    asyncio.run(gateway.start())
    yield gateway
    gateway.kill()


class Doors:
    """Both doors of a gateway, to somebody with a credential."""

    def __init__(self, client: httpx2.AsyncClient, channel: grpc.aio.Channel, credential: str) -> None:
        self._client = client
        self._stub: Any = rpc.FiringServiceStub(channel)
        self._metadata = [("authorization", f"Bearer {credential}")]

    async def status(self) -> int:
        """By REST."""
        return (await self._client.get(PATH)).status_code

    async def code(self) -> grpc.StatusCode:
        """By gRPC."""
        try:
            await self._stub.ListFirings(pb.ListFiringsRequest(), metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    async def watch(self, begun: asyncio.Event) -> int:
        """The status that a stream of lines ends with."""
        async with self._client.stream("GET", f"{PATH}:watch", timeout=180) as answer:
            assert answer.status_code == 200
            begun.set()
            last = [line async for line in answer.aiter_lines() if line.strip()][-1]
        return httpx2.Response(200, content=last).json()["error"]["status"]

    async def watch_rpc(self) -> grpc.StatusCode:
        """The code that a stream of gRPC ends with."""
        try:
            async for _ in self._stub.WatchFirings(pb.WatchFiringsRequest(), metadata=self._metadata, timeout=180):
                pass
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK


async def walk(scene: Scene, second: SecondGateway, credential: Act, way: Act, expected: End) -> None:
    """Shows a credential, goes a way, and waits until both doors refuse it."""
    await credential(scene)
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{second.grpc_port}")
    async with second.client(key=scene.shown) as client, channel:
        client.timeout = 60
        doors, begun = Doors(client, channel, scene.shown), asyncio.Event()
        assert (await doors.status(), await doors.code()) == (200, grpc.StatusCode.OK)
        streams = asyncio.gather(doors.watch(begun), doors.watch_rpc())
        await eventually(lambda: begun.is_set() or streams.done(), what="a stream")
        await way(scene)

        async def refused() -> bool:
            return await doors.status() == expected[0]

        await eventually(refused, what=f"{expected[0]} at REST")
        assert await doors.code() is expected[1]
        assert await streams == [*expected]


@pytest.mark.parametrize("kind", WALKS)
async def test_it_ends_everywhere(stack: RunningStack, stranger: httpx2.AsyncClient, second: SecondGateway, kind: str) -> None:
    """At a gateway that would not ask about it for an hour; its streams end with the same word. All ways at once, in one tenant."""
    credential, gone, less = WALKS[kind]
    ways = [*((way, GONE) for way in gone), *((way, LESS) for way in less)]
    walks = (walk(Scene(stack=stack, owner=stranger), second, credential, way, expected) for way, expected in ways)
    found = await asyncio.gather(*walks, return_exceptions=True)
    assert [(way.__name__, each) for (way, _), each in zip(ways, found, strict=True) if each is not None] == []
