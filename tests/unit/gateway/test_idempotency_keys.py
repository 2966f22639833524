"""What an Idempotency-Key may be (draft-ietf-httpapi-idempotency-key-header-07), and what follows from it."""

import uuid

import pytest

from gateway.idempotency.keys import key_id, parse_key, request_id_of
from gateway.transcoding.problems import HeadersInvalid
from tocsin.clock import SystemClock
from tocsin.mesh.tokens import Principal


def who(tenant: str, subject: str) -> Principal:
    """A caller."""
    return Principal(tenant=tenant, subject=subject, scopes=frozenset(), time_zone="UTC", token="", expires=SystemClock().now())


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (b"a", "a"),
        (b"x" * 255, "x" * 255),
        (b'"' + b"x" * 255 + b'"', "x" * 255),
        (b'"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (b'a b"c', 'a b"c'),
        (b'"a\\"b\\\\"', 'a"b\\'),
        (b'" "', " "),
        (b"{}:;,", "{}:;,"),
    ],
)
def test_keys_are_read(raw: bytes, key: str) -> None:
    """A string of structured fields, or bare text; the same key either way."""
    assert parse_key(raw) == key


@pytest.mark.parametrize(
    "raw",
    [b"", b'""', b"x" * 256, b'"' + b"x" * 256 + b'"', b"na\xefve", b'"a', b'"a\\b"', b'"a"b"', b"a\x7f", b"a\tb", b" a", b'"', b'"a";p=1'],
)
def test_what_is_no_key_is_refused(raw: bytes) -> None:
    """By the header's name, and never half read."""
    with pytest.raises(HeadersInvalid, match="idempotency-key"):
        parse_key(raw)


def test_no_two_scopes_run_together() -> None:
    """What ends one part begins no other; the identity of a request is a UUID that the key alone decides."""
    made = [
        key_id("k", principal=who("a", "bc"), path="/p"),
        key_id("k", principal=who("ab", "c"), path="/p"),
        key_id("/pk", principal=who("a", "bc"), path=""),
        key_id("k", principal=who("a", "bc"), path="/q"),
    ]
    assert len(set(made)) == 4
    assert uuid.UUID(request_id_of(made[0])).version == 5
    assert request_id_of(made[0]) == request_id_of(key_id("k", principal=who("a", "bc"), path="/p"))
