"""A target whose replicas an xDS control plane names (``xds:///``), through the client chain and mutual TLS."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.integration.mesh.control_plane import ControlPlane
from tests.integration.mesh.support import Echo, EchoStub, Note, Rig
from tocsin.clock import SystemClock

_ROOT = Path(__file__).resolve().parents[3]
_RUN = "import sys; from tests.integration.mesh.test_xds import client; client(sys.argv[1])"


def client(folder: str) -> None:
    """Another process, for gRPC reads its bootstrap once: calls until both replicas have answered, and until only the second one does."""

    async def calls() -> None:
        rig = Rig(Path(folder), SystemClock())
        rig.targets["echo_svc"] = "xds:///echo"
        mesh = rig.mesh()
        await mesh.start()
        stub = EchoStub(mesh.channel("echo_svc"))
        seen: set[str] = set()
        while seen != {"one", "two"}:
            seen.add((await stub.Greet(Note())).text)
        sys.stdout.write("both\n")
        sys.stdout.flush()
        in_a_row = 0
        while in_a_row < 50:
            in_a_row = in_a_row + 1 if (await stub.Greet(Note())).text == "two" else 0
        sys.stdout.write("moved\n")
        sys.stdout.flush()
        await rig.close()

    asyncio.run(calls())


async def test_replicas_come_from_a_control_plane(rig: Rig) -> None:
    """Calls go to those that it names, and follow when it names others; it refuses nothing of what it is told."""

    def named(text: str) -> Echo:
        async def answer(_: Any, __: Any) -> Any:
            return Note(text=text)

        return Echo(answer)

    one, two = [await rig.serve(named(text)) for text in ("one", "two")]
    plane = ControlPlane("echo", [one.address, two.address])
    await plane.start()
    server = {"server_uri": f"127.0.0.1:{plane.port}", "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}
    env = {**os.environ, "GRPC_XDS_BOOTSTRAP_CONFIG": json.dumps({"xds_servers": [server], "node": {"id": "front"}})}
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _RUN, str(rig.folder)), cwd=_ROOT, env=env, stdout=asyncio.subprocess.PIPE
    )
    assert run.stdout is not None
    try:
        async with asyncio.timeout(120):
            assert (await run.stdout.readline()).strip() == b"both", plane.refused
            plane.move([two.address])
            assert (await run.stdout.readline()).strip() == b"moved", plane.refused
            assert await run.wait() == 0
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
        await plane.stop()
    assert plane.refused == []
