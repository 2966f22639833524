"""Stream tokens: through the mesh."""

from datetime import UTC, datetime
from typing import Any, cast

import jwt
import pytest

from tests.integration.auth.support import Rig
from tests.integration.auth.test_keys import create
from tocsin.api.auth.v1 import api_key_service_pb2, auth_service_pb2, stream_token_service_pb2, stream_token_service_pb2_grpc
from tocsin.errors import InvalidInput, Unauthenticated
from tocsin.mesh.context import acting_as
from tocsin.testing.tokens import TokenMint

PATH = "/v1/alarms:watch"


def stub(rig: Rig) -> Any:
    """The gateway's."""
    return stream_token_service_pb2_grpc.StreamTokenServiceStub(rig.gateway.mesh.channel("auth_svc"))


async def made(rig: Rig, token: str, path: str = PATH) -> stream_token_service_pb2.CreateStreamTokenResponse:
    """A stream token of who has ``token``."""
    with acting_as(token):
        return await stub(rig).CreateStreamToken(stream_token_service_pb2.CreateStreamTokenRequest(path=path))


async def exchanged(rig: Rig, token: str, path: str = PATH) -> str:
    """The access token that a stream token stands for."""
    return (await stub(rig).ExchangeStreamToken(stream_token_service_pb2.ExchangeStreamTokenRequest(token=token, path=path))).access_token


def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    return jwt.decode(token, options={"verify_signature": False})


async def test_it_stands_for_who_made_it_and_ends_with_them(rig: Rig) -> None:
    """The same tenant, subject and scopes, until the maker's own token ends; it may be shown again within its minute."""
    token = await rig.registered()
    stream = await made(rig, token)
    assert stream.expire_time.ToDatetime(UTC) == datetime.fromtimestamp(claims(stream.token)["exp"], UTC)
    assert claims(stream.token)["exp"] == int(rig.clock.now().timestamp()) + 60
    for _ in range(2):
        found = claims(await exchanged(rig, stream.token))
        own = claims(token)
        assert {name: found[name] for name in ("sub", "tenant", "scope", "exp", "aud")} == {
            name: own[name] for name in ("sub", "tenant", "scope", "exp", "aud")
        }


async def test_it_is_for_one_path_and_one_minute(rig: Rig) -> None:
    """Another path, or a later time, is refused."""
    stream = await made(rig, await rig.registered())
    for path in ("/v1/alarms", PATH + "/", "/v1/firings:watch", "/v1/alarms%3Awatch"):
        with pytest.raises(Unauthenticated, match="another path"):
            await exchanged(rig, stream.token, path)
    await rig.clock.advance(66)
    with pytest.raises(Unauthenticated):
        await exchanged(rig, stream.token)


async def test_it_is_no_access_token_nor_the_reverse(rig: Rig) -> None:
    """Each has an audience of its own (RFC 8725, 3.9)."""
    token = await rig.registered()
    stream = await made(rig, token)
    with acting_as(stream.token), pytest.raises(Unauthenticated):
        await rig.gateway.auth.VerifyToken(auth_service_pb2.VerifyTokenRequest())
    forged = TokenMint(clock=rig.clock, audience="tocsin/streams").mint(tenant="acme", claims={"path": "x", "until": 9_999_999_999})
    unsigned = jwt.encode({**claims(stream.token)}, cast("Any", None), algorithm="none")
    for other in (token, forged, unsigned, stream.token[:-4], "", "x" * 4000):
        with pytest.raises((Unauthenticated, InvalidInput)):
            await exchanged(rig, other)


async def test_a_key_that_was_revoked_opens_nothing_more(rig: Rig) -> None:
    """The maker is looked for at every exchange."""
    owner = await rig.registered()
    key = await create(rig, owner, "alarms:read")
    stream = await made(rig, (await rig.exchange(key.secret)).access_token)
    assert claims(await exchanged(rig, stream.token))["sub"] == key.api_key.name
    with acting_as(owner):
        await rig.gateway.keys.DeleteApiKey(api_key_service_pb2.DeleteApiKeyRequest(name=key.api_key.name))
    with pytest.raises(Unauthenticated):
        await exchanged(rig, stream.token)


@pytest.mark.parametrize("path", ["", "v1/alarms", "/v1/alarms?x=1", "/v1#a", "/v1/a b", "/ä", "/" + "a" * 2000])
async def test_what_is_no_path_is_refused(rig: Rig, path: str) -> None:
    """A path as it stands in a request line, without query."""
    with pytest.raises(InvalidInput):
        await made(rig, await rig.registered(), path)
