import pytest

from gateway.http.headers import accepted, check_host, has_etag, is_json, is_plain, read_headers, requested_timeout, takes_gzip
from gateway.http.streams import NDJSON, OFFERS, SSE
from gateway.transcoding.problems import HeadersInvalid


def test_reads_only_what_it_knows() -> None:
    """Everything else has no effect, whatever its name pretends."""
    raw = [(b"accept", b"a"), (b"x-tocsin-tenant", b"evil"), (b"accept", b"b"), (b"x-forwarded-user", b"c")]
    assert read_headers(raw) == {b"accept": b"a,b"}


@pytest.mark.parametrize("name", [b"authorization", b"content-length", b"content-type", b"last-event-id", b"host"])
def test_refuses_two_of_what_must_be_one(name: bytes) -> None:
    """Two readers of one message must not read two different things."""
    with pytest.raises(HeadersInvalid):
        read_headers([(name, b"1"), (name, b"1")])


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"x-request-timeout": b"2.5"}, 2.5),
        ({b"x-request-timeout": b"3s"}, 3.0),
        ({b"grpc-timeout": b"2500m"}, 2.5),
        ({b"grpc-timeout": b"1H"}, 3600.0),
        ({b"grpc-timeout": b"500000u"}, 0.5),
    ],
)
def test_reads_the_clients_deadline(headers: dict[bytes, bytes], seconds: float | None) -> None:
    """Plain seconds, or gRPC's own form."""
    assert requested_timeout(headers) == seconds


@pytest.mark.parametrize("headers", [{b"x-request-timeout": value} for value in (b"", b"-1", b"1e3", b"soon", b"inf", b"1 ")])
def test_refuses_a_malformed_deadline(headers: dict[bytes, bytes]) -> None:
    """A deadline that cannot be read is not silently dropped."""
    with pytest.raises(HeadersInvalid):
        requested_timeout(headers)


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=UTF-8", True),
        (b'application/json;charset="utf-8"', True),
        (b"application/merge-patch+json", True),
        (b"application/json; charset=latin-1", False),
        (b"text/json", False),
        (b"application/x-www-form-urlencoded", False),
        (b"application/jsonp", False),
    ],
)
def test_knows_json(content_type: bytes, expected: bool) -> None:
    """JSON in UTF-8, by its own name or with the suffix."""
    assert is_json(content_type) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, NDJSON),
        (b"*/*", NDJSON),
        (b"text/event-stream", SSE),
        (b"text/*", SSE),
        (b"application/json", b"application/json"),
        (b"application/x-ndjson;q=0.5, text/event-stream", SSE),
        (b"text/event-stream;q=0.1, */*", NDJSON),
        (b"text/event-stream;q=0, */*;q=0.1", NDJSON),
        (b"text/html", None),
        (b"*/*;q=0", None),
        (b"text/event-stream;q=nonsense", None),
    ],
)
def test_chooses_the_type_that_the_client_likes_best(accept: bytes | None, expected: bytes | None) -> None:
    """By quality, the more specific range counting; the default among equals."""
    assert accepted(accept, OFFERS["lines"]) == expected


def test_whitespace_around_a_value_is_no_part_of_it() -> None:
    """Neither spaces nor tabs (RFC 9110, 5.5)."""
    assert read_headers([(b"accept", b" \ta/b \t")]) == {b"accept": b"a/b"}


def test_a_request_names_its_host() -> None:
    """From HTTP/1.1 on (RFC 9112, 3.2)."""
    check_host({}, "1.0")
    check_host({b"host": b""}, "1.1")
    with pytest.raises(HeadersInvalid, match="host"):
        check_host({}, "1.1")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"GZIP, br", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000, *", False),
        (b"br;q=1, *;q=0.1", True),
        (b"*;q=0", False),
        (b"x-gzipped", False),
    ],
)
def test_gzip_is_sent_to_who_takes_it(accept: bytes | None, expected: bool) -> None:
    """By name, without case, and not with a quality of zero."""
    assert takes_gzip({} if accept is None else {b"accept-encoding": accept}) is expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, False), (b'"a"', True), (b'W/"a"', True), (b'"b", W/"a"', True), (b"*", True), (b'"b"', False), (b"a", False)],
)
def test_an_etag_is_found_in_a_list(given: bytes | None, expected: bool) -> None:
    """Weak comparison (RFC 9110, 13.1.2)."""
    assert has_etag(given, b'"a"') is expected


@pytest.mark.parametrize(("coding", "expected"), [(None, True), (b"Identity", True), (b"identity, identity", True), (b"gzip", False)])
def test_identity_is_no_coding(coding: bytes | None, expected: bool) -> None:
    """Whatever its case."""
    assert is_plain({} if coding is None else {b"content-encoding": coding}) is expected
