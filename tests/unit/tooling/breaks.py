"""What breaks each check: for each one a change of the tree, and how the check must name the place."""

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pb2

from tests.unit.tooling.scripts import ROOT

Change = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Break:
    """One change.

    Attributes:
        check: a word of `make check`, or the name of a test.
        names: what its findings must contain.
        change: makes it in the tree at the folder that it is given.
    """

    check: str
    names: str
    change: Change

    def __str__(self) -> str:
        """For the name of a test."""
        return f"{self.check}:{re.sub(r'[^A-Za-z0-9_.]+', '-', self.names)}"


def add(file: str, text: str) -> Change:
    """Writes ``text`` at the end of a file, which is made if need be."""

    def change(root: Path) -> None:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)

    return change


def imports(file: str, module: str) -> Change:
    """Lets a file import ``module``, in a function that nobody calls."""
    return add(file, f"\n\ndef broken_{module.replace('.', '_')}() -> None:\n    import {module}\n")


def swap(file: str, pattern: str, text: str) -> Change:
    """Replaces the first match of ``pattern``; there has to be one."""

    def change(root: Path) -> None:
        old = (root / file).read_text("utf-8")
        new, count = re.subn(pattern, text, old, count=1, flags=re.MULTILINE | re.DOTALL)
        assert count, f"{file} has no {pattern}"
        (root / file).write_text(new, "utf-8")

    return change


def remove(pattern: str) -> Change:
    """Removes the first file that matches ``pattern``."""

    def change(root: Path) -> None:
        min(root.glob(pattern)).unlink()

    return change


def copy(pattern: str, name: str) -> Change:
    """Writes the first file that matches ``pattern`` once more, beside it, as ``name``."""

    def change(root: Path) -> None:
        path = min(root.glob(pattern))
        path.with_name(name).write_text(path.read_text("utf-8"), "utf-8")

    return change


def rename(pattern: str, name: str) -> Change:
    """Gives the first file that matches ``pattern`` another name."""

    def change(root: Path) -> None:
        path = min(root.glob(pattern))
        path.rename(path.with_name(name))

    return change


def done_above(root: Path) -> None:
    """Nothing: an earlier change broke this, too."""


def paste(root: Path) -> None:
    """A workflow that is two documents in one."""
    text = (root / ".github/workflows/ci.yml").read_text("utf-8")
    (root / ".github/workflows/pasted.yml").write_text(text + text[text.index("permissions:") :], "utf-8")


def ask_for_nothing(root: Path) -> None:
    """A panel that asks for a metric that nobody exports."""
    path = root / "deploy/grafana/mesh.json"
    dashboard = json.loads(path.read_text("utf-8"))
    dashboard["panels"][0]["targets"][0]["expr"] = "rate(tocsin_gone_total[5m])"
    path.write_text(json.dumps(dashboard), "utf-8")


LOST = "".join(f"    print({number})\n" for number in range(41))
MISSPELT = "reci" + "eve"
BROKEN = "tocsin/broken.py"

BANNED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]

WORDS = [
    Break("types", "broken_types.py:1", add("tests/broken_types.py", 'number: int = "text"\n')),
    Break("types", "broken_types.py:2", add("tests/broken_types.py", "other: int = 1  # pyright: ignore[reportAssignmentType]\n")),
    Break("lint", "broken_format.py", add("tests/broken_format.py", '"""Odd."""\n\nodd = {  }\n')),
    *(
        Break(
            "lint",
            f"`{name}` is banned",
            add(BROKEN, f"\n\ndef banned_{name.replace('.', '_')}() -> None:\n    import {name.rpartition('.')[0]}\n\n    {name}()\n"),
        )
        for name in BANNED
    ),
    Break("arch", "gateway.domain -> auth_svc.domain", imports("gateway/domain.py", "auth_svc.domain")),
    Break("arch", "processor_svc.domain -> grpc", imports("processor_svc/domain.py", "grpc")),
    Break("arch", "mailer_svc.wiring -> pybreaker", imports("mailer_svc/wiring/__init__.py", "pybreaker")),
    Break("arch", "No cycles are allowed in tocsin.", imports("tocsin/clock.py", "tocsin.lifecycle")),
    *(
        Break("arch", f"{service}.{low} -> {service}.wiring", imports(f"{service}/{low}.py", f"{service}.wiring"))
        for service, low in (
            ("auth_svc", "config"),
            ("gateway", "config"),
            ("mailer_svc", "config"),
            ("processor_svc", "config"),
            ("scheduler_svc", "config"),
        )
    ),
    Break("arch", "processor_svc.unplaced", add("processor_svc/unplaced.py", '"""Stands in no layer."""\n')),
    Break("deps", "'leftpad' imported but missing", imports(BROKEN, "leftpad")),
    Break("deps", "'left-pad' defined as a dependency", swap("pyproject.toml", r'^  "markupsafe', '  "left-pad",\n  "markupsafe')),
    Break("deps", "'mako' imported but it is a transitive dependency", imports(BROKEN, "mako")),
    Break("spell", "docs/broken.md:3", add("docs/broken.md", f"# Broken\n\nWe {MISSPELT} it.\n")),
    Break(
        "lock-check", "requirements/runtime.lock was made from other dependencies", swap("pyproject.toml", '"left-pad"', '"left-pad>=1"')
    ),
    Break("lock-check", "requirements/runtime.lock pins no version of left-pad", done_above),
    Break("lock-check", "requirements/dev.lock ruff has no hash", swap("requirements/dev.lock", r"^(ruff==\S+) \\\n.*?(?=^\S)", r"\1\n")),
    Break("links", "docs/broken.md: gone.md: no such file", add("docs/broken.md", "\n[a](gone.md)\n")),
    Break("links", "docs/broken.md: cli.md#gone: no such heading", add("docs/broken.md", "\n[a](cli.md#gone)\n")),
    Break("links", "docs/broken.md: `tocsin/gone.py`: no such path", add("docs/broken.md", "\nSee `tocsin/gone.py`.\n")),
    Break("metrics", "tocsin_scheduler_alarms: no row", swap("docs/metrics.md", r"^\| `tocsin_scheduler_alarms`.*?\n", "")),
    Break("metrics", "tocsin_gone: nothing of that name", add("docs/metrics.md", "| `tocsin_gone` | gauge | - | Gone |\n")),
    Break("manifests", "deploy/grafana/another.json: is not what", done_above),
    Break("manifests", "deploy/helm/tocsin/values.yaml: is not what", add("deploy/helm/tocsin/values.yaml", "more: {}\n")),
    Break("workflows", "pasted.yml", paste),
    Break("workflows", "unpinned-uses", swap(".github/workflows/release.yml", r"actions/checkout@\w{40}", "actions/checkout@v7")),
    Break("workflows", "'compositee' is not", swap("deploy/github-action/action.yml", "using: composite", "using: compositee")),
    Break("links", "docs/broken.md: is in no part of docs/index.md", done_above),
    Break("console-check", "was not built from console/", add("console/src/words/en.ts", "// changed, and not built\n")),
]
"""Against the words of `make check`, but for the contract."""

TESTS = [
    Break("test_every_tool_knows_every_package", "mailer_svc", swap("pyproject.toml", r'(known_first_party = .*?), "mailer_svc"', r"\1")),
    Break(
        "test_the_layers_of_every_service_are_exhaustive", "gateway", swap("pyproject.toml", r'(\["gateway"\]\n)exhaustive = true\n', r"\1")
    ),
    Break("test_services_are_alike_inside", "auth_svc", swap("auth_svc/__init__.py", '^""".*?"""', "")),
    Break("test_the_same_thing_has_the_same_name_in_every_service", "auth_svc.config", add("auth_svc/config.py", "\nimport sqlalchemy\n")),
    Break("test_readmes_are_alike", "headings", swap("auth_svc/README.md", "^## Calls$", "## Called")),
    Break("test_files_are_short", "bench/broken_long.py", add("bench/broken_long.py", "x = 1\n" * 401)),
    Break("test_functions_are_short", "tocsin/broken.py:broken_long", add(BROKEN, f"\n\ndef broken_long() -> None:\n{LOST}")),
    Break("test_modules_are_named_after_things", "gateway/http/utils.py", add("gateway/http/utils.py", '"""Anything."""\n')),
    Break(
        "test_whoever_reads_a_stored_document_catches_everything",
        "mailer_svc/store/rotations.py:read_plan",
        swap("mailer_svc/store/rotations.py", "except NOT_READABLE as error", "except ValueError as error"),
    ),
    Break("test_nothing_begins_a_task_elsewhere", BROKEN, add(BROKEN, "\n\ndef begin(loop, work):\n    loop.create_task(work)\n")),
    *(
        Break(
            "test_every_setting_has_its_row",
            f"TOCSIN_{name}_",
            swap(f"{folder}/README.md", rf"^\| `(?:TOCSIN_{name}_)?[A-Z_]+_SECONDS` .*?\n", ""),
        )
        for name, folder in (
            ("GATEWAY", "gateway"),
            *((part, f"{part.lower()}_svc") for part in ("AUTH", "SCHEDULER", "PROCESSOR", "MAILER")),
        )
    ),
    Break("test_every_command_is_documented", "tocsin mesh graph", swap("docs/cli.md", "`tocsin mesh graph", "`tocsin mesh map")),
    Break("test_installed_packages_say_that_they_are_typed", "mailer_svc", remove("mailer_svc/py.typed")),
    Break(
        "test_everything_on_the_page_exists",
        "gateway.http.app.HttpGone",
        swap("docs/architecture.md", r"gateway\.http\.app\.HttpApp\b", "gateway.http.app.HttpGone"),
    ),
    Break("test_every_rpc_is_listed", "RetryDelivery", swap("mailer_svc/README.md", r"\bRetryDelivery\b", "Repeat")),
    Break("test_a_class_name_means_one_thing", "FakeClock is defined 2 times", add(BROKEN, "\n\nclass FakeClock: ...\n")),
    Break(
        "test_every_setting_is_read",
        "read_by_nobody",
        swap(
            "auth_svc/config.py",
            "    bootstrap_email: str",
            '    read_by_nobody: int = Field(1, description="Nothing.")\n    bootstrap_email: str',
        ),
    ),
    Break("test_every_module_logs_alike", "tocsin/broken.py", imports(BROKEN, "logging")),
    Break(
        "test_numbers_of_enums_and_of_time_have_names",
        "mailer_svc/store/inbox.py",
        add("mailer_svc/store/inbox.py", '\n\nBROKEN = "SELECT 1 FROM deliveries WHERE state = 1"\n'),
    ),
    Break(
        "test_sql_is_complete_before_the_service_runs",
        "auth_svc/store/keys.py",
        add("auth_svc/store/keys.py", '\n\nasync def broken(table: str) -> str:\n    return f"SELECT 1 FROM {table}"\n'),
    ),
    Break("test_every_folder_is_described", "hostile", swap("CONTRIBUTING.md", "`hostile`", "`nothing`")),
    Break("test_decisions_are_numbered_without_a_gap", "4", remove("docs/adr/0004-*.md")),
    Break("test_the_page_is_what_is_registered", "tocsin_gone", done_above),
    Break(
        "test_nothing_is_registered_in_some_settings_alone",
        "tocsin_hidden",
        add(BROKEN, '\n\ndef hide(Gauge):\n    Gauge("tocsin_hidden", "Hidden.")\n'),
    ),
    Break("test_no_service_imports_what_its_start_does_not_need", "auth_svc httpx2", add("auth_svc/config.py", "\nimport httpx2\n")),
    Break(
        "test_the_names_of_the_files_tell_the_newest_migration", "9999", rename("mailer_svc/migrations/versions/0*.py", "9999_broken.py")
    ),
    Break("test_garbage_is_looked_for_rarely_before_anything_is_imported", "gateway", swap("gateway/__main__.py", r"^    \w+\(\)\n", "")),
    Break(
        "test_publishing_is_a_manual_step",
        "chaos",
        swap(".github/workflows/ci.yml", r"hostile, chaos, mesh", "hostile, mesh"),
    ),
    Break(
        "test_no_input_is_pasted_into_a_shell",
        "head.ref",
        swap(".github/workflows/ci.yml", "run: make chaos", "run: echo ${{ github.head.ref }}; make chaos"),
    ),
    Break("test_continuous_integration_runs_what_anybody_can_run", "3.14", swap(".github/workflows/ci.yml", ', "3.14"', "")),
    Break(
        "test_hooks_fetch_nothing", "ruff check --fix", swap(".pre-commit-config.yaml", r"entry: .venv/bin/ruff check", "entry: ruff check")
    ),
    Break("test_every_target_is_documented", "arch", swap("Makefile", "^arch: setup ##.*?$", "arch: setup")),
    Break("test_only_one_module_makes_zones", BROKEN, add(BROKEN, '\n\ndef zone(ZoneInfo):\n    return ZoneInfo("Asia/Tokyo")\n')),
    Break("test_the_locks_hold_no_address", "peers.lock", add("requirements/peers.lock", "# https://mirror.example/simple\n")),
    Break(
        "test_the_wheel_is_built_by_a_locked_backend",
        "setuptools",
        swap("pyproject.toml", r"^requires = \[.*?\]", 'requires = ["setuptools"]'),
    ),
    Break("test_each_file_is_in_one_distribution", "/tocsin/errors.py", swap("pyproject.toml", r'^  "/tocsin/errors.py",\n', "")),
    Break("test_modules_of_the_mesh_import_nothing_of_tocsin", "shedding.py: jwt", add("tocsin/mesh/shedding.py", "\nimport jwt\n")),
    Break("test_what_the_library_loads_is_what_is_asked_for", "jwt", done_above),
    Break("test_both_ask_for_the_same_versions", "tenacity>=9.1", swap("mesh/pyproject.toml", "tenacity>=9.2.1", "tenacity>=9.1")),
    Break("test_panels_ask_for_what_is_exported", "tocsin_gone_total", ask_for_nothing),
    Break(
        "test_alerts_ask_for_what_is_exported",
        "tocsin_scheduler_processor_count",
        swap("deploy/prometheus/alerts.yaml", r"sum\(tocsin_scheduler_processors\)", "sum(tocsin_scheduler_processor_count)"),
    ),
    Break("test_panels_are_narrowed_and_keep_to_the_interval", "5m", swap("deploy/grafana/mesh.json", r"\[\$__rate_interval\]", "[5m]")),
    Break("test_the_dashboards_are_those_of_the_tables", "dashboards.main", copy("deploy/grafana/mesh.json", "another.json")),
    Break(
        "test_the_oldest_overdue_has_an_alert",
        "overdue",
        swap("deploy/prometheus/alerts.yaml", r"max\(tocsin_scheduler_overdue_seconds\)", "max(up)"),
    ),
    Break(
        "test_nothing_asks_for_a_name_that_goes",
        "tocsin_client_attempt_seconds_count",
        swap("deploy/prometheus/alerts.yaml", r"grpc_client_attempt_duration_seconds_count", "tocsin_client_attempt_seconds_count"),
    ),
    Break(
        "test_the_names_of_compose_are_scraped",
        "elsewhere",
        swap("deploy/prometheus/prometheus.yaml", r"names: \[mailer\]", "names: [elsewhere]"),
    ),
]
"""Against the tests that guard the tree."""

PROTO = "protos/tocsin/api/broken/v1/broken_service.proto"
_HEAD = """// Breaks the rules of the contract.
syntax = "proto3";

package tocsin.api.broken.v1;

import "buf/validate/validate.proto";
import "google/api/annotations.proto";
import "tocsin/api/mesh/v1/policy.proto";

// A request.
message Request {
  // Says which one.
  string name = 1 [(buf.validate.field).string.pattern = "a{9999}"];
}

// A service that nobody serves.
service BrokenService {
"""
_GOOD = {"timeout": "{seconds: 5}", "scope": '"alarms:read"', "rate_class": '"read"', "callers": ""}


def rpc(name: str, *, comment: str = "Breaks something.", level: str = "", http: str = "", **policy: str) -> Change:
    """A method with a policy that is good but for what is given."""
    given = " ".join(f"{word}: {value}" for word, value in {**_GOOD, **policy}.items() if value)
    lines = [
        f"  // {comment}" if comment else "",
        f"  rpc {name}(Request) returns (Request) {{",
        f"    option idempotency_level = {level};" if level else "",
        f"    option (google.api.http) = {{{http}}};" if http else "",
        f"    option (tocsin.api.mesh.v1.policy) = {{{given}}};" if given else "",
        "  }",
    ]
    return add(PROTO, "\n".join(line for line in lines if line) + "\n")


_COMMENTS = "tocsin/api/mailer/v1/inbox_service.proto"


def strip_comments(root: Path) -> None:
    """Leaves the comments of one file out of what is generated."""
    path = root / "tocsin/api/descriptors.binpb"
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    for file in files.file:
        if file.name == _COMMENTS:
            file.ClearField("source_code_info")
    path.write_bytes(files.SerializeToString())


ALARM = "protos/tocsin/api/scheduler/v1/alarm.proto"
CALL = """    // Calls somebody.
    HttpCall http_call = 1007;
  }
}

// A call.
message HttpCall {
  // Whom.
  string url = 1;
}
"""
POST = 'post: "/v1/broken" body: "*"'
CONTRACT = [
    Break("test_the_contract_is_not_empty", "broken", add(PROTO, _HEAD)),
    Break("test_it_is_complete", "BrokenService/Bare: policy.timeout is missing", rpc("Bare", timeout="", scope="", rate_class="")),
    Break("test_every_rule_compiles", "tocsin.api.broken.v1.Request", done_above),
    Break("test_it_is_commented", "BrokenService/Silent", rpc("Silent", comment="", http=POST)),
    Break("test_its_words_exist", "BrokenService/Strange", rpc("Strange", rate_class='"odd"', http=POST)),
    Break("test_internal_methods_stay_inside", "BrokenService/Routeless", rpc("Routeless")),
    Break("test_http_and_idempotency_agree", "BrokenService/Acting", rpc("Acting", http='get: "/v1/broken"')),
    Break("test_timeouts_fit_the_kind", "BrokenService/Slow", rpc("Slow", timeout="{seconds: 60}", http=POST)),
    Break("test_what_is_tried_again_has_an_identity", "BrokenService/Twice", rpc("Twice", level="IDEMPOTENT", http=POST)),
    Break("test_the_descriptors_carry_comments", _COMMENTS, done_above),
    Break("contract", 'RPC "Silent" should have a non-empty comment', add(PROTO, "}\n")),
    Break("contract", "broken_service.proto:1", done_above),
    Break(
        "contract",
        'field "2" with name "topic" on message "PublishedEvent" was deleted',
        swap("protos/tocsin/api/scheduler/v1/trigger_service.proto", r"(message PublishedEvent .*? topic) = 2\b", r"\1 = 222"),
    ),
]
"""Against the contract; what it generates is made anew when all of it has been changed."""

GROWTH = [
    Break(
        "test_every_channel_is_everywhere[missing_in_mailer]",
        "pigeon",
        swap(ALARM, r"^(    INBOX = 2;\n)", r"\1    // By a bird.\n    PIGEON = 1007;\n"),
    ),
    Break("test_every_channel_is_everywhere[missing_in_rule]", "pigeon", done_above),
    Break("test_every_channel_is_everywhere[missing_in_documents]", "pigeon", done_above),
    Break("test_every_module_of_a_channel_is_one_of_the_contract", "pigeon", done_above),
    Break(
        "test_every_field_is_everywhere",
        "notes: scheduler_svc/domain/alarms.py: AlarmSpec",
        swap(ALARM, r"^(message Alarm \{\n)", r"\1  // What to know.\n  string notes = 1007;\n"),
    ),
    Break("test_every_field_is_everywhere", "notes: docs/import.md", done_above),
    Break(
        "test_every_kind_is_everywhere[missing_in_processor]",
        "http_call",
        swap(ALARM, r"    Publish publish = 5;\n  \}\n\}\n", f"    Publish publish = 5;\n{CALL}"),
    ),
    *(
        Break(f"test_every_kind_is_everywhere[{place}]", "http_call", done_above)
        for place in ("missing_in_metrics", "missing_in_documents")
    ),
]
"""A contract that has grown, and nothing else: the checks name each place that is missing."""
