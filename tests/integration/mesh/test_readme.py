"""mesh/README.md, done to the letter: its contract, its server, its client, and its line for the compiler."""

import asyncio
import os
import re
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

PYTHON = os.environ.get("MESH_PYTHON", sys.executable)
"""What it runs by; `make mesh-check` has one with tocsin-mesh alone."""
PAGE = (Path(__file__).parents[3] / "mesh/README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the page says, in files; the server takes any free port."""
    (contract,) = [text for kind, text in BLOCK.findall(PAGE) if kind == "proto"]
    server, client = [text for kind, text in BLOCK.findall(PAGE) if kind == "python"]
    (tmp_path / "hello.proto").write_text(contract)
    (tmp_path / "client.py").write_text(client)
    for written, run in (
        ("await process.serve(", "server = await process.serve("),
        ("port=50051", "port=0"),
        ("        await process.wait()", "        print(server.address, flush=True)\n        await process.wait()"),
    ):
        assert written in server
        server = server.replace(written, run)
    (tmp_path / "server.py").write_text(server)
    return tmp_path


async def test_its_server_answers_its_client(folder: Path) -> None:
    """In processes of their own; SIGTERM ends the server well."""
    server = await asyncio.create_subprocess_exec(PYTHON, "server.py", cwd=folder, stdout=PIPE)
    try:
        assert server.stdout is not None
        address = (await server.stdout.readline()).decode().strip()
        (folder / "client.py").write_text((folder / "client.py").read_text().replace("127.0.0.1:50051", address))
        client = await asyncio.create_subprocess_exec(PYTHON, "client.py", cwd=folder, stdout=PIPE)
        said, _ = await client.communicate()
        assert (client.returncode, said.decode().strip()) == (0, "Hello Ann.")
        server.terminate()
        assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


def test_a_compiler_finds_the_policy(folder: Path) -> None:
    """By the folder that packages are installed to, and what it writes can be imported."""
    (line,) = [text for _, text in BLOCK.findall(PAGE) if "grpc_tools.protoc" in text]
    where = "import tocsin, pathlib; print(pathlib.Path(tocsin.__file__).parents[1])" if sys.executable == PYTHON else ""
    installed = re.sub(r"import sysconfig; print\(.*?\)\)", where, line) if where else line  # an editable install lies elsewhere
    env = {**os.environ, "PATH": f"{Path(PYTHON).parent}:{os.environ['PATH']}"}
    subprocess.run(["bash", "-euc", installed], cwd=folder, env=env, check=True, timeout=120)
    look = "import hello_pb2 as h; print(h.DESCRIPTOR.services_by_name['Hello'].methods_by_name['Say'].GetOptions())"
    done = subprocess.run([PYTHON, "-c", look], cwd=folder, capture_output=True, text=True, check=True, timeout=120)
    assert "consecutive_failures: 3" in done.stdout
