"""Loads the scripts of .ci/, which is no package."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[3]


def script(name: str) -> ModuleType:
    """The script ``name`` as a module."""
    spec = importlib.util.spec_from_file_location(f"ci_{name.removesuffix('.py')}", ROOT / ".ci" / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
