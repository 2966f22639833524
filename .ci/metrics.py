"""Writes docs/metrics.md, which names every metric, from what the five services register: `python .ci/metrics.py write`.

`python .ci/metrics.py check` fails when the page has no row for a metric, a row that differs, or a row for a metric that is gone.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

from prometheus_client import CollectorRegistry

from tocsin.clock import SystemClock
from tocsin.config import ServiceSettings
from tocsin.mesh.authority import ensure_pki
from tocsin.telemetry import component
from tocsin.telemetry.metrics import make_registry

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
LABELS = {
    "background": "the name of the work, as in the service's health and log",
    "breaker": "the breaker: a service, a method, a replica, a provider, a broker or `database`",
    "broker": "the name of a broker, as the operator gave it",
    "channel": "the channel of a delivery, such as `email`",
    "code": "the gRPC status code, such as `OK`",
    "end": "how a job, a spooled call or an operation on Redis ended; a message to a broker or of a source (docs/brokers.md)",
    "event": "the name of the security event, as in the journal",
    "from": "the state of the breaker before: `closed`, `half_open` or `open`",
    "generation": "the generation of the garbage collector",
    "grpc_method": "the full name of an RPC; `other` for one that the server does not have (gRFC A66)",
    "grpc_status": "the gRPC status code, such as `OK`",
    "grpc_target": "the URI of gRPC's target",
    "grpc_type": "`unary`, `client_stream`, `server_stream` or `bidi_stream`: a stream may last for hours",
    "handler": "the task handler; empty for other kinds of action",
    "implementation": "the interpreter",
    "kind": "of a job: the kind of its action; of a transaction: `fire` or `results`; of a security alert: its kind, such as `PII_FOUND`",
    "limit": "the rate limit: a rate class, `public` or `credentials`",
    "of": "whose limit it is: `tenant` or `address`",
    "lane": "the priority: `critical`, `normal` or `bulk`",
    "major": "the interpreter's version",
    "method": "the path of an RPC, or the HTTP method",
    "mode": "`enforced`, or `tried` for a rule that refuses nothing yet",
    "minor": "the interpreter's version",
    "outcome": "of a ledger row, such as `fired`; of a request with an Idempotency-Key: `first`, `replayed`, `in_use`, `reused`",
    "patchlevel": "the interpreter's version",
    "provider": "the provider that made the attempt, such as `smtp`",
    "reason": "why a message was not accepted; of a span: `queue_full` (too many waited), `export_failed` (its batch was not taken) or "
    "`rejected` (its batch was)",
    "result": "what came of an attempt at a provider",
    "rule": "the name of a rule of access or of a rate; `(no ALLOW rule)` where there are some, and none let the call pass",
    "route": "the route of the contract; `(none)` where none matches",
    "severity": "how bad an incident is, such as `critical`",
    "source": "the name of a source, as the operator gave it",
    "state": "the state of an alarm, a firing or a delivery",
    "status": "the HTTP status",
    "tenant": "the id of a tenant; `(others)` are those beyond the first 200 that a process saw",
    "target": "the service or far end that is called",
    "to": "the state of the breaker after",
    "version": "the interpreter's version, this build's, or that of a replica as the target names it",
    "zone": "where a replica is, as the target names it; empty where it says nothing",
    "way": "whether an attempt rode on a carrier (`carried`, of which `left`), or why not, such as `large` (docs/mesh.md)",
    "why": "`all` or `address` (too many), or `slow`",
    "what": "`taken`, or why it was not, such as `silenced`",
    "which": "`in_use` or `most`",
}
_ROW = re.compile(r"^\| `([a-z_0-9]+)` \|.*\|$", re.MULTILINE)
_HEAD = """# Metrics

Every service answers `GET /metrics` on its metrics port in Prometheus' text format (or OpenMetrics, if asked for). A counter's name ends
with `_total` on the wire; a histogram is shown as `_bucket`, `_count` and `_sum`. In OpenMetrics the durations of RPCs
have exemplars: the trace of a call that is recorded. RPCs are counted by the names that all of gRPC's languages have
([gRFC A66](https://github.com/grpc/proposal/blob/master/A66-otel-stats.md)), beside the names of before. Alerts and dashboards are in
[deploy/](../deploy/README.md). This page is written by `make gen` from what the services register; `make check` compares.
"""


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """One metric as it is registered."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    def row(self, *more: str) -> str:
        """The line of a table that describes it."""
        labels = ", ".join(f"`{label}`" for label in self.labels) or "-"
        meaning = self.meaning.removesuffix(".").replace("|", "\\|")
        return f"| {' | '.join((f'`{self.name}`', self.kind, labels, *more, meaning))} |"


# Of the process as Linux tells it; elsewhere they are not exported, and the page names them all the same.
_PROCESS = {
    Metric("process_cpu_seconds_total", "counter", (), "Total user and system CPU time spent in seconds."),
    Metric("process_max_fds", "gauge", (), "Maximum number of open file descriptors."),
    Metric("process_open_fds", "gauge", (), "Number of open file descriptors."),
    Metric("process_resident_memory_bytes", "gauge", (), "Resident memory size in bytes."),
    Metric("process_start_time_seconds", "gauge", (), "Start time of the process since unix epoch in seconds."),
    Metric("process_virtual_memory_bytes", "gauge", (), "Virtual memory size in bytes."),
}


def metrics_of(registry: CollectorRegistry) -> set[Metric]:
    """Every metric of ``registry``, whether it has a value yet or not."""
    collectors: Any = getattr(registry, "_collector_to_names")  # noqa: B009 - the library tells no labels of a metric without values
    found: set[Metric] = set()
    for collector in collectors:
        for family in collector.collect():
            labels = getattr(collector, "_labelnames", None)
            labels = getattr(family, "_labelnames", ()) if labels is None else labels
            name = f"{family.name}_total" if family.type == "counter" else family.name
            found.add(Metric(name, family.type, tuple(labels), family.documentation))
    return found


def registered() -> dict[str, set[Metric]]:
    """What each service registers when it is put together; nothing starts."""
    return asyncio.run(_registered())


async def _registered() -> dict[str, set[Metric]]:
    found: dict[str, set[Metric]] = {}
    with tempfile.TemporaryDirectory() as folder:
        state, clock = Path(folder), SystemClock()
        ensure_pki(folder=state / "pki", services=list(SERVICES), trust_domain="tocsin.local", clock=clock)
        for service in SERVICES:
            registry = make_registry()
            with mock.patch.object(component, "make_registry", lambda registry=registry: registry):
                import_module(f"{service}.wiring").build(_settings(service)(state_dir=state), clock)
            found[service] = metrics_of(registry) | _PROCESS
    return found


def _settings(service: str) -> type[ServiceSettings]:
    """The settings class of a service."""
    kinds: list[Any] = list(vars(import_module(f"{service}.config")).values())
    (found,) = [
        kind for kind in kinds if isinstance(kind, type) and kind.__module__ == f"{service}.config" and issubclass(kind, ServiceSettings)
    ]
    return found


_SERVED, _CALLED, _TRIED = (f"grpc_{name}_duration_seconds" for name in ("server_call", "client_call", "client_attempt"))
_ELSEWHERE = f"""
## You had, now

Names that exporters and instrumentations of Python services commonly have, and where the same stands here.

| you had | now |
|---|---|
| `up` | `up`; each replica of each service is a target |
| `http_requests_total` | `tocsin_gateway_http_seconds_count` by `method`, `route`, `status` |
| `http_request_duration_seconds` | `tocsin_gateway_http_seconds` |
| `http_requests_in_progress` | `tocsin_gateway_http_connections`, `tocsin_server_in_flight` of each service |
| `grpc_server_handled_total`, `grpc_server_handling_seconds` | `{_SERVED}`; at the door `tocsin_gateway_grpc_seconds` |
| `grpc_client_handled_total`, `grpc_client_handling_seconds` | `{_CALLED}`; `tocsin_client_retries_total` |
| `rpc_server_call_duration_seconds`, `rpc_server_duration_milliseconds` | `{_SERVED}` by `grpc_method`, `grpc_status` |
| `rpc_client_call_duration_seconds`, `rpc_client_duration_milliseconds` | `{_CALLED}` likewise |
| before: `tocsin_server_seconds`, which goes with the next release | `{_SERVED}` |
| before: `tocsin_client_attempt_seconds`, which goes with the next release | `{_TRIED}`; streams at their end, not at their first message |
| `circuit_breaker_state`, `circuit_breaker_failures_total` | `tocsin_breaker_state`, `tocsin_breaker_failures` |
| `apscheduler_jobs`, `scheduler_jobs_total` | `tocsin_scheduler_alarms` by `state`, `tocsin_scheduler_occurrences_total` by `outcome` |
| `scheduler_lag_seconds`, `job_delay_seconds` | `tocsin_scheduler_lateness_seconds`, `tocsin_scheduler_overdue_seconds` |
| `celery_queue_length` | `tocsin_scheduler_queue_depth` by `lane`, `tocsin_delivery_queue_depth` by `channel`, `lane` |
| `celery_tasks_total`, `celery_tasks_runtime_seconds` | `tocsin_processor_jobs_total` by `kind`, `end`, `tocsin_processor_job_seconds` |
| `celery_workers` | `tocsin_scheduler_processors` |
| `emails_sent_total`, `notifications_sent_total` | `tocsin_deliveries_total` by `channel`, `state`; `tocsin_deliveries_dead_total` |
| `smtp_send_duration_seconds` | `tocsin_provider_seconds` by `provider`, `result` |
| `db_pool_connections`, `sqlalchemy_pool_checkedout` | `tocsin_database_connections` by `which` |
| `redis_memory_used_bytes` | `tocsin_scheduler_redis_memory_bytes` |
"""


def page(found: Mapping[str, set[Metric]]) -> str:
    """The page."""
    where: dict[Metric, list[str]] = {}
    for service, metrics in found.items():
        for metric in metrics:
            where.setdefault(metric, []).append(service)
    parts = [_HEAD, "## Several services\n", "| metric | kind | labels | services | meaning |", "|---|---|---|---|---|"]
    for metric, services in sorted(where.items()):
        if len(services) > 1:
            parts.append(metric.row("all" if len(services) == len(found) else ", ".join(services)))
    for service in found:
        own = sorted(metric for metric, services in where.items() if services == [service])
        parts += [f"\n## {service}\n", "| metric | kind | labels | meaning |", "|---|---|---|---|", *(metric.row() for metric in own)]
    parts += [
        "\n## Labels\n",
        "| label | meaning |",
        "|---|---|",
        *(f"| `{label}` | {meaning} |" for label, meaning in sorted(LABELS.items())),
    ]
    return "\n".join(parts) + "\n" + _ELSEWHERE


def problems(text: str, found: Mapping[str, set[Metric]]) -> Iterator[str]:
    """What the page ``text`` says otherwise than the registrations in ``found``, one line a finding."""
    expected = page(found)
    wanted, rows = ({match[1]: match[0] for match in _ROW.finditer(each)} for each in (expected, text))
    yield from (f"{name}: no row" for name in wanted if name not in rows)
    yield from (f"{name}: nothing of that name is registered" for name in rows if name not in wanted)
    yield from (f"{name}: the row says otherwise than the code" for name, row in rows.items() if wanted.get(name, row) != row)
    used = {label for metrics in found.values() for metric in metrics for label in metric.labels}
    yield from (f"label {label}: no meaning in .ci/metrics.py" for label in sorted(used - set(LABELS)))
    yield from (f"label {label}: no metric has it" for label in sorted(set(LABELS) - used))
    if text != expected and list(rows.items()) == list(wanted.items()):
        yield "the text differs"


def main(command: str) -> int:
    """Runs ``command``; returns the exit code."""
    found = registered()
    if command == "write":
        PAGE.write_text(page(found), "utf-8")
        return 0
    stale = list(problems(PAGE.read_text("utf-8") if PAGE.exists() else "", found))
    for finding in stale:
        print(f"docs/metrics.md: {finding} (run `make gen`)", file=sys.stderr)
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "check"))
