"""What people read says what the code does: settings, commands, decisions. Each check is shown to fail on what it guards."""

import functools
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

from auth_svc.config import AuthSettings
from gateway.config import GatewaySettings
from mailer_svc.config import MailerSettings
from processor_svc.config import ProcessorSettings
from scheduler_svc.config import SchedulerSettings
from tocsin.cli.app import make_app
from tocsin.config import ServiceSettings, describe
from tocsin.mesh.policy import contract, read

ROOT: Final = Path(__file__).resolve().parents[2]
SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "auth_svc": AuthSettings,
    "gateway": GatewaySettings,
    "mailer_svc": MailerSettings,
    "processor_svc": ProcessorSettings,
    "scheduler_svc": SchedulerSettings,
}
_ROW: Final = re.compile(r"^\| `([A-Z0-9_]+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
_MARKED: Final = re.compile(r"`(tocsin[^`]*)")
"""A command, and what it takes."""


def undocumented_settings(service: str, readme: str) -> Iterator[str]:
    """Settings of the service whose row in its README is missing, or tells another default or meaning."""
    kind = SETTINGS[service]
    prefix = f"TOCSIN_{service.removesuffix('_svc').upper()}_"
    rows = {name.removeprefix(prefix): (default, meaning) for name, default, meaning in _ROW.findall(readme)}
    for row in describe(kind):
        if not row.name.startswith(prefix) or row.name == f"{prefix}TARGET":
            continue  # shared by every service, or what others call this one: both stand in deploy/settings/
        found = rows.get(row.name.removeprefix(prefix))
        if found is None:
            yield f"{row.name}: no row"
        elif (_plain(found[0]), _plain(found[1])) != (_plain(row.default), _plain(row.description)):
            yield f"{row.name}: the row says {found}, the code {(row.default, row.description)}"


def unread_settings(service: str, names: Iterable[str]) -> list[str]:
    """Settings that neither the service nor the runtime reads: an operator who sets one changes nothing."""
    files = (path for folder in (service, "tocsin") for path in (ROOT / folder).rglob("*.py") if ROOT / "tocsin/api" not in path.parents)
    source = "".join(path.read_text("utf-8") for path in files)
    return [name for name in names if not re.search(rf"\.{name}\b", source)]


def _plain(text: str) -> str:
    """Without marks, and with numbers as people write them."""
    return re.sub(r"(\d)\.0\b", r"\1", text.replace("`", "").replace("\\|", "|")).strip()


def commands(group: Any, prefix: str = "tocsin") -> Iterator[str]:
    """Every command of the command line that is not hidden."""
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        if not command.hidden and (not inner or command.invoke_without_command):
            yield f"{prefix} {name}"
        if inner:
            yield from commands(command, f"{prefix} {name}")


@functools.cache
def all_commands() -> tuple[str, ...]:
    """Every command, loaded once."""
    return tuple(commands(typer.main.get_command(make_app())))


def undocumented_commands(page: str) -> list[str]:
    """Commands that the page does not name."""
    marked = (text.split(" ") for text in _MARKED.findall(page))
    named = {" ".join(words[:number]) for words in marked for number in range(1, len(words) + 1)}
    return [command for command in all_commands() if command not in named]


@functools.cache
def rpcs(service: str) -> tuple[str, ...]:
    """The RPCs of a service's own package, by their names."""
    package = f".{service.removesuffix('_svc')}.v1."
    return tuple(path.rpartition("/")[2] for path in read(contract()) if package in path)


def unlisted_rpcs(service: str, readme: str) -> list[str]:
    """RPCs that the README of their service does not name where it tells what it offers."""
    offered = readme.partition("\n## Interface\n")[2].partition("\n## ")[0]
    return [name for name in rpcs(service) if not re.search(rf"\b{name}\b", offered)]


@pytest.mark.parametrize("service", sorted(SETTINGS.keys() - {"gateway"}))
def test_every_rpc_is_listed(service: str) -> None:
    """In the README of the service that has it; each is taken out, and missed."""
    readme = (ROOT / service / "README.md").read_text("utf-8")
    assert unlisted_rpcs(service, readme) == []
    for name in rpcs(service):
        assert unlisted_rpcs(service, re.sub(rf"\b{name}\b", "…", readme)) == [name]


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_every_setting_has_its_row(service: str) -> None:
    """With its default and its meaning, in the README of the service that reads it."""
    assert list(undocumented_settings(service, (ROOT / service / "README.md").read_text("utf-8"))) == []


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_every_setting_is_read(service: str) -> None:
    """By its name; one that nobody reads is found."""
    assert unread_settings(service, [*SETTINGS[service].model_fields, "setting_of_tomorrow"]) == ["setting_of_tomorrow"]


@pytest.mark.parametrize("service", sorted(SETTINGS))
def test_a_missing_or_stale_row_is_found(service: str) -> None:
    """Each row is taken out, and then changed."""
    readme = (ROOT / service / "README.md").read_text("utf-8")
    prefix = f"TOCSIN_{service.removesuffix('_svc').upper()}_"
    rows = [match for match in _ROW.finditer(readme) if match[1].removeprefix(prefix) not in ("TARGET",)]
    own = {row.name.removeprefix(prefix) for row in describe(SETTINGS[service]) if row.name.startswith(prefix)}
    guarded = [match for match in rows if match[1].removeprefix(prefix) in own]
    assert guarded
    for match in guarded:
        name = prefix + match[1].removeprefix(prefix)
        assert f"{name}: no row" in undocumented_settings(service, readme.replace(match[0], ""))
        changed = readme.replace(match[0], match[0].replace(f"| {match[2]} |", "| another default |", 1))
        assert any(finding.startswith(f"{name}: the row says") for finding in undocumented_settings(service, changed))


def test_every_command_is_documented() -> None:
    """docs/cli.md names each."""
    assert undocumented_commands((ROOT / "docs/cli.md").read_text("utf-8")) == []


def test_a_missing_command_is_found() -> None:
    """Each is taken out of the page."""
    page = (ROOT / "docs/cli.md").read_text("utf-8")
    for command in all_commands():
        assert command in undocumented_commands(re.sub(rf"`{re.escape(command)}[` ]", "` ", page))


def test_installed_packages_say_that_they_are_typed(tmp_path: Path) -> None:
    """PEP 561, in the wheel as it is built: without the marker, a checker takes everything of a package for unknown."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    for project in (ROOT, ROOT / "mesh"):
        subprocess.run(build, cwd=project, capture_output=True, check=True)
    shipped = {name for wheel in tmp_path.glob("*.whl") for name in zipfile.ZipFile(wheel).namelist()}
    assert [package for package in ("tocsin", *SETTINGS) if f"{package}/py.typed" not in shipped] == []


def folders() -> Iterator[str]:
    """The folders that a newcomer sees first: those of the tree, and those of the tests."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    yield from sorted({f"{path.split('/')[0]}/" for path in listed if "/" in path} - {"tests/"})
    yield from sorted({path.split("/")[1] for path in listed if path.startswith("tests/") and path.count("/") > 1})


def test_every_folder_is_described() -> None:
    """In the table of CONTRIBUTING.md."""
    table = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Where things are")[2].partition("\n## ")[0]
    assert [name for name in folders() if not re.search(rf"[` ]{re.escape(name)}[` ]", table)] == []


def test_decisions_are_numbered_without_a_gap() -> None:
    """A number that is missing looks like a page that was lost."""
    pages = sorted(page.name for page in (ROOT / "docs/adr").glob("*.md"))
    assert [int(name[:4]) for name in pages] == list(range(len(pages)))
    for name in pages:
        assert (ROOT / "docs/adr" / name).read_text("utf-8").startswith(f"# {name[:4]}: "), name
