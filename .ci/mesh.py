"""Makes an environment with nothing but what a service of somebody else's needs of the mesh.

    python .ci/mesh.py DIST ENVIRONMENT [locked|lowest|newest]

installs the wheel of tocsin-mesh from DIST, and what the example and the skeleton ask for. Packages come from the index: at the versions
of requirements/dev.lock, at the lowest that the wheel says it works with, or at the newest that it admits.

`make mesh-check` runs examples/greeter there, and what `tocsin new service` writes. It needs nothing but the standard library.
"""

import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterable
from email.parser import HeaderParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ("grpcio-tools", "pytest")
"""What the example and the skeleton ask for beside the mesh: they read their .proto files at the start, and the skeleton has a test."""
NOT_ASKED_FOR = ("tocsin.cli", "tocsin.config", "pydantic", "cryptography", "redis", "sqlalchemy", "jwt", "uvloop", "opentelemetry.sdk")
_LOOK = """
import importlib.util, sys, tocsin.mesh.library

def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False

print(*filter(there, sys.argv[1:]))
"""
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*==[^\s;\\]+)", re.MULTILINE)
_LOWEST = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?[^;]*?(?:>=|==)(?P<version>[0-9][0-9.]*)")


def constraints(lock: str) -> str:
    """The versions of a lock, without hashes: pip asks for one of every package, be it built a moment ago, as soon as it sees one."""
    return "\n".join(_PIN.findall(lock)) + "\n"


def lowest(requirements: Iterable[str]) -> str:
    """The lowest version that each requirement admits, those of extras too; what these need in turn is left to pip.

    Raises:
        ValueError: one admits any version.
    """
    pins: list[str] = []
    for requirement in requirements:
        found = _LOWEST.match(requirement)
        if found is None:
            raise ValueError(f"{requirement}: it has no lower bound")
        pins.append(f"{found['name']}=={found['version']}")
    return "\n".join(sorted(set(pins))) + "\n"


def required(wheel: Path) -> list[str]:
    """What the metadata of a wheel asks for."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])


def versions_of(which: str, wheel: Path) -> str:
    """What pip is told of versions.

    Raises:
        ValueError: there is no such choice, or a requirement without a lower bound.
    """
    match which:
        case "locked":
            return constraints((ROOT / "requirements/dev.lock").read_text("utf-8"))
        case "lowest":
            return lowest(required(wheel))
        case "newest":
            return ""
        case _:
            raise ValueError(f"{which!r} is none of locked, lowest, newest")


def make(dist: Path, place: Path, which: str = "locked") -> None:
    """Makes the environment.

    Raises:
        CalledProcessError: something cannot be installed, does not fit together, or is there that nobody asked for.
        ValueError: there is not one wheel, or the versions cannot be told.
    """
    (wheel,) = dist.resolve().glob("tocsin_mesh-*.whl")
    told = versions_of(which, wheel)
    venv.create(place, with_pip=True, clear=True)
    python = place.resolve() / "bin/python"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PYTHON"))}
    versions = place / "constraints.txt"
    versions.write_text(told, "utf-8")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    install = [*pip, "install", "--only-binary", ":all:", "--constraint", versions.resolve()]
    subprocess.run([*install, wheel], cwd=place, env=env, check=True)
    subprocess.run([*pip, "check"], cwd=place, env=env, check=True)
    found = subprocess.run([python, "-I", "-c", _LOOK, *NOT_ASKED_FOR], cwd=place, env=env, check=True, capture_output=True, text=True)
    if found.stdout.strip():
        raise ValueError(f"tocsin-mesh alone brings {found.stdout.strip()}, which it does not ask for")
    subprocess.run([*install, f"tocsin-mesh[otlp] @ {wheel.as_uri()}", *BESIDE], cwd=place, env=env, check=True)


if __name__ == "__main__":
    try:
        make(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:4])
    except (ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"mesh: {error}")
