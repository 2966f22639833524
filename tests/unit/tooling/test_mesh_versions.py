"""At which versions `make mesh-check` installs what tocsin-mesh needs."""

import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.unit.tooling.scripts import ROOT, script

mesh = script("mesh.py")


def test_each_requirement_of_the_mesh_has_a_lowest_version() -> None:
    """Those of extras too: what is promised is what is tried."""
    project = tomllib.loads((ROOT / "mesh/pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    pins = mesh.lowest(asked).split()
    assert len(pins) == len(set(asked))
    assert {"grpcio==1.84", "pybreaker==1.4.1", "pyjwt==2.15", "cryptography==46"} <= set(pins)


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [
        ("grpcio<2,>=1.84", "grpcio==1.84"),
        ("grpcio>=1.84.0", "grpcio==1.84.0"),
        ("pybreaker==1.4.1", "pybreaker==1.4.1"),
        ("pyjwt[crypto]<3,>=2.15; extra == 'tokens'", "pyjwt==2.15"),
        ("opentelemetry-sdk<2,>=1.45 ; extra == 'otlp'", "opentelemetry-sdk==1.45"),
        ("zope.interface (>=5.0)", "zope.interface==5.0"),
    ],
)
def test_the_lowest_version_of_a_requirement(requirement: str, pin: str) -> None:
    """As the metadata of a wheel writes it: the bounds in any order, extras and markers aside."""
    assert mesh.lowest([requirement]) == f"{pin}\n"


@pytest.mark.parametrize("requirement", ["grpcio", "grpcio<2", "grpcio!=1.85.0", "grpcio; python_version >= '3.11'"])
def test_one_without_a_lower_bound_is_named(requirement: str) -> None:
    """It would be tried at its newest version, and nobody would know what it needs."""
    with pytest.raises(ValueError, match=r"grpcio.+ no lower bound"):
        mesh.lowest(["pyyaml>=6", requirement])


def test_the_requirements_are_those_of_the_wheel(tmp_path: Path) -> None:
    """Its metadata says them, whatever stands in the tree by now."""
    wheel = tmp_path / "one-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(
            "one-1.dist-info/METADATA", "Name: one\nRequires-Dist: two>=2\nRequires-Dist: three>=3; extra == 'x'\n\nRequires-Dist: no>=1\n"
        )
    assert mesh.required(wheel) == ["two>=2", "three>=3; extra == 'x'"]
    assert mesh.versions_of("lowest", wheel) == "three==3\ntwo==2\n"


def test_locked_newest_and_nothing_else(tmp_path: Path) -> None:
    """The versions of the lock without hashes, none at all, or a word that says what there is."""
    assert "grpcio==" in mesh.versions_of("locked", tmp_path)
    assert mesh.versions_of("newest", tmp_path) == ""
    with pytest.raises(ValueError, match="locked, lowest, newest"):
        mesh.versions_of("oldest", tmp_path)
