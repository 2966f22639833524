"""Every alert by `promtool test rules`: when it rings, and when it is over. Series end as those of dead processes do."""

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import yaml

pytestmark = pytest.mark.operate

RULES: Final = Path(__file__).resolve().parents[2] / "deploy/prometheus/alerts.yaml"
INSTALL: Final = "apt-get install --yes --no-install-recommends prometheus"
SERVICES: Final = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
HTTP: Final = "tocsin_gateway_http_seconds_count"
GRPC: Final = "tocsin_gateway_grpc_seconds_count"
POOL: Final = "tocsin_database_connections"
DISK: Final = "tocsin_state_disk"
EXPIRY: Final = 'tocsin_certificate_expiry_timestamp_seconds{job="gateway"}'
BUDGET: Final = 'tocsin_client_retry_budget{job="gateway",target="mailer_svc"}'
GET_TEMPLATE: Final = "tocsin.api.mailer.v1.TemplateService/GetTemplate"
ATTEMPTS: Final = f'grpc_client_attempt_duration_seconds_count{{job="gateway",grpc_target="dns:///m:1",grpc_method="{GET_TEMPLATE}"'
BACKUP: Final = 'tocsin_backup_last_success_timestamp_seconds{job="auth_svc"}'
CRON_JOB: Final = 'kube_cronjob_status_last_successful_time{cronjob="tocsin-backup"}'
HEALTHY: Final = {
    **{f'up{{job="{job}",instance="{job}:1"}}': "1x400" for job in SERVICES},
    'tocsin_scheduler_shards_owned{job="scheduler_svc",instance="scheduler_svc:1"}': "256x400",
    'tocsin_scheduler_processors{job="scheduler_svc",instance="scheduler_svc:1"}': "2x400",
    'tocsin_scheduler_attempts_total{state="dead"}': "0x400",
    'tocsin_deliveries_dead_total{channel="email"}': "0x400",
    f'{HTTP}{{status="200"}}': "0+60x400",
    BACKUP: "1x400",
}
"""A stack that is well, and was backed up: a sample every 30 s, of which `AxN` are N + 1."""
HOUR: Final = 60


@dataclass(frozen=True, slots=True)
class Course:
    """What happens, and which alerts ring at which minute.

    Attributes:
        name: of the case.
        series: instead of, or beside, those of a healthy stack; "" takes one away.
        rings: names of all alerts that ring, by the minute.
        days: whether it goes on for days: a sample every 5 minutes.
    """

    name: str
    series: Mapping[str, str]
    rings: Mapping[int, set[str]]
    days: bool = False


def of(job: str, name: str) -> str:
    """A series of the one replica of a service."""
    return f'{name}{{job="{job}",instance="{job}:1"}}'


COURSES: Final = (
    Course("well", {}, {5: set(), 60: set()}),
    Course(
        "a scheduler that freezes, and is well again",
        {
            of("scheduler_svc", "up"): "1x9 0x19 1x300",
            of("scheduler_svc", "tocsin_scheduler_shards_owned"): "256x9 stale _x18 256x300",
            of("scheduler_svc", "tocsin_scheduler_processors"): "2x9 stale _x18 2x300",
        },
        {4: set(), 9: {"TocsinServiceAway", "TocsinTargetDown", "TocsinShardsFree", "TocsinNoProcessor"}, 25: set()},
    ),
    Course("a service that was never there", {of("mailer_svc", "up"): ""}, {5: {"TocsinServiceAway"}}),
    Course(
        "one replica of two away",
        {'up{job="mailer_svc",instance="mailer_svc:2"}': "1x9 0x19 1x300"},
        {4: set(), 9: {"TocsinTargetDown"}, 25: set()},
    ),
    Course(
        "a process that starts again and again",
        {of("processor_svc", "process_start_time_seconds"): "5x3 65x3 125x3 185x300"},
        {3: set(), 8: {"TocsinRestartLoop"}, 40: set()},
    ),
    Course("a process that was restarted once", {of("processor_svc", "process_start_time_seconds"): "5x9 300x300"}, {8: set()}),
    Course(
        "a due time that nobody lets go",
        {"tocsin_scheduler_overdue_seconds": "0x9 60x9 0x300"},
        {4: set(), 8: {"TocsinOverdue"}, 15: set()},
    ),
    Course(
        "late firings",
        {
            'tocsin_scheduler_lateness_seconds_bucket{le="1"}': "0+1x400",
            'tocsin_scheduler_lateness_seconds_bucket{le="5"}': "0+60x400",
            'tocsin_scheduler_lateness_seconds_bucket{le="+Inf"}': "0+60x400",
        },
        {12: {"TocsinLate"}},
    ),
    Course(
        "the first firing that failed for good",
        {'tocsin_scheduler_attempts_total{state="dead"}': "0x9 1x300"},
        {4: set(), 8: {"TocsinFiringsDead"}, 40: set()},
    ),
    Course(
        "the first message that failed for good",
        {'tocsin_deliveries_dead_total{channel="email"}': "0x9 1x300"},
        {4: set(), 8: {"TocsinDeliveriesDead"}, 40: set()},
    ),
    Course(
        "an archive that cannot be written, and can again",
        {of("scheduler_svc", "tocsin_scheduler_archive_failing"): "0x9 1x50 0x300"},
        {10: set(), 25: {"TocsinArchiveFails"}, 40: set()},
    ),
    Course(
        "an archive of deliveries that cannot be written, and can again",
        {of("mailer_svc", "tocsin_mailer_archive_failing"): "0x9 1x50 0x300"},
        {10: set(), 25: {"TocsinArchiveFails"}, 40: set()},
    ),
    Course("a clock that is off", {"tocsin_clock_offset_seconds": "-5x19 0x300"}, {8: {"TocsinClockOff"}, 15: set()}),
    Course(
        "requests that fail by our fault",
        {f'{HTTP}{{status="503"}}': "0x19 6+6x30 186x300"},
        {9: set(), 20: {"TocsinErrors"}, 80: set()},
    ),
    Course(
        "one request of ten thousand that fails",
        {f'{HTTP}{{status="200"}}': "0+6000x400", f'{HTTP}{{status="503"}}': "0+0.6x400"},
        {60: set()},
    ),
    Course(
        "calls at the gRPC door that fail",
        {f'{GRPC}{{code="OK"}}': "0+60x400", f'{GRPC}{{code="UNAVAILABLE"}}': "0+6x40 240x300"},
        {15: {"TocsinGrpcErrors"}, 40: set()},
    ),
    Course(
        "calls that wait, and are let go",
        {"tocsin_gateway_spool_oldest_seconds": "0x9 400x9 0x300"},
        {4: set(), 8: {"TocsinSpoolStuck"}, 15: set()},
    ),
    Course("a spool that fills", {"tocsin_gateway_spool_depth": "0x9 30000x9 0x300"}, {8: {"TocsinSpoolFills"}, 15: set()}),
    Course("limits without Redis", {"tocsin_gateway_rate_limits_local": "1x30 0x300"}, {12: {"TocsinCountsAlone"}, 20: set()}),
    Course(
        "deliveries that are refused",
        {'tocsin_deliveries_refused_total{reason="A"}': "0+1x60 61x300"},
        {20: {"TocsinDeliveriesRefused"}, 60: set()},
    ),
    Course(
        "a circuit that stays open", {'tocsin_breaker_state{job="gateway",target="a"}': "2x19 0x300"}, {8: {"TocsinBreakerOpen"}, 12: set()}
    ),
    Course(
        "retries that are spent while calls fail",
        {BUDGET: "900x400", f'{ATTEMPTS},grpc_status="UNAVAILABLE"}}': "0+10x400"},
        {8: {"TocsinRetriesSpent"}},
    ),
    Course(
        "retries that were spent on what nobody calls now",
        {BUDGET: "900x400", f'{ATTEMPTS},grpc_status="UNAVAILABLE"}}': "50x400"},
        {8: set()},
    ),
    Course(
        "retries that were spent on what works again, or is given up by its callers",
        {BUDGET: "900x400", f'{ATTEMPTS},grpc_status="OK"}}': "0+10x400", f'{ATTEMPTS},grpc_status="CANCELLED"}}': "0+10x400"},
        {8: set()},
    ),
    Course(
        "retries that are spent on one service while another fails",
        {BUDGET: "900x400", f'{ATTEMPTS.replace("mailer", "auth")},grpc_status="UNAVAILABLE"}}': "0+10x400"},
        {8: set()},
    ),
    Course(
        "a collector that is away for half an hour",
        {'tocsin_spans_dropped_total{job="gateway",reason="export_failed"}': "0x19 5+5x60 300x300"},
        {20: set(), 32: {"TocsinSpansDropped"}, 80: set()},
    ),
    Course(
        "a collector that was away for a moment", {'tocsin_spans_dropped_total{reason="queue_full"}': "0x19 5x300"}, {20: set(), 40: set()}
    ),
    Course(
        "a pool without a free connection",
        {
            f'{POOL}{{job="auth_svc",instance="a",which="in_use"}}': "10x19 3x300",
            f'{POOL}{{job="auth_svc",instance="a",which="most"}}': "10x400",
        },
        {5: {"TocsinPoolExhausted"}, 12: set()},
    ),
    Course(
        "work that fails again and again",
        {'tocsin_background_failures_total{job="auth_svc",background="b"}': "0x9 1+1x9 10x300"},
        {4: set(), 9: {"TocsinBackgroundFailing"}, 30: set()},
    ),
    Course("a loop that stood", {'tocsin_loop_lag_seconds{job="auth_svc"}': "0x9 2 0x300"}, {4: set(), 7: {"TocsinLoopStands"}, 15: set()}),
    Course(
        "a certificate that ends in a week, and is renewed", {EXPIRY: "604800x60 9000000x300"}, {15: {"TocsinCertificateEnds"}, 35: set()}
    ),
    Course("a certificate that cannot be read", {EXPIRY: " ".join(["NaN"] * 60)}, {15: set()}),
    Course(
        "a disk that fills, and is emptied",
        {f'{DISK}_free_bytes{{job="auth_svc"}}': "5x19 50x300", f'{DISK}_size_bytes{{job="auth_svc"}}': "100x400"},
        {8: {"TocsinDiskFills"}, 15: set()},
    ),
    Course(
        "a backup that fails from the second night on, and is mended",
        {BACKUP: "1x599 180000x200"},
        {47 * HOUR: set(), 49 * HOUR: {"TocsinBackupOld"}, 51 * HOUR: set()},
        days=True,
    ),
    Course("an installation that nobody backs up", {BACKUP: "0x800"}, {23 * HOUR: set(), 25 * HOUR: {"TocsinNoBackup"}}, days=True),
    Course(
        "a backup of which nobody tells any more",
        {BACKUP: "1x24 stale"},
        {23 * HOUR: set(), 27 * HOUR: {"TocsinNoBackup"}},
        days=True,
    ),
    Course(
        "services that are all started anew after a backup",
        {BACKUP: "1x24 stale _x2 1x800"},
        {3 * HOUR: set(), 25 * HOUR: set()},
        days=True,
    ),
    Course(
        "a cluster whose CronJob fails",
        {BACKUP: "0x800", CRON_JOB: "1x800"},
        {25 * HOUR: set(), 49 * HOUR: {"TocsinBackupOld"}},
        days=True,
    ),
    Course(
        "entries of the audit log that are lost",
        {'tocsin_audit_entries_dropped_total{job="auth_svc"}': "0x9 1x300"},
        {4: set(), 8: {"TocsinAuditLost"}, 40: set()},
    ),
)


def document(course: Course) -> str:
    """The course as promtool reads it."""
    well = {name: values.replace("x400", "x800") if course.days else values for name, values in HEALTHY.items()}
    series = {name: values for name, values in {**well, **course.series}.items() if values}
    tests = [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(names)],
        }
        for minute, names in course.rings.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    step = "5m" if course.days else "30s"
    one = {"name": course.name, "interval": step, "input_series": inputs, "promql_expr_test": tests}
    return yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": step, "tests": [one]}, sort_keys=False)


def promtool(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs it.

    Raises:
        pytest.fail: there is none; the text is the line that installs it.
    """
    program = shutil.which("promtool")
    if program is None:
        pytest.fail(f"there is no promtool; install it: {INSTALL}")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("course", COURSES, ids=lambda course: course.name)
def test_an_alert_rings_when_it_should(course: Course, tmp_path: Path) -> None:
    """Exactly the alerts that are named ring at each of the moments."""
    file = tmp_path / "test.yaml"
    file.write_text(document(course), "utf-8")
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_sees_an_alert_that_does_not_ring(tmp_path: Path) -> None:
    """The test above can fail."""
    file = tmp_path / "test.yaml"
    file.write_text(document(Course("wrong", {}, {5: {"TocsinOverdue"}})), "utf-8")
    assert promtool("test", "rules", str(file)).returncode != 0


def test_every_alert_rings_once() -> None:
    """None is there that no course makes ring."""
    named = {rule["alert"] for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]}
    assert set().union(*(names for course in COURSES for names in course.rings.values())) == named
