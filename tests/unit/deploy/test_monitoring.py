"""Dashboards and alerts ask for metrics that exist: a name that nobody exports would show an empty panel, and never alert."""

import ast
import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from deploy.dashboards import __main__ as dashboards
from tocsin.mesh.rpc_metrics import RpcCollector

ROOT = Path(__file__).resolve().parents[3]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
PACKAGES = ("tocsin", "gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
NAME = re.compile(r"\b((?:tocsin|process|python|grpc_(?:client|server))_[a-z_0-9]+)\b")
OF_THE_PROCESS = {
    *(f"process_{name}" for name in ("resident_memory_bytes", "cpu_seconds_total", "start_time_seconds", "open_fds")),
    "python_gc_collections_total",
}
COUNTERS = {"Counter", "CountCollector", "CountsCollector", "TenantCounter"}
HISTOGRAMS = {"Histogram", "Distribution", "RpcCollector"}


@functools.cache
def exported() -> frozenset[str]:
    """The names of all samples that the code exports."""
    names = OF_THE_PROCESS | of_grpc()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if "tocsin_" not in (source := path.read_text("utf-8")):
                continue
            for node in ast.walk(ast.parse(source)):
                match node:
                    case ast.Call(func=ast.Name(id=kind) | ast.Attribute(attr=kind), args=[ast.Constant(value=str(name)), *_]):
                        names |= samples(kind, name) if name.startswith("tocsin_") else set()
                    case _:
                        pass
    return frozenset(names)


def samples(kind: str, name: str) -> set[str]:
    """What a metric of a kind is called on the wire."""
    if kind in COUNTERS:
        return {f"{name}_total"}
    if kind in HISTOGRAMS:
        return {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return {name}


def of_grpc() -> set[str]:
    """The names of gRFC A66, which are put together of a side and a unit."""
    found: set[str] = set()
    for side in ("client", "server"):
        registry = CollectorRegistry()
        for family in RpcCollector("old", "Old.", side=side, registry=registry).collect():
            found |= samples({"counter": "Counter", "histogram": "Histogram"}[family.type], family.name)
    return {name for name in found if name.startswith("grpc_")}


LEAVE = ("tocsin_server_seconds", "tocsin_client_attempt_seconds")
"""Names of before, which the next release does not have."""


def expressions(dashboard: Path) -> list[str]:
    """Every query of a dashboard."""
    panels: list[dict[str, Any]] = json.loads(dashboard.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_the_dashboards_are_those_of_the_tables() -> None:
    """Nobody edits what is generated; each question has its page, and is listed where Kubernetes looks for it."""
    assert dashboards.main("check") == 0
    assert [path.stem for path in DASHBOARDS] == ["database", "delivery", "mesh", "overview", "performance", "redis", "scheduler"]
    listed = yaml.safe_load((ROOT / "deploy/grafana/kustomization.yaml").read_text("utf-8"))["configMapGenerator"]
    assert sorted(each["files"] for each in listed) == [[path.name] for path in DASHBOARDS]


def test_a_stale_dashboard_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was edited, and one that no table makes."""
    monkeypatch.setattr(dashboards, "FOLDER", tmp_path)
    assert dashboards.main("write") == 0
    assert dashboards.main("check") == 0
    (tmp_path / "more.json").write_text("{}")
    assert dashboards.main("check") == 1


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_are_narrowed_and_keep_to_the_interval(path: Path) -> None:
    """Every query is one of the chosen instances, and no rate has a window of its own: it would be empty when scrapes are rare."""
    for expression in expressions(path):
        assert expression.count('instance=~"$instance"') >= len(
            re.findall(r"\b(?:tocsin|process|python|grpc_(?:client|server))_\w+|\bup\b", expression)
        )
        assert set(re.findall(r"\[(.+?)\]", expression)) <= {"$__rate_interval"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_ask_for_what_is_exported(path: Path) -> None:
    """Every metric of every query is one that the code exports, in the form that its kind has."""
    asked = {name for expression in expressions(path) for name in NAME.findall(expression)}
    assert asked
    assert asked - exported() == set()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alerts_ask_for_what_is_exported(rule: dict[str, Any]) -> None:
    """An alert on a name that is not exported never fires; each says in words what is wrong."""
    asked = set(NAME.findall(rule["expr"]))
    assert asked or "up{" in rule["expr"]
    assert asked - exported() == set()
    assert rule["annotations"]["summary"].endswith(".")


def test_nothing_asks_for_a_name_that_goes() -> None:
    """Alerts and dashboards use gRPC's names of calls, so that the release without the old ones changes nothing in them."""
    asked = [rule["expr"] for rule in rules()] + [expression for path in DASHBOARDS for expression in expressions(path)]
    assert not [query for query in asked if any(name in query for name in LEAVE)]
    assert {f"{name}_count" for name in LEAVE} <= exported()


def test_the_oldest_overdue_has_an_alert() -> None:
    """A due time that nobody lets go is the one thing that must wake somebody."""
    assert any("tocsin_scheduler_overdue_seconds" in rule["expr"] for rule in rules())


def test_the_names_of_compose_are_scraped() -> None:
    """Each service of compose.yaml is found by its name in the network, at its metrics port."""
    scraped = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yaml").read_text("utf-8"))["scrape_configs"]
    compose = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    for job in scraped:
        (found,) = job["dns_sd_configs"]
        assert f"{found['names'][0]}:" in compose or f"[{found['names'][0]}" in compose or f"- {found['names'][0]}" in compose
    assert [job["dns_sd_configs"][0]["port"] for job in scraped] == [9100, 9101, 9102, 9103, 9104]
