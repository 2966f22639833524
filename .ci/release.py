"""What a release is made by: its version in every place, its notes, its distributions, and whether they work.

    python .ci/release.py check [TAG]      every place names one version; with a tag, it is that one, and the changelog has its section
    python .ci/release.py bump X.Y.Z       writes the version everywhere, and gives the changelog's Unreleased that name and today's date
    python .ci/release.py notes TAG        prints the changelog's section
    python .ci/release.py build FOLDER     builds wheels and source distributions of tocsin, tocsin-mesh and tocsin-client
    python .ci/release.py try FOLDER       installs the wheels into an empty environment of this Python, and uses them

It needs nothing but the standard library, and hatchling to build.
"""

import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACES = {
    "pyproject.toml": re.compile(r'^(?:version = |  "tocsin-mesh==)"?([^"]+)"', re.MULTILINE),
    "mesh/pyproject.toml": re.compile(r'^version = "([^"]+)"$', re.MULTILINE),
    "tocsin/__init__.py": re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE),
    "client/src/tocsin_client/version.py": re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE),
    "deploy/helm/tocsin/Chart.yaml": re.compile(r'^(?:version: |appVersion: ")([^"\n]+)"?$', re.MULTILINE),
    "deploy/k8s/overlays/production/kustomization.yaml": re.compile(r'newTag: "([^"]+)"'),
    "deploy/README.md": re.compile(r"image=registry\.example\.com/tocsin:(\S+)"),
}
"""Where a version stands, and how to find it."""
PROJECTS = (".", "mesh", "client")
"""The folders of the distributions."""
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "node_modules", "build", "dist", "var")
_RELATIVE = re.compile(r"(!?\[[^\]]*\])\((?![a-z]+:|#)([^)\s]+)\)")
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
_SECTION = r"^## \[{}\](?: - \d{{4}}-\d{{2}}-\d{{2}})?\n(.*?)(?=^## \[|\Z)"
_EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Refused(Exception):
    """What was asked for cannot be done; the text says why."""


def versions(root: Path) -> dict[str, list[str]]:
    """The versions that each place names."""
    return {place: pattern.findall((root / place).read_text("utf-8")) for place, pattern in PLACES.items()}


def version(root: Path) -> str:
    """The version that every place names.

    Raises:
        Refused: they name several, or a place names none.
    """
    found = versions(root)
    if len({tuple(set(each)) for each in found.values()}) != 1 or not all(found.values()):
        raise Refused(
            "these places name different versions: " + ", ".join(f"{place}: {' and '.join(each)}" for place, each in found.items())
        )
    return found["pyproject.toml"][0]


def notes(root: Path, name: str) -> str:
    """The text of the changelog's section ``name``.

    Raises:
        Refused: there is no such section, or it is empty.
    """
    match = re.search(_SECTION.format(re.escape(name)), (root / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    if match is None or not match[1].strip():
        raise Refused(f"CHANGELOG.md has no section [{name}], or an empty one")
    return match[1].strip() + "\n"


def check(root: Path, tag: str = "") -> str:
    """The version; with a tag, it is that of the tag and has notes.

    Raises:
        Refused: it is not so.
    """
    found = version(root)
    if tag:
        if tag != f"v{found}":
            raise Refused(f"the tag {tag} is not v{found}")
        notes(root, found)
    return found


def bump(root: Path, new: str, date: str) -> None:
    """Writes the version everywhere; what was unreleased becomes its section.

    Raises:
        Refused: it is no version, or the one that is there, or there is nothing to release.
    """
    if not _VERSION.fullmatch(new):
        raise Refused(f"{new} is no version such as 1.2.3 or 1.2.3rc1")
    if new == version(root):
        raise Refused(f"{new} is the version already")
    notes(root, "Unreleased")
    for place, pattern in PLACES.items():
        text = (root / place).read_text("utf-8")
        (root / place).write_text(pattern.sub(lambda match: match[0].replace(match[1], new), text), "utf-8")
    changelog = root / "CHANGELOG.md"
    changelog.write_text(changelog.read_text("utf-8").replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{new}] - {date}\n", 1), "utf-8")


def address(env: Mapping[str, str]) -> str:
    """Where the tree of this release can be read, as its workflow knows; empty elsewhere."""
    server, repository = env.get("GITHUB_SERVER_URL"), env.get("GITHUB_REPOSITORY")
    return f"{server}/{repository}" if server and repository else ""


def absolute(text: str, *, folder: str, base: str, tag: str) -> str:
    """A page in Markdown whose links lead to the repository, for who reads it elsewhere.

    Args:
        text: the page.
        folder: where it lies in the repository.
        base: address of the repository.
        tag: of the tree that it belongs to.
    """

    def lead(match: re.Match[str]) -> str:
        target, _, heading = match[2].partition("#")
        path = posixpath.normpath(posixpath.join(folder, target))
        return f"{match[1]}({base}/{'raw' if match[1].startswith('!') else 'blob'}/{tag}/{path}{'#' if heading else ''}{heading})"

    return _RELATIVE.sub(lead, text)


def build(root: Path, folder: Path, base: str = "") -> list[Path]:
    """Builds the three distributions, each as a wheel and as its source, into ``folder``.

    With the address of the repository, links in their READMEs are absolute: an index of packages shows them without the pages beside them.
    """
    tag = f"v{version(root)}"
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        shutil.copytree(root, tree, ignore=_LEFT_OUT, symlinks=True)
        for project in PROJECTS:
            readme = tree / project / "README.md"
            if base:
                readme.write_text(absolute(readme.read_text("utf-8"), folder=project, base=base, tag=tag), "utf-8")
            subprocess.run([sys.executable, "-m", "hatchling", "build", "--directory", str(folder)], cwd=readme.parent, check=True)
    return sorted(folder.iterdir())


def attempt(root: Path, folder: Path) -> None:
    """Uses the wheels of ``folder`` as somebody does who installs them: the stack runs, and the client's first example works on it.

    Raises:
        CalledProcessError: something failed.
    """
    wheels = sorted(folder.resolve().glob("*.whl"))
    (example, *_) = _EXAMPLE.findall((root / "client/README.md").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        venv.create(place / "env", with_pip=True)
        python, command = place / "env/bin/python", place / "env/bin/tocsin"
        env = {key: value for key, value in os.environ.items() if not key.startswith(("TOCSIN_", "PYTHON"))}
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--only-binary", ":all:"]
        _run([*pip, "--require-hashes", "--requirement", root / "requirements/runtime.lock"], place, env)
        _run([*pip, "--no-deps", *wheels], place, env)
        _run([python, "-m", "pip", "--disable-pip-version-check", "check"], place, env)
        _run([command, "--version"], place, env)
        _run([command, "up", "--detach", "--state", place / "var", "--port-base", os.environ.get("PORT_BASE", "31000")], place, env)
        try:
            _use(place, env, command, python, example)
        finally:
            _run([command, "down", "--state", place / "var"], place, env)


def _use(place: Path, env: Mapping[str, str], command: Path, python: Path, example: str) -> None:
    port = os.environ.get("PORT_BASE", "31000")
    known = {
        "TOCSIN_CLIENT_URL": f"http://127.0.0.1:{port}",
        "TOCSIN_CLIENT_API_KEY": (place / "var/dev-api-key").read_text("utf-8").strip(),
    }
    _run([command, "run", "uppercase", '{"text": "it works"}', "--state", place / "var"], place, env)
    (place / "example.py").write_text(example, "utf-8")
    _run([python, "-I", "-W", "error", place / "example.py"], place, {**env, **known})


def _run(line: list[str | Path], folder: Path, env: Mapping[str, str]) -> None:
    print("+", *(str(part).replace(f"{folder}/", "") for part in line[:6]), "…" if len(line) > 6 else "", flush=True)
    subprocess.run(line, cwd=folder, env=env, check=True)


def main(command: str, *arguments: str) -> int:
    """Runs ``command``; returns the exit code."""
    try:
        match command:
            case "check":
                print(check(ROOT, *arguments))
            case "bump":
                bump(ROOT, arguments[0], time.strftime("%Y-%m-%d", time.gmtime()))
            case "notes":
                print(notes(ROOT, arguments[0].removeprefix("v")), end="")
            case "build":
                print(*build(ROOT, Path(arguments[0]).resolve(), address(os.environ)), sep="\n")
            case "try":
                attempt(ROOT, Path(arguments[0]))
            case _:
                raise Refused(f"{command} is none of check, bump, notes, build, try")
    except (Refused, subprocess.CalledProcessError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or [""])))
