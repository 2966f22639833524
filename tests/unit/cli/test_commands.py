"""The `tocsin` command as a person and a script meet it, against a small real gateway."""

import http.server
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tocsin.cli.__main__ import main
from tocsin.stack.layout import plan
from tocsin.stack.stack_file import ServiceStatus, StackStatus, locked, write_stack_file

REPOSITORY = Path(__file__).parents[3]


@dataclass(slots=True)
class Gateway:
    """Answers each (method, path) with what a test put there, and remembers what it was asked."""

    url: str = ""
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None, Any]] = field(default_factory=list)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A server on a free port."""
    found = Gateway()

    class Page(http.server.BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0]
            said = body.decode() if body and "json" not in self.headers.get("content-type", "") else json.loads(body or b"null")
            found.asked.append((self.command, path, self.headers.get("authorization"), said))
            status, answer = found.answers.get((self.command, path), (404, {"code": "NOT_FOUND", "detail": "no such route", "details": []}))
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def tocsin(*arguments: str, **env: str) -> Done:
    """Runs the command in this process; its environment has nothing of Tocsin but ``env``."""
    stdout, stderr = io.StringIO(), io.StringIO()
    surroundings = {"PATH": os.environ["PATH"], "COLUMNS": "200", **env}
    with mock.patch.dict(os.environ, surroundings, clear=True), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    if isinstance(code, str):  # what the interpreter does with a text
        stderr.write(code)
        code = 1
    return Done(int(code or 0), stdout.getvalue(), stderr.getvalue())


@pytest.fixture
def state(tmp_path: Path, gateway: Gateway) -> Iterator[Path]:
    """A state folder whose stack runs and whose gateway is the test's."""
    key = tmp_path / "dev-api-key"
    key.write_text("tk_dev\n")
    service = ServiceStatus(pid=os.getpid(), state="healthy", restarts=2, grpc="127.0.0.1:9002", metrics=f"{gateway.url}/metrics")
    picture = StackStatus(
        supervisor=os.getpid(), http=gateway.url, grpc="127.0.0.1:8001", api_key_file=str(key), services={"scheduler_svc": service}
    )
    with locked(tmp_path):
        write_stack_file(tmp_path / "stack.json", picture)
        yield tmp_path


ALARM = {"name": "alarms/1", "displayName": "tea", "state": "ACTIVE", "nextFireTime": "2026-12-01T09:00:00Z", "trigger": {"every": "300s"}}


def test_alarm_add_sends_what_the_flags_say(gateway: Gateway, state: Path) -> None:
    """The stack of the state folder is found, with its key; the name of the alarm is shown."""
    gateway.answers["POST", "/v1/alarms"] = (200, ALARM)
    flags = ("--every", "5m", "--to", "a@example.com", "--subject", "Tea", "--text", "Now.", "--name", "tea")
    done = tocsin("alarm", "add", *flags, "--state", str(state))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "alarms/1 created; next due time: 2026-12-01T09:00:00Z\n"
    ((_, _, authorization, body),) = gateway.asked
    assert authorization == "Bearer tk_dev"
    notify = {"to": ["a@example.com"], "subject": "Tea", "text": "Now."}
    assert body == {"displayName": "tea", "trigger": {"every": "300s"}, "action": {"notify": notify}}


def test_alarm_add_tells_what_is_doubtful(gateway: Gateway, state: Path) -> None:
    """The alarm is made; what to know about it stands on stderr, and the answer on stdout is only the answer."""
    doubt = {"field": "action.task.handler", "reason": "no handler is named 'x'; there are: noop"}
    gateway.answers["POST", "/v1/alarms"] = (200, {**ALARM, "warnings": [doubt]})
    done = tocsin("alarm", "add", "--every", "5m", "--task", "x", "--state", str(state))
    assert (done.returncode, done.stderr) == (0, f"tocsin: {doubt['field']}: {doubt['reason']}\n")
    assert done.stdout == "alarms/1 created; next due time: 2026-12-01T09:00:00Z\n"


@pytest.mark.parametrize(
    ("flags", "trigger"),
    [
        (("--cron", "0 9 * * MON-FRI", "--time-zone", "Europe/Paris"), {"cron": "0 9 * * MON-FRI", "timeZone": "Europe/Paris"}),
        (("--rrule", "DTSTART:20260101T090000\\nRRULE:FREQ=DAILY"), {"rrule": "DTSTART:20260101T090000\nRRULE:FREQ=DAILY"}),
        (
            ("--cron", "@hourly", "--exclude", "2026-12-25", "--exclude", "2026-12-26", "--jitter", "5m", "--count", "3"),
            {"cron": "@hourly", "excludeDates": ["2026-12-25", "2026-12-26"], "jitter": "300s", "count": 3},
        ),
    ],
)
def test_alarm_add_takes_every_rule_of_the_calendar(gateway: Gateway, state: Path, flags: tuple[str, ...], trigger: object) -> None:
    """With what all of them share."""
    gateway.answers["POST", "/v1/alarms"] = (200, ALARM)
    done = tocsin("alarm", "add", *flags, "--task", "noop", "--state", str(state))
    assert (done.returncode, done.stderr) == (0, "")
    assert gateway.asked[0][3]["trigger"] == trigger


def test_alarm_preview_shows_what_becomes_of_each_time(gateway: Gateway, state: Path) -> None:
    """A time that is skipped has no instant; nothing is stored."""
    occurrences = [
        {"localTime": "2026-03-29T02:30:00", "label": "SKIPPED"},
        {"time": "2026-03-30T00:30:00Z", "localTime": "2026-03-30T02:30:00+02:00", "label": "PLAIN"},
    ]
    gateway.answers["POST", "/v1/alarms:preview"] = (200, {"occurrences": occurrences})
    flags = ("--cron", "30 2 * * *", "--time-zone", "Europe/Paris", "--gap", "skip", "--from", "2026-03-29T00:00:00Z", "--number", "2")
    done = tocsin("alarm", "preview", *flags, "--state", str(state))
    for word in ("2026-03-29T02:30:00", "skipped", "2026-03-30T00:30:00Z", "plain"):
        assert word in done.stdout
    trigger = {"cron": "30 2 * * *", "timeZone": "Europe/Paris", "dst": {"gap": "SKIP"}}
    assert gateway.asked[0][3] == {"trigger": trigger, "count": 2, "from": "2026-03-29T00:00:00Z"}
    assert json.loads(tocsin("alarm", "preview", "--every", "5m", "--json", "--state", str(state)).stdout) == {"occurrences": occurrences}


def test_json_is_the_only_thing_on_stdout(gateway: Gateway, state: Path) -> None:
    """A script pipes it on."""
    gateway.answers["POST", "/v1/alarms"] = (200, ALARM)
    gateway.answers["GET", "/v1/alarms"] = (200, {"alarms": [ALARM]})
    gateway.answers["GET", "/v1/inbox/messages"] = (200, {"messages": [{"name": "inbox/messages/1"}]})
    assert json.loads(tocsin("alarm", "add", "--at", "in 5s", "--task", "noop", "--json", "--state", str(state)).stdout) == ALARM
    assert json.loads(tocsin("alarm", "list", "--json", "--state", str(state)).stdout) == {"alarms": [ALARM]}
    assert json.loads(tocsin("inbox", "--json", "--state", str(state)).stdout) == {"messages": [{"name": "inbox/messages/1"}]}


def test_lists_are_tables_for_people(gateway: Gateway, state: Path) -> None:
    """Every column that tells one alarm from another; what looks like markup is text."""
    gateway.answers["GET", "/v1/alarms"] = (200, {"alarms": [{**ALARM, "displayName": "[red]tea[/red]"}]})
    listed = tocsin("alarm", "list", "--state", str(state)).stdout
    for word in ("alarms/1", "[red]tea[/red]", "ACTIVE", "2026-12-01T09:00:00Z", "every 300s"):
        assert word in listed
    gateway.answers["GET", "/v1/alarms"] = (200, {"alarms": []})
    assert tocsin("alarm", "list", "--state", str(state)).stdout == "No alarms.\n"


def test_the_inbox_shows_mails_and_one_mail(gateway: Gateway, state: Path) -> None:
    """The short name from the list opens the mail."""
    mail = {
        "name": "inbox/messages/7",
        "to": ["a@example.com"],
        "subject": "Tea",
        "text": "Now.\nHot.",
        "receivedTime": "2026-01-01T00:00:00Z",
    }
    gateway.answers["GET", "/v1/inbox/messages"] = (200, {"messages": [mail]})
    gateway.answers["GET", "/v1/inbox/messages/7"] = (200, mail)
    assert "a@example.com" in tocsin("inbox", "--state", str(state)).stdout
    shown = tocsin("inbox", "7", "--state", str(state)).stdout
    assert "Subject:  Tea" in shown
    assert shown.endswith("\n\nNow.\nHot.\n")


def test_run_waits_for_the_result(gateway: Gateway, state: Path) -> None:
    """The result is printed as JSON; a failed task is exit code 1 with its error."""
    gateway.answers["POST", "/v1/tasks"] = (200, {"name": "tasks/1", "state": "QUEUED"})
    gateway.answers["GET", "/v1/tasks/1"] = (200, {"name": "tasks/1", "state": "SUCCEEDED", "result": {"text": "HI"}})
    done = tocsin("run", "uppercase", '{"text": "hi"}', "--state", str(state))
    assert json.loads(done.stdout) == {"text": "HI"}
    assert {**gateway.asked[0][3], "requestId": ""} == {"handler": "uppercase", "input": {"text": "hi"}, "requestId": ""}
    gateway.answers["GET", "/v1/tasks/1"] = (200, {"name": "tasks/1", "state": "FAILED", "error": "it is bent", "attempts": 5})
    done = tocsin("run", "uppercase", "--state", str(state))
    assert (done.returncode, done.stdout) == (1, "tasks/1 failed after 5 attempts: it is bent\n")


def test_watch_shows_changes_as_they_happen(gateway: Gateway, state: Path) -> None:
    """One line a change; one JSON object a line for scripts."""
    change = {
        "firing": {"name": "firings/1", "alarm": "alarms/1", "outcome": "FIRED", "state": "SUCCEEDED", "attempts": 1},
        "resumeToken": "a",
    }
    gateway.answers["GET", "/v1/firings:watch"] = (200, (json.dumps(change) + "\n\n").encode() * 2)
    assert tocsin("watch", "--count", "2", "--state", str(state)).stdout == "alarms/1  FIRED  SUCCEEDED  attempt 1\n" * 2
    lines = tocsin("watch", "--count", "3", "--json", "--state", str(state)).stdout.splitlines()
    assert [json.loads(line) for line in lines] == [change] * 3


def test_a_refusal_is_told_field_by_field(gateway: Gateway, state: Path) -> None:
    """Exit code 1, the words of the server on stderr, nothing on stdout."""
    violations = [{"field": "alarm.action.notify.to", "description": "must be an email address"}]
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}]
    gateway.answers["POST", "/v1/alarms"] = (400, {"code": "INVALID_ARGUMENT", "detail": "the alarm is not valid", "details": details})
    done = tocsin("alarm", "add", "--every", "5m", "--to", "nobody@example.com", "--subject", "s", "--text", "t", "--state", str(state))
    assert (done.returncode, done.stdout) == (1, "")
    assert "tocsin: the alarm is not valid" in done.stderr
    assert "alarm.action.notify.to: must be an email address" in done.stderr


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "UNAUTHENTICATED", 77),
        (403, "PERMISSION_DENIED", 77),
        (404, "NOT_FOUND", 1),
        (429, "RESOURCE_EXHAUSTED", 1),
        (503, "UNAVAILABLE", 69),
    ],
)
def test_exit_codes_tell_failures_apart(gateway: Gateway, state: Path, status: int, code: str, exit_code: int) -> None:
    """As `--help` documents them."""
    gateway.answers["GET", "/v1/alarms"] = (status, {"code": code, "detail": "no", "details": []})
    done = tocsin("alarm", "list", "--state", str(state))
    assert (done.returncode, done.stdout) == (exit_code, "")
    assert done.stderr.startswith("tocsin: no")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("alarm", "add", "--at", "yesterday-ish", "--to", "a@example.com"), "yesterday-ish"),
        (("alarm", "add", "--to", "a@example.com"), "--every"),
        (("run", "uppercase", "{"), "JSON"),
        (("serve", "nonsense"), "nonsense"),
        (("migrate", "nonsense"), "nonsense"),
        (("up", "--json"), "--detach"),
        (("dance",), "dance"),
    ],
)
def test_a_wrong_command_line_is_exit_code_two(arguments: tuple[str, ...], words: str) -> None:
    """Before anything is sent or started, in plain words."""
    done = tocsin(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_stack_nothing_is_asked(tmp_path: Path) -> None:
    """The person learns how to get one; scripts get 69; `down` is content."""
    done = tocsin("inbox", "--state", str(tmp_path))
    assert done.returncode == 69
    assert "start one with `tocsin up`" in done.stderr
    assert tocsin("status", "--state", str(tmp_path)).returncode == 69
    assert json.loads(tocsin("status", "--json", "--state", str(tmp_path)).stdout) == {"running": False, "health": None}
    assert tocsin("down", "--state", str(tmp_path)).returncode == 0
    assert not list(tmp_path.iterdir())


def test_the_key_of_the_folder_is_never_sent_elsewhere(gateway: Gateway, state: Path) -> None:
    """A URL that was given gets the key that was given, or none."""
    gateway.answers["GET", "/v1/alarms"] = (200, {"alarms": []})
    tocsin("alarm", "list", "--state", str(state), TOCSIN_CLIENT_URL=gateway.url)
    tocsin("alarm", "list", "--state", str(state), "--url", gateway.url, TOCSIN_CLIENT_API_KEY="tk_mine")
    assert [authorization for _, _, authorization, _ in gateway.asked] == [None, "Bearer tk_mine"]


def test_an_unreadable_key_file_is_named(gateway: Gateway, state: Path) -> None:
    """And the way around it."""
    (state / "dev-api-key").unlink()
    done = tocsin("alarm", "list", "--state", str(state))
    assert done.returncode == 77
    assert f"cannot read the API key {state / 'dev-api-key'}: No such file or directory" in done.stderr
    assert "TOCSIN_CLIENT_API_KEY" in done.stderr


def test_status_shows_services_and_the_gateways_view(gateway: Gateway, state: Path) -> None:
    """States, pids, restarts, and an open breaker; exit code 0 when all is well."""
    breakers = {"mailer": {"state": "OPEN", "failures": 5}, "auth": {"state": "CLOSED"}}
    gateway.answers["GET", "/health"] = (200, {"status": "degraded", "circuitBreakers": breakers})
    gateway.answers["GET", "/readyz"] = (200, {})
    done = tocsin("status", "--state", str(state))
    assert done.returncode == 0
    for word in ("scheduler_svc", "healthy", str(os.getpid()), "2", "degraded", "mailer: OPEN"):
        assert word in done.stdout
    assert "auth: CLOSED" not in done.stdout
    data = json.loads(tocsin("status", "--json", "--state", str(state)).stdout)
    assert data["running"] is True
    assert data["services"]["scheduler_svc"]["restarts"] == 2
    assert data["health"]["status"] == "degraded"


def test_status_works_while_the_gateway_is_away(gateway: Gateway, state: Path) -> None:
    """What the supervisor knows is shown anyway; exit code 1 when a service is not healthy."""
    service = ServiceStatus(pid=None, state="restarting", restarts=3, grpc="127.0.0.1:8001", metrics="http://127.0.0.1:9100/metrics")
    picture = StackStatus(
        supervisor=os.getpid(), http="http://127.0.0.1:9", grpc="127.0.0.1:8001", api_key_file="", services={"gateway": service}
    )
    write_stack_file(state / "stack.json", picture)
    done = tocsin("status", "--state", str(state))
    assert done.returncode == 1
    assert "restarting" in done.stdout
    assert "The gateway does not answer." in done.stdout


@pytest.mark.parametrize("words", [(), ("--daemon", "--json")])
def test_a_port_in_use_is_exit_code_75(gateway: Gateway, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Named before anything starts, detached as well: `--daemon` is what others call it."""
    port = gateway.url.rpartition(":")[2]
    done = tocsin("up", *words, "--state", str(tmp_path / "var"), TOCSIN_AUTH_PORT=port)
    assert done.returncode == 75
    assert f"port {port} is in use: auth_svc (gRPC) needs it; set TOCSIN_AUTH_PORT or --port-base" in done.stderr


def test_a_second_stack_on_a_folder_is_refused(state: Path) -> None:
    """In plain words, with what to do."""
    done = tocsin("up", "--port-base", "0", "--state", str(state))
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert plan(state=state, base=0, env={}).stack_file.exists()


def test_help_documents_the_exit_codes() -> None:
    """On every command."""
    for words in ((), ("up",), ("alarm", "add"), ("inbox",), ("run",)):
        shown = " ".join(tocsin(*words, "--help").stdout.split())
        assert "Exit codes: 0 done" in shown, words


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Programs started meanwhile heed SIGINT, even where this one was told to ignore it, as `nohup` and a shell's `&` do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupting_a_watch_is_quiet(gateway: Gateway, state: Path) -> None:
    """Ctrl-C ends it at once, without a traceback."""
    gateway.answers["GET", "/v1/inbox/messages"] = (200, {"messages": [{"name": "inbox/messages/1", "subject": "x"}]})
    with subprocess.Popen(
        [sys.executable, "-m", "tocsin.cli", "inbox", "--follow", "--state", str(state)],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert "x" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in stderr
