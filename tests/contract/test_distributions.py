"""tocsin-mesh and tocsin: two distributions of one tree, each file in one of them, and the mesh asks for nothing of Tocsin's."""

import ast
import importlib.util
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_SPEC: Final = importlib.util.spec_from_file_location("mesh_modules", ROOT / "mesh/modules.py")
assert _SPEC is not None
assert _SPEC.loader is not None
modules: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(modules)

PLATFORM: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MESH: Final = tomllib.loads((ROOT / "mesh/pyproject.toml").read_text("utf-8"))
PYTHON: Final = [path for path in modules.files(ROOT) if path.endswith(".py")]
OF_IMPORT: Final = {
    "cryptography": "cryptography",
    "google.api": "googleapis-common-protos",
    "google.protobuf": "protobuf",
    "google.rpc": "googleapis-common-protos",
    "grpc": "grpcio",
    "grpc_channelz": "grpcio-channelz",
    "grpc_health": "grpcio-health-checking",
    "grpc_reflection": "grpcio-reflection",
    "jwt": "pyjwt",
    "opentelemetry": "opentelemetry-api",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry.sdk": "opentelemetry-sdk",
    "prometheus_client": "prometheus-client",
    "protovalidate": "protovalidate",
    "pybreaker": "pybreaker",
    "structlog": "structlog",
    "tenacity": "tenacity",
    "yaml": "pyyaml",
}
"""Which distribution brings what is imported; the longest name that fits."""
WITH_AN_EXTRA: Final = {
    "channelz": {"tocsin/mesh/channelz.py"},
    "tls": {"tocsin/mesh/authority.py", "tocsin/mesh/pem.py"},
    "tokens": {"tocsin/mesh/jwks.py", "tocsin/mesh/tokens.py"},
    "otlp": {f"tocsin/telemetry/{name}.py" for name in ("export", "otlp_answers", "otlp_grpc", "otlp_http")},
}
"""The modules that need it at their import; the library imports none of them before it is asked for what they do."""
LOADED: Final = """
import json, sys
import tocsin.mesh.library
tocsin = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "tocsin"]
print(json.dumps([tocsin, sorted(sys.modules)]))
"""


def named(requirements: list[str]) -> set[str]:
    """The distributions that requirements ask for."""
    return {line.partition(">")[0].partition("=")[0].partition("[")[0] for line in requirements}


def imported(path: str) -> Iterator[str]:
    """Every module that a file imports, wherever in it, but for what types alone need."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    guards = [each for each in ast.walk(tree) if isinstance(each, ast.If) and "TYPE_CHECKING" in ast.dump(each.test)]
    typing = [node for each in guards for node in ast.walk(each)]
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)


def brought_by(name: str) -> str:
    """The distribution that brings a module; its own name if nobody is known to."""
    parts = name.split(".")
    return next((OF_IMPORT[each] for end in range(len(parts), 0, -1) if (each := ".".join(parts[:end])) in OF_IMPORT), parts[0])


def of_the_mesh(name: str) -> bool:
    """Whether ``tocsin.a.b`` is, or is in, a module of the mesh's distribution."""
    parts = name.split(".")
    return any({f"{each}.py", f"{each}/__init__.py"} & set(PYTHON) for end in range(2, len(parts) + 1) if (each := "/".join(parts[:end])))


def test_each_file_is_in_one_distribution() -> None:
    """What the mesh's takes, Tocsin's leaves out; of two owners of a file the one that is removed first takes it along."""
    assert PLATFORM["tool"]["hatch"]["build"]["exclude"] == [f"/{each}" for each in modules.MODULES]
    assert [each for each in modules.MODULES if not (ROOT / each).exists()] == []


def test_modules_of_the_mesh_import_nothing_of_tocsin() -> None:
    """Nor what their distribution, or the extra that they are for, does not ask for."""
    asked = named(MESH["project"]["dependencies"])
    extras = {name: named(lines) for name, lines in MESH["project"]["optional-dependencies"].items()}
    found: list[str] = []
    for path in PYTHON:
        allowed = asked.union(*(extras[extra] for extra, paths in WITH_AN_EXTRA.items() if path in paths))
        for name in imported(path):
            top = name.partition(".")[0]
            if top == "tocsin":
                found += [] if of_the_mesh(name) or name == "tocsin" else [f"{path}: {name} is not in tocsin-mesh"]
            elif top not in sys.stdlib_module_names and brought_by(name) not in allowed:
                found.append(f"{path}: {name} is in nothing that tocsin-mesh asks for")
    assert found == []


def test_what_the_library_loads_is_what_is_asked_for() -> None:
    """In an empty process: modules of the distribution alone, and no package that only an extra brings."""
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    own, every = json.loads(done.stdout)
    assert {Path(each).relative_to(ROOT).as_posix() for each in own} <= set(PYTHON)
    asked = named(MESH["project"]["dependencies"])
    unasked = {name for name, distribution in OF_IMPORT.items() if distribution not in asked}
    assert {name for name in every if any(name == each or name.startswith(f"{each}.") for each in unasked)} == set()


def test_both_ask_for_the_same_versions() -> None:
    """Word by word; and Tocsin for the mesh of its own version."""
    asked = {*PLATFORM["project"]["dependencies"], *PLATFORM["project"]["optional-dependencies"]["channelz"]}
    wanted = [*MESH["project"]["dependencies"], *(each for lines in MESH["project"]["optional-dependencies"].values() for each in lines)]
    assert [line for line in wanted if line not in asked] == []
    assert f"tocsin-mesh=={PLATFORM['project']['version']}" in asked
    used = {brought_by(name) for path in PYTHON for name in imported(path)}
    assert named(wanted) - used == set()
