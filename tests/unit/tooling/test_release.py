"""What a release is made by: one version everywhere, notes from the changelog, and a source distribution that makes the same wheel."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.tooling.scripts import ROOT, script

release = script("release.py")
WORKFLOW = ROOT / ".github/workflows/release.yml"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The places that name a version, and a short changelog."""
    for place in release.PLACES:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / place, tmp_path / place)
    text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A bell.\n\n## [0.0.1] - 2026-01-01\n\n- The first.\n"
    (tmp_path / "CHANGELOG.md").write_text(text, "utf-8")
    return tmp_path


def test_every_place_names_one_version() -> None:
    """That of the distributions, of the chart and of the examples."""
    release.check(ROOT)


def test_a_bump_is_everywhere(tree: Path) -> None:
    """What was unreleased becomes its section; the next one begins empty, and there is nothing to release then."""
    release.bump(tree, "9.8.7", "2026-12-01")
    assert {version for found in release.versions(tree).values() for version in found} == {"9.8.7"}
    assert release.check(tree, "v9.8.7") == "9.8.7"
    assert release.notes(tree, "9.8.7") == "### Added\n\n- A bell.\n"
    assert release.notes(tree, "0.0.1") == "- The first.\n"
    with pytest.raises(release.Refused, match="no section \\[Unreleased\\], or an empty one"):
        release.bump(tree, "9.8.8", "2026-12-02")


@pytest.mark.parametrize(("tag", "said"), [("v9.9.9", "is not v"), ("0.1.0", "is not v"), ("", "")])
def test_a_tag_that_is_not_the_version_is_refused(tree: Path, tag: str, said: str) -> None:
    """So is one without notes."""
    version = release.version(tree)
    if said:
        with pytest.raises(release.Refused, match=said):
            release.check(tree, tag)
    with pytest.raises(release.Refused, match=f"no section \\[{version}\\]"):
        release.check(tree, f"v{version}")


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3-rc.1", "1.2.3 ", ""])
def test_what_is_no_version_is_refused(tree: Path, version: str) -> None:
    """Before anything is written."""
    with pytest.raises(release.Refused, match="is no version"):
        release.bump(tree, version, "2026-12-01")


def test_versions_that_differ_are_named(tree: Path) -> None:
    """With their places."""
    (tree / "client/src/tocsin_client/version.py").write_text('__version__ = "5.0.0"\n', "utf-8")
    with pytest.raises(release.Refused, match=r"client/src/tocsin_client/version.py: 5\.0\.0"):
        release.version(tree)


@pytest.mark.parametrize("project", [".", "mesh", "client"])
def test_the_source_makes_the_same_wheel(project: str, tmp_path: Path) -> None:
    """Of the same files, with the license, and without what nobody installs."""
    build = [sys.executable, "-m", "hatchling", "build", "--directory"]
    subprocess.run([*build, tmp_path], cwd=ROOT / project, check=True, capture_output=True)
    ((source),) = tmp_path.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (unpacked,) = (tmp_path / "source").iterdir()
    assert not {"tests", "docs", "var", "bench"} & {path.name for path in unpacked.iterdir()}
    subprocess.run([*build, tmp_path / "again", "--target", "wheel"], cwd=unpacked, check=True, capture_output=True)
    (wheel,), (again,) = tmp_path.glob("*.whl"), (tmp_path / "again").glob("*.whl")
    files = [{each.filename: each.CRC for each in zipfile.ZipFile(path).infolist()} for path in (wheel, again)]
    assert files[0] == files[1]
    assert [name for name in files[0] if name.endswith("licenses/LICENSE")]


@pytest.mark.parametrize("project", release.PROJECTS)
def test_links_of_a_readme_lead_to_the_repository(project: str) -> None:
    """An index of packages shows the page alone. What they lead to is there; pictures are themselves, not pages about them."""
    page = (ROOT / project / "README.md").read_text("utf-8")
    base = "https://forge.example/o/r"
    shown = release.absolute(page, folder=project, base=base, tag="v1.2.3")
    targets = re.findall(r"(!?)\[[^\]]*\]\(([^)\s]+)\)", shown)
    assert [target for _, target in targets if not re.match(r"https?://|#", target)] == []
    for picture, target in targets:
        if target.startswith(base):
            kind, tag, path = target.removeprefix(f"{base}/").split("/", 2)
            assert (kind, tag) == ("raw" if picture else "blob", "v1.2.3")
            assert (ROOT / path.partition("#")[0]).exists(), path


@pytest.mark.parametrize(
    ("folder", "link", "shown"),
    [
        ("client", "[Tocsin](../README.md)", "[Tocsin](b/blob/v1/README.md)"),
        (".", "[a](docs/x.md#part)", "[a](b/blob/v1/docs/x.md#part)"),
        (".", "![a b](docs/x.png)", "![a b](b/raw/v1/docs/x.png)"),
        (".", "[a](#part) [b](https://x.example/y) [c](mailto:a@b.example)", "[a](#part) [b](https://x.example/y) [c](mailto:a@b.example)"),
    ],
)
def test_a_link_becomes_absolute(folder: str, link: str, shown: str) -> None:
    """From where its page lies; what leads elsewhere, or within the page, stays."""
    assert release.absolute(link, folder=folder, base="b", tag="v1") == shown


def test_the_address_is_that_of_the_workflow() -> None:
    """Nobody else knows one, and links stay as they are."""
    assert release.address({"GITHUB_SERVER_URL": "https://forge.example", "GITHUB_REPOSITORY": "o/r"}) == "https://forge.example/o/r"
    assert release.address({}) == ""


def jobs() -> dict[str, Any]:
    """The jobs of the workflow of releases."""
    return yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]


def test_nothing_is_published_before_it_was_tried() -> None:
    """Who may write waits, by whatever way, for the tests and for each Python; everybody else may only read."""

    def before(name: str) -> set[str]:
        needs = set(jobs()[name].get("needs", ()))
        return needs.union(*map(before, needs))

    writing = {name for name, job in jobs().items() if "write" in job["permissions"].values()}
    assert writing == {"provenance", "image", "pypi", "github"}
    assert all({"build", "try"} <= before(name) for name in writing)
    assert {"provenance", "image"} <= before("pypi")
    assert jobs()["try"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert jobs()["pypi"]["environment"]["name"] == "pypi"


def test_releases_paste_nothing_into_a_shell() -> None:
    """Values come by the environment."""
    assert not [step for job in jobs().values() for step in job["steps"] if "${{" in step.get("run", "")]
