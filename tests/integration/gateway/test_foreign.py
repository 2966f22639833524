"""A service of another team behind the gateway, from its descriptor set and a file of policies."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from google.rpc import status_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.integration.gateway.foreign import FILE, POLICIES, SERVICE, Invoices, kind, overdrawn, write
from tests.integration.gateway.support import Rig, lines, violations
from tocsin.clock import SystemClock
from tocsin.mesh.authority import ensure_pki


class Mounted:
    """A gateway with the service behind it, and a client of the gateway."""

    def __init__(self, rig: Rig, service: Invoices, client: httpx2.AsyncClient) -> None:
        self.rig = rig
        self.service = service
        self.client = client

    def stub(self, kind_of_call: str, method: str, answer: Any, token: str | None = "") -> Any:
        """A call of the service by gRPC, through the edge."""
        channel = grpc.aio.insecure_channel(self.rig.running.address)
        made = getattr(channel, kind_of_call)(
            f"/{SERVICE}/{method}", request_serializer=lambda it: it.SerializeToString(), response_deserializer=answer.FromString
        )
        metadata = () if token is None else (("authorization", f"Bearer {token or self.rig.token()}"),)
        return lambda request, extra=(): made(request, metadata=(*metadata, *extra))


@asynccontextmanager
async def mounted(folder: Path, policies: str = POLICIES, target: str = "", **settings: Any) -> AsyncGenerator[Mounted]:
    """Everything that runs."""
    service, rig = Invoices(), Rig(folder=folder, clock=SystemClock())
    address = await service.start()
    contract, rules = write(folder, policies)
    try:
        await rig.start(contracts=(f"{contract}@{target or address}",), policies=rules, **settings)
        async with rig.client() as client:
            yield Mounted(rig, service, client)
    finally:
        await rig.stop()
        await service.stop()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Mounted]:
    """The service behind the gateway, by the strict rules."""
    async with mounted(tmp_path) as made:
        yield made


async def test_its_methods_are_routes(door: Mounted) -> None:
    """JSON goes in and comes out by its contract; ours is served beside it."""
    created = await door.client.post("/v1/customers/7/invoices", json={"totalCents": "5", "state": "STATE_SENT", "labels": {"a": 1}})
    assert created.json() == {"name": "customers/7/invoices/1", "totalCents": "5", "state": "STATE_SENT", "labels": {"a": 1}}
    shown = await door.client.get("/v1/customers/7/invoices/9")
    assert shown.json()["totalCents"] == "9007199254740993"
    latest = await door.client.get("/v1/customers/7/x/y/latest")
    assert latest.json()["name"] == "customers/7/x/y"
    assert (await door.client.get("/v1/shelves/1/books/1")).status_code == 200
    assert violations(await door.client.get("/v1/customers/7/invoices/9?nope=1")) == ["nope"]
    masked = await door.client.patch("/v1/customers/7/invoices/1", json={"totalCents": 1, "paidInFull": True})
    assert masked.json()["lines"][0]["text"] == "total_cents,paid_in_full"


async def test_well_known_types_are_whole_bodies(door: Mounted) -> None:
    """What has a JSON form of its own is sent and answered in that form; other forms are a client's mistake."""
    for path, body, answer in (
        ("/v1/values", b'{"a": [1, null, "x"]}', {"a": [1, None, "x"]}),
        ("/v1/values", b"[1, 2]", [1, 2]),
        ("/v1/values", b'"text"', "text"),
        ("/v1/values", b"null", None),
        ("/v1/times", b'"2026-12-01T09:00:00Z"', "2026-12-01T09:00:00Z"),
        ("/v1/texts", b'"text"', "text"),
    ):
        found = await door.client.post(path, content=body, headers={"content-type": "application/json"})
        assert (found.status_code, found.json()) == (200, answer), body
    for path, body in (("/v1/times", b'"soon"'), ("/v1/texts", b"7"), ("/v1/values", b""), ("/v1/values", b"1e999")):
        found = await door.client.post(path, content=body, headers={"content-type": "application/json"})
        assert found.status_code == 400, found.text


async def test_streams_of_all_kinds(door: Mounted) -> None:
    """Answers stream as lines, bytes as they are; uploads and both ways work at HTTP and at the edge."""
    watched = await door.client.get("/v1/customers/7/invoices:watch")
    assert [item["name"] for item in lines(watched.text)] == [f"customers/7/invoices/{number}" for number in range(3)]
    raw = await door.client.get("/v1/customers/7/invoices:export")
    assert (raw.content, raw.headers["content-type"]) == (b"a,b\n1,\n\x00\xff", "text/csv")
    assert "sandbox" in raw.headers["content-security-policy"] or "default-src 'none'" in raw.headers["content-security-policy"]
    counted = await door.client.post(
        "/v1/invoices:import", content=b'{"name":"a"}\n{"name":"b"}\n', headers={"content-type": "application/x-ndjson"}
    )
    assert counted.json() == {"count": "2"}
    invoice = kind("Invoice")
    answers = door.stub("stream_stream", "Chat", invoice)(iter([invoice(name="a"), invoice(name="b")]))
    assert [answer.name async for answer in answers] == ["a", "b"]


async def test_methods_of_their_own(door: Mounted) -> None:
    """A custom kind is a method of its own, and the kind * is each that has no other route."""
    for method in ("GET", "DELETE", "PUT", "POST"):
        assert (await door.client.request(method, "/v1/probe")).json() == {"name": "probe"}, method
    assert (await door.client.request("REPORT", "/v1/report")).json() == {"name": "probe"}
    refused = await door.client.get("/v1/report")
    assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, REPORT")


async def test_who_may_call_is_asked_at_both_doors(door: Mounted) -> None:
    """The scope of the file is enforced; the service learns who calls, and gets no token."""
    async with door.rig.client(None) as stranger:
        assert (await stranger.get("/v1/customers/7/invoices/1")).status_code == 401
    async with door.rig.client(door.rig.token("books:read")) as reader:
        assert (await reader.post("/v1/customers/7/invoices", json={})).status_code == 403
        assert (await reader.get("/v1/customers/7/invoices/1", headers={"x-tocsin-tenant": "other"})).status_code == 200
    found = door.service.metadata
    assert (found["x-tocsin-tenant"], found["x-tocsin-scopes"], "authorization" in found) == ("acme", "books:read", False)
    assert found["x-tocsin-subject"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await door.stub("unary_unary", "GetInvoice", kind("Invoice"), token=None)(kind("GetInvoiceRequest")(name="customers/1/invoices/1"))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(("identity", "seen"), [("token", {"authorization"}), ("none", set[str]())])
async def test_how_the_caller_is_told_is_chosen(tmp_path: Path, identity: str, seen: set[str]) -> None:
    """The user's token passes where the file says so, or nothing does."""
    async with mounted(tmp_path, f"{POLICIES}\ncontracts: {{billing: {{identity: {identity}}}}}\n") as made:
        assert (await made.client.get("/v1/customers/7/invoices/1")).status_code == 200
        assert {name for name in made.service.metadata if name == "authorization" or name.startswith("x-tocsin-")} == seen


async def test_chosen_headers_pass_both_ways(tmp_path: Path) -> None:
    """Those of the lists pass at both doors, the others do not."""
    listed = "contracts: {billing: {request_headers: [x-tag], response_headers: [x-cost]}}"
    async with mounted(tmp_path, f"{POLICIES}\n{listed}\n") as made:
        made.service.says = (("x-cost", "3"), ("x-secret", "4"))
        answer = await made.client.get("/v1/customers/7/invoices/1", headers={"x-tag": "a", "x-other": "b"})
        assert (made.service.metadata.get("x-tag"), made.service.metadata.get("x-other")) == ("a", None)
        assert (answer.headers.get("x-cost"), answer.headers.get("x-secret")) == ("3", None)
        watched = await made.client.get("/v1/customers/7/invoices:watch", headers={"x-tag": "w"})
        assert (watched.headers.get("x-cost"), made.service.metadata["x-tag"]) == ("3", "w")
        request = kind("GetInvoiceRequest")(name="customers/1/invoices/1")
        call = made.stub("unary_unary", "GetInvoice", kind("Invoice"))(request, (("x-tag", "c"),))
        assert dict(await call.trailing_metadata())["x-cost"] == "3"
        assert made.service.metadata["x-tag"] == "c"


async def test_its_words_and_all_details_survive(door: Mounted) -> None:
    """An error of the service is shown with every detail, those of its own types as well, but never with its stack."""
    door.service.act = overdrawn
    answer = await door.client.get("/v1/customers/7/invoices/1")
    assert (answer.status_code, answer.json()["message"]) == (400, "the account is overdrawn")
    prefix = "type.googleapis.com/"
    assert answer.json()["details"] == [
        {"@type": f"{prefix}google.rpc.ErrorInfo", "reason": "OVERDRAWN", "domain": "billing.example.com", "metadata": {"account": "7"}},
        {"@type": f"{prefix}billing.v1.Overdrawn", "missingCents": "5"},
        {"@type": f"{prefix}nobody.Knows", "value": "AQ=="},
    ]
    watched = await door.client.get("/v1/customers/7/invoices:watch")
    assert lines(watched.text)[-1]["error"]["details"] == answer.json()["details"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await door.stub("unary_unary", "GetInvoice", kind("Invoice"))(kind("GetInvoiceRequest")(name="customers/1/invoices/1"))
    trailers: dict[str, Any] = dict(caught.value.trailing_metadata())
    assert len(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details) == 3


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        (grpc.StatusCode.NOT_FOUND, 404, "no secret"),
        (grpc.StatusCode.INTERNAL, 500, "billing"),
        (grpc.StatusCode.UNKNOWN, 500, "billing"),
        (grpc.StatusCode.UNAVAILABLE, 503, "billing"),
        (grpc.StatusCode.DATA_LOSS, 500, "billing"),
    ],
)
async def test_what_a_service_says_of_itself_is_not_shown(door: Mounted, code: grpc.StatusCode, status: int, told: str) -> None:
    """Its words are shown where they speak of the request; a failure of its own may hold a stack or an address."""

    async def fail(context: Any) -> None:
        await context.abort(code, "no secret" if code is grpc.StatusCode.NOT_FOUND else "Traceback: 10.0.0.7:5432 secret")

    door.service.act = fail
    answer = await door.client.get("/v1/customers/7/invoices/1")
    assert answer.status_code == status
    assert told in answer.json()["message"]
    assert "10.0.0.7" not in answer.text
    assert answer.json()["code"] == code.name


async def test_deadlines_retries_and_breakers_are_the_meshs(tmp_path: Path) -> None:
    """A safe method is tried again, one that writes is not; the time is that of the file; failures in a row open the circuit."""
    rules = POLICIES.replace("timeout: 60s", "timeout: 30s, breaker: {consecutive_failures: 4}")
    async with mounted(tmp_path, rules) as made:

        async def fail(context: Any) -> None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")

        made.service.act = fail
        answer = await made.client.post("/v1/customers/7/invoices", json={})
        assert (answer.status_code, made.service.calls) == (503, 1)
        assert made.service.remaining is not None
        assert made.service.remaining <= 30
        await made.client.get("/v1/customers/7/invoices/1")
        assert made.service.calls == 4
        for _ in range(3):
            await made.client.post("/v1/customers/7/invoices", json={})
        opened = await made.client.post("/v1/customers/7/invoices", json={})
        assert opened.json()["details"][0]["reason"] == "CIRCUIT_OPEN"


async def test_reflection_and_document_show_it(door: Mounted) -> None:
    """A gRPC client needs no file, and the document has the service in a group of its own."""
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
        reflection_pb2.ServerReflectionRequest(file_by_filename=FILE),
    ]
    channel: Any = grpc.aio.insecure_channel(door.rig.running.address)
    async with channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {item.name for item in answers[0].list_services_response.service}
    assert {SERVICE, "shelf.v1.ShelfService"} <= names
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in answers[1:])
    document = (await door.client.get("/openapi.json")).json()
    assert {"name": "billing", "tags": [SERVICE]} in document["x-tagGroups"]
    operation = document["paths"]["/v1/customers/{customer}/invoices"]["post"]
    assert (operation["tags"], operation["security"]) == ([SERVICE], [{"bearer": ["books:write"]}])
    assert document["paths"]["/v1/report"]["x-additionalOperations"]["REPORT"]["summary"] == "A method of its own"


async def test_a_prefix_stands_before_all_its_paths(tmp_path: Path) -> None:
    """A contract can be served below a path of its own."""
    async with mounted(tmp_path, f"{POLICIES}\ncontracts: {{billing: {{prefix: /billing}}}}\n") as made:
        assert (await made.client.get("/billing/v1/customers/7/invoices/1")).json()["name"] == "customers/7/invoices/1"
        assert (await made.client.get("/v1/customers/7/invoices/1")).status_code == 404


OPTIONS = """
methods:
  billing.v1.Invoices: {scope: "books:write", timeout: 60s, http: {fields_parameter: $fields, forms: true, printing: {by_client: true}}}
  billing.v1.Invoices/Create*: {http: {status: 201}}
  billing.v1.Invoices/Watch*: {http: {streams: array}}
  billing.v1.Invoices/Chat: {http: {streams: events}}
"""


async def test_options_at_the_door(tmp_path: Path) -> None:
    """Statuses, forms, files, parts and ways of writing work over HTTP, and stand in the document."""
    async with mounted(tmp_path, OPTIONS) as made:
        created = await made.client.post("/v1/customers/7/invoices", data={"totalCents": "5"})
        assert (created.status_code, created.json()) == (201, {"name": "customers/7/invoices/1", "totalCents": "5"})
        attached = await made.client.post(
            "/v1/customers/7/invoices/1:attach", data={"title": "scan"}, files={"file": ("a.png", b"\x89\x00", "image/png")}
        )
        assert attached.json() == {"contentType": "image/png", "size": "2", "title": "scan"}
        part = await made.client.get(
            "/v1/customers/7/invoices/1?$fields=totalCents", headers={"accept": "application/json;int64=numbers;names=proto"}
        )
        assert part.text == '{"total_cents":9007199254740993}'
        calls = made.service.calls
        assert violations(await made.client.get("/v1/customers/7/invoices/1?$fields=nope")) == ["$fields"]
        assert made.service.calls == calls
        document = (await made.client.get("/openapi.json")).json()
        operation = document["paths"]["/v1/customers/{customer}/invoices"]["post"]
        assert (list(operation["responses"]), "multipart/form-data" in operation["requestBody"]["content"]) == (["201", "default"], True)
        assert "$fields" in [item["name"] for item in operation["parameters"]]


async def test_forms_of_streams(tmp_path: Path) -> None:
    """A stream is an array where the file says so, of parts too; a late error is its last element; lines and events can still be had."""
    async with mounted(tmp_path, OPTIONS) as made:
        path = "/v1/customers/7/invoices:watch"
        array = await made.client.get(path)
        assert array.headers["content-type"] == "application/json"
        assert [item["name"] for item in array.json()] == [f"customers/7/invoices/{number}" for number in range(3)]
        events = await made.client.get(path, headers={"accept": "text/event-stream"})
        assert events.text.count("data: ") == 3
        assert len(lines((await made.client.get(path, headers={"accept": "application/x-ndjson"})).text)) == 3
        made.service.act = overdrawn
        late = await made.client.get(f"{path}?$fields=totalCents")
        assert late.json()[:3] == [{}, {}, {}]
        assert late.json()[3]["error"]["code"] == "FAILED_PRECONDITION"


async def test_bytes_that_fail_are_cut_off(door: Mounted) -> None:
    """A stream of bytes has no place for an error: whoever reads it sees that it has no end."""
    door.service.act = overdrawn
    with pytest.raises(httpx2.RemoteProtocolError):
        await door.client.get("/v1/customers/7/invoices:export")


async def test_connect_and_grpc_web_serve_it(door: Mounted) -> None:
    """Clients of Connect call it by its path; JSON and errors are the same."""
    answer = await door.client.post(f"/{SERVICE}/GetInvoice", json={"name": "customers/7/invoices/1"})
    assert (answer.status_code, answer.json()["name"]) == (200, "customers/7/invoices/1")
    assert door.service.metadata["x-tocsin-tenant"] == "acme"


async def test_a_service_by_tls(tmp_path: Path) -> None:
    """Its certificate is checked for the name of the target, and ours is shown; a service that is another is not spoken with."""
    pki = tmp_path / "theirs"
    ensure_pki(folder=pki, services=["localhost", "gateway"], trust_domain="example.com", clock=SystemClock())
    pair = ((pki / "localhost-key.pem").read_bytes(), (pki / "localhost.pem").read_bytes())
    ours = f"ca_file: {pki}/ca.pem, cert_file: {pki}/gateway.pem, key_file: {pki}/gateway-key.pem"
    for name, status in (("", 200), (", server_name: elsewhere", 503)):
        service, rig, folder = Invoices(), Rig(folder=tmp_path, clock=SystemClock()), tmp_path / f"files{status}"
        folder.mkdir()
        authority = (pki / "ca.pem").read_bytes()
        address = await service.start(credentials=grpc.ssl_server_credentials([pair], authority, require_client_auth=True))
        contract, rules = write(folder, f"{POLICIES}\ncontracts: {{billing: {{tls: {{{ours}{name}}}}}}}\n")
        try:
            await rig.start(contracts=(f"{contract}@dns:///localhost:{address.rpartition(':')[2]}",), policies=rules)
            async with rig.client() as client:
                assert (await client.get("/v1/customers/7/invoices/1")).status_code == status
        finally:
            await rig.stop()
            await service.stop()
