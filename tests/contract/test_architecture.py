"""The rules of the code that no linter knows: the same names in every service, and the budget of files and functions."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
PACKAGES = ("tocsin", *SERVICES)
EVERY_SERVICE = ("__init__", "__main__", "config", "wiring")
EVERY_STORE = ("domain", "handlers", "migrations", "ports", "service", "store")
# What a thing is recognised by, where it stands, and who has it elsewhere: the gateway serves both doors by the contract, without handlers.
HOMES: Final[dict[str, tuple[str, set[str]]]] = {
    "sqlalchemy": (r"^(from|import) sqlalchemy\b", {"store", "migrations", "gateway.spool.store"}),
    "RPCs": (r"^(from|import) grpc\b|_grpc import .*Servicer", {"handlers", "gateway.edge", "gateway.transcoding"}),
    "calls": (
        r"^from tocsin\.mesh import .*\b(Mesh)\b|\w+Stub\(",
        {"clients", "wiring", "gateway.credentials", "gateway.mesh_admin"},
    ),
    "settings": (r"^class \w+\(.*ServiceSettings", {"config"}),
    "metrics": (r"^from prometheus_client import .*\b(Counter|Gauge|Histogram|Summary)\b", {"metrics"}),
    "tracing": (r"\.span\(|^from opentelemetry", {"tracing", "gateway.edge", "gateway.http"}),
    "housekeeping": (r'\.periodic\(\s*"housekeeping"|^class \w*Housekeep\w*', {"housekeeping"}),
}
README: Final = ["How it works", "Interface", "Calls", "Failures", "Settings", "Metrics and logs"]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
SAY_NOTHING = {"base", "common", "helpers", "manager", "misc", "util", "utils"}


def sources(*folders: str) -> Iterator[Path]:
    """Every Python file below the folders that a person writes."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "api" not in path.relative_to(ROOT).parts[:2]:
                yield path


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function of a file, with the lines of its body; the docstring costs nothing."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            yield node.name, (node.end_lineno or 0) - first.lineno + 1


def has(service: str, name: str) -> bool:
    """Whether the service has a module or a package of that name."""
    return (ROOT / service / f"{name}.py").exists() or (ROOT / service / name / "__init__.py").exists()


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    """The tool tables of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]


def test_every_tool_knows_every_package(tool: dict[str, Any]) -> None:
    """A package that one tool leaves out would be unchecked, or not shipped."""
    shipped = tool["hatch"]["build"]["targets"]["wheel"]["packages"]
    known = {
        "hatch": shipped,
        "importlinter": tool["importlinter"]["root_packages"],
        "deptry": tool["deptry"]["known_first_party"],
        "basedpyright": tool["basedpyright"]["include"],
        "ruff": tool["ruff"]["lint"]["isort"]["known-first-party"],
    }
    assert {name: missing for name, packages in known.items() if (missing := sorted(set(PACKAGES) - set(packages)))} == {}
    assert sorted(shipped) == sorted(PACKAGES)


def test_the_layers_of_every_service_are_exhaustive(tool: dict[str, Any]) -> None:
    """Each service has a contract of layers in which every module has its place."""
    contracts = {contract["id"]: contract for contract in tool["importlinter"]["contracts"]}
    loose = [name for name in SERVICES if (contracts[name]["containers"], contracts[name].get("exhaustive")) != ([name], True)]
    assert loose == []


@pytest.mark.parametrize("service", SERVICES)
def test_services_are_alike_inside(service: str) -> None:
    """Who has seen one service has seen all: the same names hold the same things, and each has a README and says what it owns."""
    names = EVERY_SERVICE if service == "gateway" else (*EVERY_SERVICE, *EVERY_STORE)
    lacking = [name for name in names if not has(service, name)]
    lacking += [] if (ROOT / service / "README.md").exists() else ["README.md"]
    lacking += [] if ast.get_docstring(ast.parse((ROOT / service / "__init__.py").read_text("utf-8"))) else ["a docstring in __init__.py"]
    assert (service, lacking) == (service, [])


def misplaced(service: str, module: str, source: str) -> list[str]:
    """Things in the source of a module that have a home of another name in every service."""
    parts = module.split(".")
    at_home = {*parts, *(f"{service}.{'.'.join(parts[:depth])}" for depth in range(1, len(parts) + 1))}
    return [thing for thing, (sign, homes) in HOMES.items() if re.search(sign, source, re.MULTILINE) and not homes & at_home]


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_thing_has_the_same_name_in_every_service(service: str) -> None:
    """Tables, RPCs, calls, settings, metrics, spans and housekeeping are found without a search."""
    found = {
        f"{service}.{module}": wrong
        for path in sources(service)
        if (
            wrong := misplaced(service, module := ".".join(path.relative_to(ROOT / service).with_suffix("").parts), path.read_text("utf-8"))
        )
    }
    assert found == {}


@pytest.mark.parametrize(
    ("module", "source", "thing"),
    [
        ("queries", "from sqlalchemy import select", "sqlalchemy"),
        ("service.alarms", "import grpc", "RPCs"),
        ("service.alarms", "self._stub = AlarmServiceStub(channel)", "calls"),
        ("settings", "class MailerSettings(ServiceSettings, StoreSettings):", "settings"),
        ("service.sending", "from prometheus_client import CollectorRegistry, Counter", "metrics"),
        ("worker", "with self._telemetry.span(name):", "tracing"),
        ("upkeep", "class Housekeeper:", "housekeeping"),
        ("cleaner", 'self._rounds.periodic("housekeeping", 60, self._round)', "housekeeping"),
    ],
)
def test_a_thing_in_another_place_is_found(module: str, source: str, thing: str) -> None:
    """Each by itself."""
    assert misplaced("mailer_svc", module, source) == [thing]


def misshapen(service: str, readme: str) -> list[str]:
    """What a service's README has otherwise than the others."""
    headings = re.findall(r"^## (.+)$", readme, re.MULTILINE)
    settings = readme.partition("\n## Settings\n")[2].partition("\n## ")[0]
    header, *rows = re.findall(r"^\| (.+?) \|", settings, re.MULTILINE) or [""]
    prefix = f"`TOCSIN_{service.removesuffix('_svc').upper()}_"
    wrong = [row for row in rows if not row.startswith(prefix)]
    return [*(["headings"] if headings != README else []), *(["table of settings"] if header != "setting" else []), *wrong]


@pytest.mark.parametrize("service", SERVICES)
def test_readmes_are_alike(service: str) -> None:
    """One template: the same headings in the same order, and settings by the names that an operator types."""
    readme = (ROOT / service / "README.md").read_text("utf-8")
    assert misshapen(service, readme) == []
    assert misshapen(service, readme.replace("## Calls", "## Called")) == ["headings"]
    assert misshapen(service, readme.replace("| setting |", "| variable |")) == ["table of settings"]
    assert misshapen(service, re.sub(r"`TOCSIN_[A-Z]+_PORT`", "`PORT`", readme)) == ["`PORT`"]


def test_files_are_short() -> None:
    """A file that outgrows the budget becomes a package of the same name."""
    long = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in sources(*PACKAGES, "bench", "tests")}
    assert {path: lines for path, lines in long.items() if lines > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """A function that outgrows the budget does more than one thing; a wiring lists parts and a migration tables: both may be long."""
    written = [path for path in sources(*PACKAGES) if "wiring" not in (path.stem, path.parent.name) and path.parent.name != "versions"]
    long = {f"{path.relative_to(ROOT)}:{name}": lines for path in written for name, lines in functions(path)}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


def test_modules_are_named_after_things() -> None:
    """No module has a name that says nothing about what it holds."""
    assert [str(path.relative_to(ROOT)) for path in sources(*PACKAGES) if SAY_NOTHING & set(path.with_suffix("").parts)] == []
