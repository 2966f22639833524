"""No request of any shape, at either door of a real stack, is answered INTERNAL, without a problem document, or opens a circuit."""

import json
import re
from collections.abc import Generator
from typing import Any, Final
from urllib.parse import quote

import grpc
import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.transcoding.contract import Contract
from gateway.transcoding.routes import Route, build_routes
from gateway.transcoding.template import Wildcard
from tests.hostile.doors import speaks_plainly
from tests.hostile.values import JSON, VALUES, places, public_rpcs, request_type
from tocsin.mesh.policy import PACKAGE, MethodKind, MethodPolicy, contract
from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e

# Orders of operators do what they say, to every circuit.
_LEFT_OUT: Final = "MeshAdminService"
ROUTES: Final[list[Route]] = [
    route
    for route in build_routes(Contract(descriptor_set=contract().SerializeToString(), package=PACKAGE))
    if _LEFT_OUT not in route.rpc.path and not (route.streams and not route.uploads)
]
RPCS: Final[list[MethodPolicy]] = [
    policy for policy in public_rpcs() if _LEFT_OUT not in policy.path and policy.kind in (MethodKind.UNARY_UNARY, MethodKind.STREAM_UNARY)
]
FAULTS: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.UNAVAILABLE)


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Generator[httpx2.Client]:
    """REST with every scope."""
    headers = {"Authorization": f"Bearer {stack.api_key}"}
    with httpx2.Client(base_url=stack.info["http"], headers=headers, timeout=60, trust_env=False) as made:
        yield made


@pytest.fixture(scope="module")
def channel(stack: RunningStack) -> Generator[grpc.Channel]:
    """The gRPC door."""
    options = [("grpc.max_send_message_length", 32 * 1024 * 1024)]
    with grpc.insecure_channel(stack.info["grpc"], options=options) as made:
        yield made


@pytest.fixture(autouse=True)
def unharmed(client: httpx2.Client) -> Generator[None]:
    """After each test: all services are healthy, and no circuit is open or half open."""
    yield
    health = client.get("/health").json()
    assert {name: item["state"] for name, item in health["circuitBreakers"].items()} == dict.fromkeys(health["circuitBreakers"], "CLOSED")
    assert health["status"] == "healthy", health
    assert health["spool"]["waiting"] == 0


def judge(answer: httpx2.Response) -> None:
    """An answer is a success, or a problem document that blames the client."""
    assert answer.status_code < 500, (answer.request.method, str(answer.request.url), answer.request.content[:300], answer.text)
    if answer.request.url.path.rstrip("/") == "/token":  # speaks as RFC 6749 does, section 5.2
        assert answer.status_code == 200 or answer.json()["error"], answer.text
    elif answer.request.url.path == "/v2/enqueue" and answer.status_code in (400, 413, 429):  # as PagerDuty says it
        assert answer.json()["message"], answer.text
    elif answer.status_code >= 400 and speaks_plainly(answer):
        assert re.search("does not work|not found|no such|invalid", answer.text, re.IGNORECASE), answer.text
    elif answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        document = answer.json()
        assert document["status"] == answer.status_code
        assert len(answer.content) < 20_000


def send(client: httpx2.Client, method: str, path: str, body: bytes, *, content_type: str = "application/json") -> httpx2.Response:
    """One request, judged."""
    answer = client.request(method, path, content=body, headers={"content-type": content_type} if body else {})
    judge(answer)
    return answer


def call(channel: grpc.Channel, stack: RunningStack, policy: MethodPolicy, messages: list[bytes]) -> tuple[grpc.StatusCode | None, str]:
    """One RPC: the code and the words of its error, None for a success."""
    metadata = (("authorization", f"Bearer {stack.api_key}"),)
    try:
        if policy.kind is MethodKind.UNARY_UNARY:
            channel.unary_unary(policy.path)(messages[0], metadata=metadata, timeout=60)
        else:
            channel.stream_unary(policy.path)(iter(messages), metadata=metadata, timeout=60)
    except grpc.RpcError as error:
        failed: Any = error
        return failed.code(), failed.details()
    return None, ""


BODIES: Final = [
    ("/v1/tasks", b'{"handler": "uppercase", "input": {"text": %s}}'),
    ("/v1/events", b'{"topic": "x.y", "data": {"a": %s}}'),
    ("/v1/events", b'{"topic": "x.y", "source": %s}'),
    ("/token", b'{"email": %s, "password": "x"}'),
    ("/token", b"%s"),
    ("/register", b'{"email": "a@example.com", "password": %s}'),
    (
        "/v1/alarms",
        b'{"labels": {"team": %s}, "trigger": {"every": "60s"}, "action": {"task": {"handler": "log", "input": {"message": "x"}}}}',
    ),
    ("/v1/readings", b'{"metric": "m", "value": %s}'),
]


@pytest.mark.parametrize(("path", "template"), BODIES, ids=lambda item: item if isinstance(item, str) else None)
def test_what_json_cannot_say_is_refused_six_times(client: httpx2.Client, path: str, template: bytes) -> None:
    """Each hostile text, often enough to open a circuit if it counted."""
    for hostile in JSON:
        if path == "/v1/readings" and hostile.name in ("2^53+1", "19 digits"):
            continue  # a value that is a double by contract is as exact as one
        statuses = {
            send(client, "POST", path, template % hostile.value).status_code for _ in range(6 if len(hostile.value) < 10_000 else 1)
        }
        assert not hostile.refused or statuses <= {400, 413}, (hostile.name, statuses)


def test_a_large_body_is_refused_by_its_size_or_its_members(client: httpx2.Client) -> None:
    """Before it is read as JSON, and without a list of what is unknown."""
    members = b"{" + b",".join(b'"k%d":1' % number for number in range(380_000)) + b"}"
    objects = b'{"handler": "uppercase", "input": {"x": [' + b"{}," * 1_300_000 + b"{}]}}"
    for path, body in (("/register", members), ("/v1/tasks", objects)):
        assert send(client, "POST", path, body).status_code == 413
        assert send(client, "POST", path, body[:200_000] + b'"').status_code == 400


def told(answer: httpx2.Response) -> object:
    """The status of an answer; of a stream that began in time, that of the error at its end: its last line."""
    if answer.status_code != 200:
        return answer.status_code
    return json.loads(answer.text.strip().splitlines()[-1])["error"]["status"]


def test_an_import_with_bad_options_is_refused_each_time(client: httpx2.Client) -> None:
    """The service ends the call while the gateway still writes; what it says is what the client gets.

    On a busy machine it may come after the head of the answer, which waits for a time only.
    """
    lines = b'{"displayName": "x", "trigger": {"every": "60s"}, "action": {"task": {"handler": "log", "input": {"message": "x"}}}}\n' * 3000
    statuses = {
        told(send(client, "POST", "/v1/alarms:import?options.skipLines=-5", lines, content_type="application/x-ndjson")) for _ in range(100)
    }
    assert statuses == {400}


_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["5m", "2026-01-01T00:00:00Z", "0 9 30 2 *", "alarms/x", "a@example.com", "Europe/Paris", "\0", "9999-12-31T23:59:59Z"]
    ),
)
_JSON = st.recursive(
    _LEAVES, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)), max_leaves=12
)


def _of_field(field: Any, depth: int) -> st.SearchStrategy[Any]:
    """JSON that has the form of a field more often than not."""
    inner = field.message_type
    if inner is None or inner.full_name.startswith("google.protobuf.") or inner.GetOptions().map_entry or depth > 4:
        return st.one_of(_JSON, st.sampled_from([value.name for value in field.enum_type.values])) if field.enum_type else _JSON
    made = _of_message(inner, depth + 1)
    return st.one_of(st.lists(made, max_size=2) if field.is_repeated else made, _JSON)


def _of_message(descriptor: Any, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    fields = {field.json_name: st.deferred(lambda field=field: _of_field(field, depth)) for field in descriptor.fields}
    return st.fixed_dictionaries({}, optional=fields)


_SEGMENT = st.one_of(
    st.sampled_from(["x", "templates", "01J00000000000000000000000", "..", "%00", "a:b"]), st.text(min_size=1, max_size=20)
)
_CONTENT = st.sampled_from(["application/json", "application/json", "application/x-ndjson", "text/csv", "text/plain", ""])


@st.composite
def _requests(draw: st.DrawFn) -> tuple[str, str, bytes, str]:
    route = draw(st.sampled_from(ROUTES))
    parts = [quote(draw(_SEGMENT), safe=":") if isinstance(item, Wildcard) else item for item in route.template.segments]
    path = "/" + "/".join(parts) + (f":{route.template.verb}" if route.template.verb else "")
    names = [field.json_name for field in route.rpc.descriptor.input_type.fields]
    query = "&".join(f"{name}={quote(draw(st.text(max_size=10)))}" for name in draw(st.lists(st.sampled_from(names or ["x"]), max_size=2)))
    body = b""
    if route.body:
        request = route.rpc.descriptor.input_type
        target = request if route.body == "*" else request.fields_by_name[route.body].message_type
        value = draw(st.one_of(_of_message(target), _of_message(target), _JSON))
        body = json.dumps(value, ensure_ascii=draw(st.booleans()), allow_nan=True).encode("utf-8", "surrogatepass")
        if draw(st.integers(0, 9)) == 0:
            body = draw(st.binary(max_size=50)) + body[: draw(st.integers(0, 40))]
    return route.http_method, f"{path}?{query}" if query else path, body, draw(_CONTENT)


@settings(
    max_examples=300,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)
@given(request=_requests())
def test_no_http_request_of_any_shape_is_our_fault(client: httpx2.Client, request: tuple[str, str, bytes, str]) -> None:
    """Any route, any path, query and body, good and bad."""
    method, path, body, content_type = request
    if "/pings/" in path:
        body = b""
    send(client, method, path, body, content_type=content_type)


@st.composite
def _messages(draw: st.DrawFn) -> tuple[MethodPolicy, list[bytes]]:
    policy = draw(st.sampled_from(RPCS))
    made: list[bytes] = []
    for _ in range(1 if policy.kind is MethodKind.UNARY_UNARY else draw(st.integers(0, 4))):
        message = request_type(policy)()
        for place in draw(st.lists(st.sampled_from(list(places(message.DESCRIPTOR)) or [None]), max_size=4)):
            if place is not None:
                hostile = draw(st.sampled_from(VALUES[place.kind]))
                try:
                    place.put(message, hostile.value)
                except ValueError:
                    continue
        raw = message.SerializeToString()
        if draw(st.integers(0, 9)) == 0:
            cut = draw(st.integers(0, min(len(raw), 200)))
            raw = raw[:cut] + draw(st.binary(max_size=20)) + raw[cut:]
        made.append(raw)
    return policy, made


@settings(
    max_examples=300,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
    ],
)
@given(request=_messages())
def test_no_grpc_request_of_any_shape_is_our_fault(
    channel: grpc.Channel, stack: RunningStack, request: tuple[MethodPolicy, list[bytes]]
) -> None:
    """Any RPC, with hostile values at any places, and with bytes that are no message."""
    policy, messages = request
    code, details = call(channel, stack, policy, messages)
    assert code not in FAULTS, (policy.path, messages[:1], code, details)
    assert code is None or details, (policy.path, code)


def test_a_message_that_is_too_large_is_no_rate_limit(channel: grpc.Channel, stack: RunningStack) -> None:
    """Each method takes what it can use; the refusal has the reason MESSAGE_TOO_LARGE and no code that asks to come back."""
    for policy in RPCS:
        code, details = call(channel, stack, policy, [b"\x0a" + b"x" * (policy.max_request_bytes + 1)])
        assert code is grpc.StatusCode.INVALID_ARGUMENT, policy.path
        assert "larger than" in details, policy.path


def test_what_people_write_is_taken(client: httpx2.Client) -> None:
    """Durations with units, both names of a field, and a ping with whatever a job sends."""
    trigger = {"heartbeat": {"every": "1h30m", "grace": 90}}
    made = client.post(
        "/v1/alarms", json={"display_name": "spoken", "trigger": trigger, "action": {"task": {"handler": "log", "input": {"message": "x"}}}}
    )
    assert made.status_code == 200, made.text
    heartbeat = made.json()["trigger"]["heartbeat"]
    assert (heartbeat["every"], heartbeat["grace"]) == ("5400s", "90s")
    for name in ("displayName", "display_name"):
        found = client.get("/v1/alarms", params={"filter": f'{name}="spoken"'})
        assert [item["displayName"] for item in found.json()["alarms"]] == ["spoken"], found.text
        changed = client.patch(f"/v1/{made.json()['name']}", params={"updateMask": name}, json={"displayName": "spoken"})
        assert changed.status_code == 200, changed.text
    with httpx2.Client(base_url=client.base_url, trust_env=False) as nobody:
        path = f"/v1/pings/{heartbeat['key']}"
        form = {"content-type": "application/x-www-form-urlencoded"}
        for answer in (
            nobody.post(path, content=b"done", headers=form),
            nobody.post(path, content=b"\xff" * 100_000),
            nobody.get(f"{path}?status=0"),
            nobody.head(path),
        ):
            assert answer.status_code == 200, answer.text
    assert client.delete(f"/v1/{made.json()['name']}").status_code == 200
