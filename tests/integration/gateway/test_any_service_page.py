"""The example of docs/any-service.md, as somebody would paste it."""

import asyncio
import re
import shlex
import sys
from pathlib import Path

import pytest

from gateway.config import GatewaySettings
from tests.integration.gateway.support import Rig
from tocsin.clock import SystemClock
from tocsin.config import load

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "any-service.md").read_text("utf-8")
EXAMPLE = ROOT / "examples" / "any_service"


@pytest.mark.parametrize(("language", "file"), [("proto", "greeter.proto"), ("yaml", "policies.yaml")])
def test_the_page_shows_the_files_of_the_example(language: str, file: str) -> None:
    """What is pasted from the page is what stands in the folder."""
    pasted = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert pasted is not None
    assert pasted[1] == (EXAMPLE / file).read_text("utf-8")


async def test_the_example_works(tmp_path: Path) -> None:
    """The commands of the page compile the contract, start the service, and the gateway serves it by the settings of the page."""
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    script = re.search(r"```sh\npip install [^\n]*\n(.*?)\npython greeter\.py", PAGE, re.DOTALL)
    exports = re.findall(r"(TOCSIN_[A-Z_]+)=(\S+)", PAGE.partition("export ")[2].partition("```")[0])
    assert script is not None
    command = script[1].replace("python ", f"{shlex.quote(sys.executable)} ")
    compiler = await asyncio.create_subprocess_exec("bash", "-euc", command, cwd=tmp_path)
    assert await compiler.wait() == 0
    rig = Rig(folder=tmp_path / "state", clock=SystemClock())
    address = f"unix:{tmp_path}/greeter.sock"
    service = await asyncio.create_subprocess_exec(sys.executable, "greeter.py", address, cwd=tmp_path)
    try:
        env = {name: value.replace("127.0.0.1:50051", address) for name, value in exports if name.startswith("TOCSIN_GATEWAY_")}
        settings = load(GatewaySettings, env)
        assert settings.policies is not None
        contracts = tuple(f"{tmp_path}/{text}" for text in settings.contracts)
        await rig.start(contracts=contracts, policies=tmp_path / settings.policies)
        async with rig.client(rig.token("greetings:read")) as client:
            answer = await client.get("/v1/greetings/Ann")
            while answer.status_code == 503:  # until the service listens
                await asyncio.sleep(0.1)
                answer = await client.get("/v1/greetings/Ann")
        assert answer.json()["text"].startswith("Hello Ann, says ")
        assert "nobody" not in answer.text
    finally:
        await rig.stop()
        service.terminate()
        await service.wait()
