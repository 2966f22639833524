"""Makes an environment with nothing but what a service of somebody else's needs of the mesh.

    python .ci/mesh.py DIST ENVIRONMENT    installs the wheel of tocsin-mesh from DIST, and what the example and the skeleton ask for

`make mesh-check` runs examples/greeter there, and what `tocsin new service` writes. It needs nothing but the standard library; packages
come from the index, at the versions of requirements/dev.lock.
"""

import os
import re
import subprocess
import sys
import venv
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


def constraints(lock: str) -> str:
    """The versions of a lock, without hashes: pip asks for one of every package, be it built a moment ago, as soon as it sees one."""
    return "\n".join(_PIN.findall(lock)) + "\n"


def make(dist: Path, place: Path) -> None:
    """Makes the environment.

    Raises:
        CalledProcessError: something cannot be installed, does not fit together, or is there that nobody asked for.
        ValueError: there is not one wheel.
    """
    (wheel,) = dist.resolve().glob("tocsin_mesh-*.whl")
    venv.create(place, with_pip=True, clear=True)
    python = place.resolve() / "bin/python"
    env = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PYTHON"))}
    versions = place / "constraints.txt"
    versions.write_text(constraints((ROOT / "requirements/dev.lock").read_text("utf-8")), "utf-8")
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
        make(Path(sys.argv[1]), Path(sys.argv[2]))
    except (ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"mesh: {error}")
