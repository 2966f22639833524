"""The documented cases of Envoy's transcoder and of grpc-gateway against the running gateway, and what their suites found here."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2

from tests.integration.gateway.foreign import SERVICE, kind
from tests.integration.gateway.support import violations
from tests.integration.gateway.test_foreign import Mounted, mounted

JSON = {"content-type": "application/json"}
INVOICES = "/v1/customers/7/invoices"
ONE = f"{INVOICES}/1"


@pytest.fixture
async def door(tmp_path: Path) -> AsyncGenerator[Mounted]:
    """The service behind the gateway, by the strict rules."""
    async with mounted(tmp_path) as made:
        yield made


# Method, path, body, status, and the field that is named, or a text of the answer.
CASES: list[tuple[str, str, bytes | None, int, str]] = [
    ("POST", "/v1/invoices:search", b"", 200, "invoices"),
    ("POST", INVOICES, b"", 200, "customers/7/invoices/1"),
    ("POST", INVOICES, b"[]", 400, "invoice"),
    ("POST", INVOICES, b"{} x", 400, "Extra data"),
    ("POST", INVOICES, b'{"name":"a","name":"b"}', 400, "name"),
    ("POST", INVOICES, b"\xef\xbb\xbf{}", 400, "not valid JSON"),
    ("POST", INVOICES, "{}".encode("utf-16"), 400, "not UTF-8"),
    ("POST", INVOICES, b'{"labels":{"a":1e400}}', 400, "labels.a"),
    ("POST", INVOICES, b'{"name":"\\ud800"}', 400, "name"),
    ("POST", INVOICES, b'{"totalCents":"9223372036854775808"}', 400, "totalCents"),
    ("POST", INVOICES, b'{"totalCents":1.0}', 200, '"totalCents":"1"'),
    ("POST", INVOICES, b'{"createTime":"2026-12-01T09:00:00+02:00"}', 200, "2026-12-01T07:00:00Z"),
    ("POST", INVOICES, b'{"createTime":"2026-13-01T09:00:00Z"}', 400, "createTime"),
    ("POST", INVOICES, b'{"state":""}', 400, "state"),
    ("POST", INVOICES, b'{"state":99}', 200, '"state":99'),
    ("POST", f"{INVOICES}?invoice.name=x", b"{}", 400, "invoice.name"),
    ("POST", f"{INVOICES}?validate_only=true", b"{}", 200, ""),
    ("POST", f"{INVOICES}?validateOnly=1", b"{}", 400, "validateOnly"),
    ("GET", f"{ONE}?state=2", None, 200, ""),
    ("GET", f"{ONE}?state=NOPE", None, 400, "state"),
    ("GET", f"{ONE}?state=1&state=2", None, 400, "state"),
    ("GET", f"{INVOICES}?states=1&states=STATE_PAID", None, 200, ""),
    ("GET", f"{INVOICES}?page_size=99999999999", None, 400, "pageSize"),
    ("GET", f"{INVOICES}?page_size=1.5", None, 400, "pageSize"),
    ("GET", f"{INVOICES}?parent=customers/8", None, 400, "parent"),
    ("GET", f"{INVOICES}%3Awatch", None, 404, ""),
    ("GET", "/v1/customers/7%2F8/invoices/1", None, 200, "customers/7%2F8/invoices/1"),
    ("GET", ONE, b"{}", 400, "accepts no body"),
    ("GET", f"{ONE}/", None, 404, ""),
    ("PATCH", ONE, b'{"name":"evil","totalCents":1}', 200, '"text":"total_cents"'),
    ("PATCH", f"{ONE}?update_mask=total_cents,lines.text", b"{}", 200, "total_cents,lines.text"),
    ("POST", f"{ONE}:attach", b'{"thumbnail":"-_8"}', 200, '"thumbnailSize":"2"'),
    ("POST", f"{ONE}:attach", b'{"file":{"contentType":"a/b","data":"AA=="}}', 200, '"size":"1"'),
]


async def test_documented_cases(door: Mounted) -> None:
    """Each request has the answer that the rules of google/api/http.proto and of protobuf's JSON give it."""
    wrong: list[str] = []
    for method, path, body, status, told in CASES:
        answer = await door.client.request(method, path, content=body, headers={} if body is None else JSON)
        named = violations(answer) if status == 400 else []
        if answer.status_code != status or (told not in answer.text and told not in named) or (named and named != [told]):
            wrong.append(f"{method} {path} {body}: {answer.status_code} {answer.text}")
    assert wrong == []


@pytest.mark.parametrize("service", ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"])
async def test_reflection_of_both_versions_knows_all(door: Mounted, service: str) -> None:
    """Methods, fields and values are symbols as well, and what every server speaks can be found."""
    request = reflection_pb2.ServerReflectionRequest
    known = [
        f"{SERVICE}.GetInvoice", "billing.v1.Invoice.name", "google.rpc.Status", "google.rpc.ErrorInfo", "grpc.health.v1.Health.Check",
        "shelf.v1.ShelfService.GetBook", service,
    ]  # fmt: skip
    unknown = ["nobody.Knows", f"{SERVICE}.Nothing", ""]
    asked = [request(list_services=""), *(request(file_containing_symbol=name) for name in (*known, *unknown))]
    channel: Any = grpc.aio.insecure_channel(door.rig.running.address)
    async with channel:
        call: Any = channel.stream_stream(
            f"/{service}/ServerReflectionInfo",
            request_serializer=lambda it: it.SerializeToString(),
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        listed, *answers = [answer async for answer in call(iter(asked))]
    assert {item.name for item in listed.list_services_response.service} >= {service, SERVICE, "grpc.health.v1.Health"}
    found = {answer.original_request.file_containing_symbol: answer.HasField("file_descriptor_response") for answer in answers}
    assert found == {**dict.fromkeys(known, True), **dict.fromkeys(unknown, False)}


async def test_two_authorizations_are_refused_at_both_doors(door: Mounted) -> None:
    """Two readers could believe different ones."""
    token = f"Bearer {door.rig.token()}"
    async with door.rig.client(None) as client:
        answer = await client.get(ONE, headers=[("authorization", token), ("authorization", token)])
    assert violations(answer) == ["authorization"]
    call = door.stub("unary_unary", "GetInvoice", kind("Invoice"))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(kind("GetInvoiceRequest")(name="customers/1/invoices/1"), (("authorization", token),))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "authorization: given twice")


async def test_bytes_that_are_no_message_do_not_reach_the_service(door: Mounted) -> None:
    """A server would fail with INTERNAL or UNKNOWN, and its breaker would open for everybody."""
    metadata = (("authorization", f"Bearer {door.rig.token()}"),)
    channel: Any = grpc.aio.insecure_channel(door.rig.running.address)
    async with channel:
        for raw in (b"\xff\xff", b"\x0a\x02\xff\xfe", b"\x0a\x7f"):
            calls = (
                channel.unary_unary(f"/{SERVICE}/GetInvoice")(raw, metadata=metadata),
                channel.stream_unary(f"/{SERVICE}/ImportInvoices")(iter([raw]), metadata=metadata),
                channel.unary_stream(f"/{SERVICE}/WatchInvoices")(raw, metadata=metadata),
            )
            assert [await call.code() for call in calls] == [grpc.StatusCode.INVALID_ARGUMENT] * len(calls), raw
    assert door.service.requests == []
