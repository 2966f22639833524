"""deploy/pod.yaml, played by podman: the five services become healthy, an alarm becomes a mail, and they leave in time."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tocsin.testing.process import free_port
from tocsin.testing.waiting import eventually

pytestmark = [pytest.mark.operate, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "localhost/tocsin:local"
INSTALL = "apt-get install --yes --no-install-recommends podman buildah runc netavark aardvark-dns catatonit iptables"
BUILD = f"buildah build --isolation chroot --format docker --file deploy/Dockerfile --tag {IMAGE} ."
GRACE_SECONDS = 30


def podman(*arguments: str, check: bool = True) -> str:
    """Runs podman; what it says."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


class Pod:
    """The pod with a name, ports and volumes of its own."""

    def __init__(self, folder: Path) -> None:
        self.name = f"tocsin-{os.getpid()}"
        self.port = free_port()
        text = (ROOT / "deploy/pod.yaml").read_text("utf-8")
        text = text.replace("  name: tocsin\n", f"  name: {self.name}\n").replace("claimName: tocsin-", f"claimName: {self.name}-")
        text = text.replace("hostPort: 8000", f"hostPort: {self.port}").replace(
            "        - {containerPort: 8001, hostPort: 8001, hostIP: 127.0.0.1}\n", ""
        )
        self.file = folder / "pod.yaml"
        self.file.write_text(text, "utf-8")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self) -> str:
        """The development key of the first start."""
        return podman("exec", f"{self.name}-auth", "cat", "dev-api-key")

    def play(self) -> None:
        podman("play", "kube", str(self.file))

    def stop(self) -> None:
        """Stops and removes it; its volumes stay."""
        podman("play", "kube", "--down", str(self.file))

    def remove(self) -> None:
        """Removes all of it."""
        podman("pod", "rm", "--force", "--time=0", self.name, check=False)
        for volume in podman("volume", "ls", "--quiet").splitlines():
            if volume.startswith(f"{self.name}-"):
                podman("volume", "rm", volume)


@pytest.fixture
def pod(tmp_path: Path) -> Generator[Pod]:
    """A pod that is not played yet."""
    if shutil.which("podman") is None:
        pytest.fail(f"there is no podman; install one: {INSTALL}")
    if not podman("images", "--quiet", IMAGE):
        pytest.fail(f"there is no image {IMAGE}; build it: {BUILD}")
    made = Pod(tmp_path)
    try:
        yield made
    finally:
        made.remove()


async def test_the_pod_lives_rings_and_goes(pod: Pod) -> None:
    """Health, an alarm to its mail, a stop within the grace that loses nothing, and no container as root or with another's key."""
    pod.play()
    async with httpx2.AsyncClient(base_url=pod.url, trust_env=False) as client:

        async def healthy() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                services = (await client.get("/health")).json()["services"]
                return {name for name, one in services.items() if one["status"] != "unavailable"} == {
                    "auth",
                    "scheduler",
                    "processor",
                    "mailer",
                }
            return False

        await eventually(healthy, seconds=120, what="five services that answer")
        client.headers["Authorization"] = f"Bearer {pod.key}"
        alarm = {
            "displayName": "pod",
            "trigger": {"daily": {"time": "14:30:00"}},
            "action": {"notify": {"to": ["a@example.com"], "subject": "s", "text": "t"}},
        }
        made = await client.post("/v1/alarms", json=alarm)
        assert made.status_code == 200, made.text
        name = made.json()["name"]
        assert (await client.post(f"/v1/{name}:fire", json={})).status_code == 200

        async def sent() -> bool:
            found: list[dict[str, Any]] = (await client.get("/v1/deliveries")).json()["deliveries"]
            return [each["state"] for each in found] in (["SENT"], ["DELIVERED"])

        await eventually(sent, seconds=60, what="a mail that was sent")
        for service in ("gateway", "auth", "scheduler", "processor", "mailer"):
            container = f"{pod.name}-{service}"
            assert podman("exec", container, "id", "-u") == "10001"
            assert len(re.findall(r"-key\.pem", podman("exec", container, "find", "pki"))) == 1
            podman("healthcheck", "run", container)
        before = pod.key
        pod.stop()
        pod.play()
        await eventually(healthy, seconds=120, what="the same five services")
        assert pod.key == before
        assert (await client.get(f"/v1/{name}")).json()["displayName"] == "pod"
