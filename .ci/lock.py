"""Checks, without a network, that requirements/*.lock were made from the dependencies that pyproject.toml declares now.

`python .ci/lock.py digest` prints the fingerprint of the declared dependencies; `make lock` writes it into the head of each lock.
`python .ci/lock.py check` compares it, and that each lock pins a version that each declaration accepts, always with hashes.
"""

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {name: f"requirements/{name}.lock" for name in ("runtime", "dev", "build", "peers", "peers-arq", "sbom", "kubernetes")}
WITH_PROJECT = ("runtime", "dev")
OWN = "tocsin-mesh"
"""Built from this tree, and so in no lock; what it needs is."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;[^\\]*)?\s*\\?$")


def digest(project: Mapping[str, Any]) -> str:
    """The fingerprint of everything in pyproject.toml that decides what a lock holds."""
    inputs = [project["project"]["requires-python"], sorted(project["project"]["dependencies"]), project.get("dependency-groups", {})]
    return "sha256:" + hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]


def declared(project: Mapping[str, Any], lock: str) -> Iterator[str]:
    """Every requirement that ``lock`` must satisfy: the project's own, if it is one of those, and the group of its name if there is one."""
    if lock in WITH_PROJECT:
        yield from (line for line in project["project"]["dependencies"] if Requirement(line).name != OWN)
    if lock != "runtime":
        yield from _group(project, lock)


def problems(project: Mapping[str, Any], lock: str, text: str) -> Iterator[str]:
    """What is wrong with the ``text`` of a lock, one line a finding."""
    if digest(project) not in text:
        yield "was made from other dependencies than pyproject.toml declares"
    pins: dict[str, list[str]] = {}
    for stanza in re.split(r"\n(?=\S)", text):
        head = stanza.split("\n", 1)[0]
        if pin := _PIN.match(head):
            pins.setdefault(canonicalize_name(pin[1]), []).append(pin[2])
            if "--hash=sha256:" not in stanza:
                yield f"{pin[1]} has no hash"
        elif head and not head.startswith("#"):
            yield f"cannot read the line {head!r}"
    for line in declared(project, lock):
        requirement = Requirement(line)
        versions = pins.get(canonicalize_name(requirement.name), [])
        if not any(requirement.specifier.contains(version, prereleases=True) for version in versions):
            yield f"pins {' and '.join(versions) or 'no version'} of {requirement.name}, but pyproject.toml asks for {line}"


def _group(project: Mapping[str, Any], name: str) -> Iterator[str]:
    for entry in project["dependency-groups"][name]:
        if isinstance(entry, str):
            yield entry
        else:
            yield from _group(project, entry["include-group"])


def main(command: str) -> int:
    """Runs ``command``; returns the exit code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if command == "digest":
        print(digest(project))
        return 0
    found = [f"{path} {finding}" for lock, path in LOCKS.items() for finding in problems(project, lock, (ROOT / path).read_text("utf-8"))]
    for finding in found:
        print(finding, file=sys.stderr)
    if found:
        print("run: make lock", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
