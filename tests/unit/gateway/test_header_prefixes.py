"""Headers that are passed on because their names begin as the contract says."""

import functools

import pytest

from gateway.http.headers import passed_on
from gateway.transcoding.contract import Contract
from gateway.transcoding.passing import Passed
from gateway.transcoding.template import TemplateError
from tests.hostile import walk
from tocsin.api.mesh.v1 import http_pb2

RAW = [(b"ce-id", b" 1 "), (b"ce-x", b"a"), (b"ce-x", b"b"), (b"x-ce-id", b"no"), (b"ce", b"no"), (b"authorization", b"no")]


@functools.cache
def contract() -> Contract:
    """Tocsin's own."""
    return walk.contract()


def test_all_that_begin_so_are_passed_on() -> None:
    """And nothing else."""
    assert passed_on(RAW, (b"ce-*",)) == {"ce-id": "1", "ce-x": "a, b"}
    assert passed_on(RAW, (b"ce-id", b"ce")) == {"ce-id": "1", "ce": "no"}


@pytest.mark.parametrize("name", ["*", "a*", "authorization", "auth*", "cook*", "Ce-*", "ce-*-x", "proxy-*"])
def test_a_prefix_never_covers_a_credential(name: str) -> None:
    """The contract is refused at the start."""
    rpc = next(rpc for rpc in contract().rpcs() if rpc.policy.method == "ReceivePayload")
    request = contract().codec(rpc.descriptor.input_type).message_type
    assert Passed(rpc.door, request).headers == (b"ce-*",)
    with pytest.raises(TemplateError, match="not passed on"):
        Passed(http_pb2.Http(headers=[name], headers_field="headers"), request)
