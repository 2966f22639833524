"""The generated client is the contract's: every RPC, at its own route, the same with asyncio and without."""

import inspect
import re
import shutil
from pathlib import Path

import pytest

import tocsin_client
from client.generate import __main__ as generator
from client.generate.contract import Source
from gateway.transcoding.routes import build_router, build_routes
from tocsin_client import contract
from tocsin_client.calls import Call
from tocsin_client.names import path_of

VARIABLE = re.compile(r"\{([a-z0-9_.]+)(?:=([^}]*))?\}")


@pytest.fixture(scope="module")
def source() -> Source:
    """The contract."""
    return Source()


def test_every_rpc_has_a_method_that_calls_its_route(source: Source) -> None:
    """Each path that a call can take leads to its RPC, by the router of the gateway itself."""
    router = build_router(build_routes(source.contract))
    strays = []
    for routes in source.calls:
        name = source.method_name(routes)
        call: Call = getattr(contract, name.upper())
        assert callable(getattr(tocsin_client.Client, name))
        for path in call.paths:
            values = {variable: (pattern or "*").replace("**", "x1/x2").replace("*", "x1") for variable, pattern in VARIABLE.findall(path)}
            found = router.match(call.method, path_of([path], values))
            if found.target.rpc.path != routes[0].rpc.path:
                strays.append(name)
    assert strays == []
    assert len(source.calls) == len([value for value in vars(contract).values() if isinstance(value, Call)])


def test_both_clients_are_the_same_but_for_asyncio(source: Source) -> None:
    """The same methods with the same parameters; what differs is how bodies that stream are given."""
    for routes in source.calls:
        name = source.method_name(routes)
        one, other = (inspect.signature(getattr(kind, name)).parameters for kind in (tocsin_client.Client, tocsin_client.AsyncClient))
        assert list(one) == list(other), name
        if not routes[0].uploads:
            assert {key: value.annotation for key, value in one.items()} == {key: value.annotation for key, value in other.items()}, name


def test_what_is_stale_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generated file that was edited, or is missing, fails the check; what is in the repository passes."""
    for path in generator.generated():
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.setattr(generator, "TARGET", tmp_path)
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generator.main() == 0
    (tmp_path / "models.py").write_text((tmp_path / "models.py").read_text("utf-8").replace("display_name", "title"), "utf-8")
    assert generator.main() == 1
    shutil.copy(generator.ROOT / "src/tocsin_client/models.py", tmp_path / "models.py")
    (tmp_path / "contract.py").unlink()
    assert generator.main() == 1
