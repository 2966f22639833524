"""Names within grpcio: what is missing, or has another form, is noticed before it is used."""

import pytest

from tocsin.mesh.client import direct_call
from tocsin.mesh.client.final_status import core_of
from tocsin.mesh.inner_names import CALL, CYTHON, InnerName, lacking, module
from tocsin.mesh.server import acceptor


def test_the_grpcio_that_is_locked_has_all() -> None:
    """Else every call and every server would be slower, and nobody would see why."""
    assert (direct_call.LACKS, acceptor.LACKS) == ("", "")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ((CYTHON, "build_census_context", ()), ""),
        ((CYTHON, "_AioCall.done", ("self",)), ""),
        ((CYTHON, "_AioCall._status", None), ""),
        ((CYTHON, "_AioCall.finished", ("self",)), f"{CYTHON} has no _AioCall.finished"),
        ((CYTHON, "_AsyncCall.done", ("self",)), f"{CYTHON} has no _AsyncCall.done"),
        ((CYTHON, "_AioCall.cancel", ("self",)), f"{CYTHON}._AioCall.cancel takes self, details instead of self"),
        ((CALL, "_create_rpc_error", ()), f"{CALL}._create_rpc_error takes initial_metadata, status instead of nothing"),
        ((CYTHON, "_AioCall._status", ("self",)), f"{CYTHON}._AioCall._status takes what it does not tell instead of self"),
        (("grpc.aio._gone", "Call", None), "grpc.aio._gone has no Call"),
    ],
)
def test_what_is_lacking_is_named(name: InnerName, said: str) -> None:
    """With its module, and its parameters where they are others; what is there is not in the way."""
    assert lacking([(CALL, "Call", None), name]) == said


def test_a_module_that_is_gone_has_no_names() -> None:
    """It is no error to ask."""
    assert not hasattr(module("grpc.aio._gone"), "Call")


def test_no_core_is_taken_from_a_call_that_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor from one that looks as if it had, where names are lacking."""

    class Call:
        _cython_call = "core"

    assert core_of(object()) is None
    assert core_of(Call()) == "core"
    monkeypatch.setattr(direct_call, "LACKS", "all")
    assert core_of(Call()) is None
