"""`tocsin-client` as its users have it: the built wheel and nothing else beside its one dependency, against a real stack.

Every example of its README runs there, and the same methods are called from here, typed.
"""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.e2e.conftest import RunningStack
from tocsin_client import AsyncClient, Client, errors

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```python\n(.*?)```", Path(ROOT, "client/README.md").read_text("utf-8"), re.DOTALL)


def needed(requirements: list[str], found: dict[str, metadata.Distribution]) -> dict[str, metadata.Distribution]:
    """The distributions that these requirements bring, with what they need themselves."""
    for requirement in map(Requirement, requirements):
        if requirement.name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[requirement.name] = metadata.distribution(requirement.name)
            needed(found[requirement.name].requires or [], found)
    return found


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel and what its metadata asks for; nothing is fetched."""
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(ROOT / "client", folder / "source", ignore=shutil.ignore_patterns("__pycache__", "dist"))
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    subprocess.run(build, cwd=folder / "source", check=True, capture_output=True, text=True)
    (wheel,) = (folder / "dist").glob("tocsin_client-*-py3-none-any.whl")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True, capture_output=True)
    (site,) = (folder / "env/lib").glob("python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        assert {"tocsin_client/py.typed", "tocsin_client/client.py", "tocsin_client/models.py"} <= set(archive.namelist())
        archive.extractall(site)
    (info,) = site.glob("tocsin_client-*.dist-info")
    asked = metadata.Distribution.at(info).requires or []
    assert [Requirement(each).name for each in asked] == ["httpx2"]
    for distribution in needed(asked, {}).values():
        for file in distribution.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = site / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(str(distribution.locate_file(file)), target)
    return folder / "env/bin/python"


def test_there_are_examples() -> None:
    """What follows would pass without one."""
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_of_the_readme_runs(stack: RunningStack, environment: Path, tmp_path: Path, number: int) -> None:
    """As it stands there, with warnings as errors, in an environment that has nothing else."""
    script = tmp_path / "example.py"
    script.write_text(EXAMPLES[number], "utf-8")
    told = {"TOCSIN_CLIENT_URL": stack.info["http"], "TOCSIN_CLIENT_API_KEY": stack.api_key, "PATH": os.environ["PATH"]}
    done = subprocess.run([environment, "-I", "-W", "error", script], env=told, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


async def test_what_the_gateway_says_is_what_the_models_read(stack: RunningStack) -> None:
    """A resource of each service, made, read, listed, changed and deleted; errors by their class."""
    with Client(stack.info["http"], stack.api_key) as client:
        assert client.health()["status"] == "healthy"
        recipient = client.create_recipient({"name": "recipients/client-zoe", "displayName": "Zoë"})
        assert client.update_recipient(recipient.replace(display_name="Zoe")).display_name == "Zoe"
        assert client.get_recipient(recipient.name).display_name == "Zoe"
        assert [each.name for each in client.list_recipients(page_size=1) if each.name == recipient.name] == [recipient.name]
        client.delete_recipient(recipient.name)
        with pytest.raises(errors.NotFound) as gone:
            client.get_recipient(recipient.name)
        assert gone.value.trace_id
    with Client(stack.info["http"], "tk_none") as client, pytest.raises(errors.Unauthenticated):
        client.list_alarms().page()
    async with AsyncClient(stack.info["http"], stack.api_key) as client:
        assert (await client.set_record("client-1", value="x")).value == "x"
        assert (await client.get_record("client-1")).value == "x"
        await client.delete_record("client-1")
        keys = [key async for key in client.list_api_keys()]
        assert keys
        assert keys[0].create_time is not None
