"""Sessions of browsers: what their secret gives, how long, and who ends it; on each database, and through the mesh."""

from collections.abc import AsyncGenerator
from datetime import UTC, timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import text

from auth_svc.domain import BrowserSessionEnded, RefreshTokenRefused
from auth_svc.service import RegistrationRule
from tests.integration.auth.office import HERE, Office
from tests.integration.auth.support import Rig
from tocsin.api.auth.v1 import auth_service_pb2
from tocsin.api.auth.v1 import browser_session_service_pb2 as pb
from tocsin.api.auth.v1 import browser_session_service_pb2_grpc as rpc
from tocsin.database import Database
from tocsin.errors import PermissionDenied, Unauthenticated
from tocsin.testing.clock import FakeClock

DAY = 86400


@pytest.fixture
async def office(database_url: str, clock: FakeClock) -> AsyncGenerator[Office]:
    """One where strangers are let in."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    made = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield made
    await made.sender.stop()
    await database.stop()


async def opened(office: Office) -> str:
    """The secret of a browser's session of Ann."""
    return (await office.open_sessions.open_browser((await office.sign_in()).refresh_token, client=HERE))[0]


async def test_a_secret_works_as_often_as_it_is_shown(office: Office) -> None:
    """Tabs and replicas ask at once; the refresh token is spent, and shown again it ends the session."""
    ann = await office.user()
    refresh = (await office.sign_in()).refresh_token
    secret, ends = await office.open_sessions.open_browser(refresh, client=HERE)
    assert ends == office.clock.now() + timedelta(days=90)
    assert {(await office.open_sessions.of_browser(secret))[0] for _ in range(3)} == {office.signer.grants[-1].session}
    (shown,) = await office.list.sessions(office.caller(ann), ann.id, before="", limit=10)
    assert (shown.browser, shown.client) == (True, HERE)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(refresh, client=HERE)
    with pytest.raises(BrowserSessionEnded):
        await office.open_sessions.of_browser(secret)


async def test_it_ends_unused_and_in_any_case(office: Office) -> None:
    """After 30 days without use, and after 90 days however often it is used; each use begins the 30 days anew."""
    await office.user()
    idle, used = await opened(office), await opened(office)
    for _ in range(8):
        await office.clock.advance(11 * DAY)
        await office.open_sessions.of_browser(used)
    with pytest.raises(BrowserSessionEnded):
        await office.open_sessions.of_browser(idle)
    await office.clock.advance(2 * DAY - 60)
    assert (await office.open_sessions.of_browser(used))[1].expires_in <= 60
    await office.clock.advance(60)
    with pytest.raises(BrowserSessionEnded):
        await office.open_sessions.of_browser(used)


async def test_ending_sessions_ends_it_at_once(office: Office) -> None:
    """By its secret, one by one, and all of a user's."""
    ann = await office.user()
    caller = office.caller(ann)
    for end in ("secret", "one", "all"):
        secret = await opened(office)
        session, _ = await office.open_sessions.of_browser(secret)
        if end == "secret":
            await office.open_sessions.sign_out(secret)
        elif end == "one":
            await office.list.end(caller, ann.id, session)
        else:
            await office.list.end_all(caller, ann.id, keep_current=False)
        with pytest.raises(BrowserSessionEnded):
            await office.open_sessions.of_browser(secret)
        with pytest.raises(RefreshTokenRefused):
            await office.open_sessions.open_browser(secret, client=HERE)


async def test_a_stolen_row_and_the_wrong_kind_of_secret_open_nothing(office: Office) -> None:
    """What is stored is a digest; a cookie's secret is no refresh token, nor the reverse."""
    await office.user()
    secret = await opened(office)
    pair = await office.sign_in()
    async with office.database.read() as connection:
        rows = (await connection.execute(text("SELECT digest FROM refresh_tokens"))).scalars().all()
    assert secret not in rows
    for stolen in (*rows, pair.refresh_token, "", "tb_", "x" * 512):
        with pytest.raises(BrowserSessionEnded):
            await office.open_sessions.of_browser(stolen)
    with pytest.raises(RefreshTokenRefused):
        await office.open_sessions.refresh(secret, client=HERE)
    await office.open_sessions.of_browser(secret)
    await office.open_sessions.refresh(pair.refresh_token, client=HERE)


async def test_the_gateway_alone_exchanges_and_keeps_a_token_while_it_is_good(rig: Rig) -> None:
    """A token that says what a new one would is given back for half its life, so that every service knows it already."""
    await rig.register()
    stub: Any = rpc.BrowserSessionServiceStub(rig.gateway.mesh.channel("auth_svc"))
    refresh = (await rig.sign_in()).refresh_token
    made = await stub.OpenBrowserSession(pb.OpenBrowserSessionRequest(refresh_token=refresh))
    assert made.expire_time.ToDatetime(UTC) == rig.clock.now() + timedelta(days=90)

    async def exchanged(held: str = "") -> str:
        return (await stub.ExchangeBrowserSession(pb.ExchangeBrowserSessionRequest(secret=made.secret, held_token=held))).access_token

    first = await exchanged()
    await rig.clock.advance(300)
    assert await exchanged(first) == first
    other = (await rig.sign_in(scope="profile:read")).access_token
    for useless in (other, "forged"):
        assert await exchanged(useless) not in (useless, first)
    await rig.clock.advance(300)
    second = await exchanged(first)
    said = [jwt.decode(token, options={"verify_signature": False}) for token in (first, second)]
    assert said[1]["exp"] == said[0]["exp"] + 600
    assert said[1]["sid"] == said[0]["sid"]
    await rig.gateway.auth.RevokeToken(auth_service_pb2.RevokeTokenRequest(refresh_token=made.secret))
    with pytest.raises(Unauthenticated):
        await exchanged(second)
    outsider: Any = rpc.BrowserSessionServiceStub(rig.caller("mailer_svc").mesh.channel("auth_svc"))
    with pytest.raises(PermissionDenied):
        await outsider.ExchangeBrowserSession(pb.ExchangeBrowserSessionRequest(secret=made.secret))
