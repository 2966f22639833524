import pytest

from tests.integration.gateway.support import Rig
from tocsin.alerts import AlertKind
from tocsin.clock import SystemClock
from tocsin.testing.tokens import TokenMint

BOOK = "/v1/shelves/1/books/2"


async def status(rig: Rig, token: str | None, path: str = BOOK) -> int:
    """The status that a credential gets."""
    async with rig.client(token) as client:
        return (await client.get(path)).status_code


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer nonsense",
        "Bearer a.b.c",
        "Basic YTpi",
        "nonsense",
        "Bearer ü",
        "Bearer tk_unknown",
        "Bearer tk_" + "x" * 999,
    ],
)
async def test_a_bad_credential_is_a_401_that_says_how_to_sign_in(shared: Rig, header: str) -> None:
    """Whatever is wrong with it; the body does not repeat it."""
    async with shared.client(None) as client:
        answer = await client.get(BOOK, headers=[(b"authorization", header.encode())] if header else [])
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert ("invalid_token" in answer.headers["www-authenticate"]) == bool(header)
    assert shared.shelf.requests == []


@pytest.mark.parametrize(
    ("header", "kinds"),
    [
        ("", []),
        ("Bearer a.b.c", [AlertKind.TOKEN_INVALID]),
        ("Basic YTpi", [AlertKind.TOKEN_INVALID]),
        ("Bearer tk_unknown", [AlertKind.API_KEY_INVALID]),
    ],
)
async def test_a_bad_credential_is_an_alert(rig: Rig, header: str, kinds: list[AlertKind]) -> None:
    """With the route, and without the credential; one that is missing is none."""
    async with rig.client(None) as client:
        await client.get(BOOK, headers={"authorization": header} if header else {})
    assert rig.alerts.kinds == kinds
    assert all(alert.place.startswith("GET /v1/") and "tk_" not in repr(alert) for alert in rig.alerts.all)


async def test_a_refused_scope_is_an_alert_of_the_tenant(rig: Rig) -> None:
    """An expired token is none: every client has one now and then."""
    await status(rig, rig.token(lifetime=-60))
    assert rig.alerts.all == []
    async with rig.client(rig.token("books:read")) as client:
        await client.delete(BOOK)
    (alert,) = rig.alerts.all
    assert (alert.kind, alert.tenant, alert.detail) == (AlertKind.SCOPE_REFUSED, "acme", "lacks books:write")


@pytest.mark.asyncio(loop_scope="module")
async def test_an_expired_or_foreign_token_is_refused(shared: Rig) -> None:
    """Past its time, for another audience, or signed by a stranger."""
    assert await status(shared, shared.token(lifetime=-60)) == 401
    assert await status(shared, shared.token(claims={"aud": "another"})) == 401
    assert await status(shared, TokenMint(clock=shared.clock).mint(tenant="acme", scopes=["books:read"])) == 401
    assert await status(shared, shared.token("books:read")) == 200


@pytest.mark.asyncio(loop_scope="module")
async def test_a_token_without_the_scope_is_forbidden_and_told_which(shared: Rig) -> None:
    """The scope comes from the policy in the contract."""
    async with shared.client(shared.token("books:read")) as client:
        assert (await client.get(BOOK)).status_code == 200
        refused = await client.delete(BOOK)
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
    assert 'scope="books:write"' in refused.headers["www-authenticate"]


@pytest.mark.asyncio(loop_scope="module")
async def test_two_authorizations_are_refused(shared: Rig) -> None:
    """A proxy and the gateway must not read two different callers."""
    async with shared.client(None) as client:
        answer = await client.get(BOOK, headers=[("authorization", "Bearer a"), ("authorization", "Bearer b")])
    assert answer.status_code == 400


@pytest.mark.asyncio(loop_scope="module")
async def test_the_open_doors_need_no_token(shared: Rig) -> None:
    """Health, documentation and public RPCs; not what operators see."""
    for path in ("/health", "/docs", "/docs/swagger-ui-bundle.js", "/openapi.json", "/hello", "/"):
        assert await status(shared, None, path) in (200, 307), path
    assert await status(shared, None, "/debug/services") == 401
    assert await status(shared, shared.token("books:read"), "/debug/services") == 403


async def test_an_api_key_is_exchanged_once_and_works_without_auth_svc(rig: Rig) -> None:
    """The key's own scopes count, the answer is remembered, and auth_svc may be away meanwhile."""
    rig.keys.known["tk_reader"] = ("books:read",)
    for _ in range(3):
        assert await status(rig, "tk_reader") == 200
    assert rig.keys.asked == ["tk_reader"]
    assert rig.shelf.calls[0]["tenant"] == "acme"
    await rig.servers["auth_svc"].stop()
    assert await status(rig, "tk_reader") == 200
    assert await status(rig, rig.token()) == 200
    async with rig.client("tk_never_seen") as client:
        answer = await client.get(BOOK)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


async def test_a_refused_key_is_not_asked_about_again_at_once(rig: Rig) -> None:
    """Guessing keys costs auth_svc little."""
    for _ in range(3):
        assert await status(rig, "tk_guess") == 401
    assert rig.keys.asked == ["tk_guess"]


async def test_health_tells_the_whole_picture(rig: Rig) -> None:
    """Healthy with everything, degraded with a part, and always an answer."""
    async with rig.client(None) as client:
        healthy = await client.get("/health")
        service = {
            "status": "healthy",
            "replicas": 1,
            "dependencies": {"certificate": {"status": "healthy"}, "background": {"status": "healthy"}},
        }
        assert healthy.json() == {
            "status": "healthy",
            "services": {"shelf": service, "auth": service},
            "circuitBreakers": {"shelf": {"state": "CLOSED", "failures": 0}, "auth": {"state": "CLOSED", "failures": 0}},
            "overall_status": "healthy",
            "circuit_breakers": {"shelf": {"state": "closed", "failure_count": 0}, "auth": {"state": "closed", "failure_count": 0}},
            "spool": {"waiting": 0, "bytes": 0, "oldestSeconds": 0.0, "setAside": 0},
        }


async def test_health_shows_what_is_away_and_which_circuit_is_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After five failed calls the circuit is open since a time, and the rest still works."""
    rig = Rig(folder=tmp_path_factory.mktemp("rig"), clock=SystemClock())
    try:
        await rig.start(health_cache_seconds=0.0)
        await rig.servers["shelf_svc"].stop()
        async with rig.client() as client:
            for _ in range(6):
                assert (await client.delete(BOOK)).status_code == 503
            picture = (await client.get("/health")).json()
            assert picture["status"] == "degraded"
            assert picture["services"]["shelf"]["status"] == "unavailable"
            assert picture["services"]["auth"]["status"] == "healthy"
            assert picture["circuitBreakers"]["shelf"]["state"] == "OPEN"
            assert picture["circuitBreakers"]["shelf"]["failures"] >= 5
            assert picture["circuitBreakers"]["shelf"]["openedTime"].endswith("Z")
            debug = (await client.get("/debug/services")).json()
            assert [service["service"] for service in debug["services"]] == ["shelf_svc", "auth_svc"]
            alive = debug["services"][1]["replicas"][0]
            assert {"address", "status", "version", "incarnation", "startTime", "uptimeSeconds"} <= alive.keys()
            await rig.servers["auth_svc"].stop()
            assert (await client.get("/health")).json()["status"] == "unavailable"
            assert (await client.get("/health")).status_code == 200
    finally:
        await rig.stop()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_documentation_loads_nothing_from_elsewhere(shared: Rig) -> None:
    """Every file that the page names is served here, and the policy forbids any other source."""
    async with shared.client(None) as client:
        page = await client.get("/docs")
        names = [part.split('"')[1] for part in page.text.replace("src=", "href=").split("href=")[1:]]
        assert len(names) == 4
        for name in names:
            assert name.startswith("/docs/")
            assert (await client.get(name)).status_code == 200, name
        assert "script-src 'self'" in page.headers["content-security-policy"]
        start = (await client.get("/docs/start.js")).text
        assert '"/openapi.json"' in start
        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")
        cached = await client.get("/openapi.json", headers={"if-none-match": (await client.get("/openapi.json")).headers["etag"]})
        assert (cached.status_code, cached.content) == (304, b"")
        plain = await client.get("/docs/swagger-ui.css", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
