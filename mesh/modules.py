"""What the distribution tocsin-mesh is made of, for hatchling: modules that live in Tocsin's tree, each in this distribution alone.

`tocsin` depends on it, and leaves out the same list (``exclude`` in ../pyproject.toml). In the repository the modules lie in the folder
above this one; in a source distribution, below it.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = (
    "tocsin/__init__.py",
    "tocsin/py.typed",
    "tocsin/api/__init__.py",
    "tocsin/api/py.typed",
    "tocsin/api/validate.py",
    "tocsin/api/mesh",
    "tocsin/background.py",
    "tocsin/clock.py",
    "tocsin/errors.py",
    "tocsin/mesh",
    "tocsin/otlp.py",
    "tocsin/telemetry",
    "tocsin/values.py",
    "tocsin/wake.py",
)
"""Modules and packages."""
_SUFFIXES = {".py", ".pyi", ".proto", ".typed"}


def tree(project: Path) -> Path:
    """The folder that holds the package ``tocsin``."""
    return project if (project / "tocsin").is_dir() else project.parent


def files(root: Path) -> list[str]:
    """Every file of the distribution, relative to the folder that holds ``tocsin``."""
    found = [root / each for each in MODULES]
    inside = [path for each in found for path in ([each] if each.is_file() else each.rglob("*"))]
    return sorted(path.relative_to(root).as_posix() for path in inside if path.suffix in _SUFFIXES)


class ModulesHook(BuildHookInterface[Any]):
    """Puts the modules into the wheel and into the source distribution."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Names them; an editable install points at the tree instead."""
        root = tree(Path(self.root))
        if version == "editable":
            build_data["force_include_editable"] = {}
            return
        build_data["force_include"].update({str(root / each): each for each in files(root)})
