"""The script of the GitHub action, as a runner calls it, tells a real stack what a job did."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml

from tocsin.testing.stack import RunningStack

pytestmark = pytest.mark.e2e

ACTION: Final = Path(__file__).parents[2] / "deploy/github-action"
RUN: Final = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "example/shop",
    "GITHUB_WORKFLOW": 'nightly "run"',
    "GITHUB_JOB": "backup",
    "GITHUB_REF_NAME": "main",
    "GITHUB_RUN_ID": "17",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_SHA": "0123456789abcdef0123456789abcdef01234567",
    "GITHUB_ACTOR": "ann",
}
Tell = Callable[..., "subprocess.CompletedProcess[str]"]


def defaults() -> dict[str, str]:
    """What the inputs are when a workflow gives none."""
    inputs = yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))["inputs"]
    return {name: each.get("default", "") for name, each in inputs.items()}


def environment(inputs: Mapping[str, str]) -> dict[str, str]:
    """The environment of the script, as the action's one step makes it of its inputs."""
    (step,) = yaml.safe_load((ACTION / "action.yml").read_text("utf-8"))["runs"]["steps"]
    return {name: inputs[text.removeprefix("${{ inputs.").removesuffix(" }}")] for name, text in step["env"].items()}


@pytest.fixture
def tell(stack: RunningStack, stranger: httpx2.AsyncClient, tmp_path: Path) -> Tell:
    """Runs the script with inputs, and variables of the run that differ; the outputs are in its standard output."""
    key = stranger.headers["authorization"].removeprefix("Bearer ")

    def run(*, code: int = 0, variables: Mapping[str, str] | None = None, **inputs: str) -> "subprocess.CompletedProcess[str]":
        given = {**defaults(), "url": str(stack.info["http"]), "api-key": key, "status": "failure"}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        output = tmp_path / "output"
        output.write_text("", "utf-8")
        env = {"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(output), **RUN, **(variables or {}), **environment(given)}
        done = subprocess.run(["bash", ACTION / "tell.sh"], env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, (done.stdout, done.stderr)
        done.stdout += output.read_text("utf-8")
        return done

    return run


async def test_a_failure_opens_and_a_success_resolves(tell: Tell, stranger: httpx2.AsyncClient) -> None:
    """One incident for one job and branch: repeated it is the same call, another run counts, another branch is another incident."""
    first = tell()
    again = tell()
    tell(variables={"GITHUB_RUN_ID": "18"})
    assert first.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    tell(variables={"GITHUB_REF_NAME": "other"})
    incidents: list[dict[str, Any]] = (await stranger.get("/v1/incidents")).json()["incidents"]
    assert [(one["labels"]["branch"], one["triggerCount"], one["state"]) for one in incidents] == [
        ("other", 1, "TRIGGERED"),
        ("main", 2, "TRIGGERED"),
    ]
    assert incidents[1]["title"] == 'nightly "run" of example/shop: failure'
    assert incidents[1]["url"] == "https://github.com/example/shop/actions/runs/17"
    tell(status="cancelled")
    assert f"name={incidents[1]['name']}" in tell(status="success").stdout
    assert "no incident is open" in tell(status="success").stdout
    left = (await stranger.get("/v1/incidents", params={"filter": 'state="TRIGGERED"'})).json()["incidents"]
    assert [one["labels"]["branch"] for one in left] == ["other"]


async def test_an_event_a_message_and_a_ping(tell: Tell, stranger: httpx2.AsyncClient) -> None:
    """Each does what it says; the ping needs no key."""
    heartbeat = {"trigger": {"heartbeat": {"every": "3600s"}}, "action": {"task": {"handler": "noop"}}}
    alarm = (await stranger.post("/v1/alarms", json=heartbeat)).json()
    event = {"trigger": {"event": {"topic": "github.*", "filter": 'data.status="failure"'}}, "action": {"task": {"handler": "noop"}}}
    by_event = (await stranger.post("/v1/alarms", json=event)).json()
    tell(kind="event", data='{"build": 7}')
    fired = (await stranger.get("/v1/firings", params={"filter": f'alarm="{by_event["name"]}"'})).json()["firings"]
    assert [one["origin"] for one in fired] == ["EVENT"]
    tell(kind="ping", key=alarm["trigger"]["heartbeat"]["key"], api_key="", status="success")
    assert (await stranger.get(f"/v1/{alarm['name']}")).json()["signal"]["status"] == "OK"
    assert (await stranger.post("/v1/recipients", json={"name": "recipients/ann"})).status_code == 200
    name = tell(kind="notification", recipients=" recipients/ann ", title="Deployed").stdout.split("name=")[1].split("\n")[0]
    assert (await stranger.get(f"/v1/{name}")).json()["subject"] == "Deployed"


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"url": "tocsin.example.org"}, "url: 'tocsin.example.org' is no http or https address"),
        ({"kind": "pigeon"}, "kind: 'pigeon' is none of"),
        ({"status": "skipped"}, "status: 'skipped' is none of"),
        ({"kind": "ping"}, "key: a ping needs"),
        ({"kind": "ping", "key": "../v1/alarms?x"}, "is no UUID"),
        ({"kind": "event", "data": "[1]"}, "data: it is no JSON object"),
        ({"kind": "event", "data": "{"}, "data: it is no JSON object"),
        ({"kind": "notification"}, "recipients: nobody is named"),
        ({"severity": "AWFUL"}, "severity"),
        ({"policy": "escalationPolicies/none"}, "There is no escalationPolicies/none"),
        ({"api_key": "tk_wrong"}, "POST /v1/incidents"),
    ],
)
def test_what_is_wrong_is_an_annotation(tell: Tell, inputs: dict[str, str], said: str) -> None:
    """The step fails with one error that GitHub shows; the key is not in it."""
    done = tell(code=1, **inputs)
    assert done.stderr.startswith("::error title=Tocsin::")
    assert said in done.stderr
    assert "tk_" not in done.stderr
