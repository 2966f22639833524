"""Commands made from the contract: their routes, what is refused, files, the editor, contexts; and what none of them loads."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from client.generate.contract import Source
from gateway.transcoding.routes import build_router, build_routes
from tocsin.cli import contexts
from tocsin.cli.app import make_app
from tocsin.cli.documents import document, documents
from tocsin.cli.verbs import contract
from tocsin.cli.wire import arguments
from tocsin.errors import TocsinError

HEAVY = frozenset(
    {
        "aiosqlite",
        "alembic",
        "argon2",
        "asyncpg",
        "authlib",
        "cryptography",
        "google.protobuf",
        "grpc",
        "jinja2",
        "opentelemetry",
        "prometheus_client",
        "protovalidate",
        "pydantic",
        "pydantic_settings",
        "redis",
        "sqlalchemy",
        "structlog",
        "tocsin.api",
        "tocsin.config",
        "tocsin.lifecycle",
        "tocsin.mesh",
        "tocsin.telemetry",
        "uvicorn",
        "uvloop",
    }
)
ALARM = {"name": "alarms/1", "displayName": "x", "state": "ACTIVE", "labels": {"a": "b"}}
Asked = list[tuple[str, str, Any]]


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of settings of its own."""
    monkeypatch.setenv("TOCSIN_CONFIG_DIR", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Asked]]:
    """A gateway with one alarm."""
    asked: Asked = []

    class Page(http.server.BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked.append((self.command, self.path, json.loads(body) if body else None))
            listed = self.path.partition("?")[0] == "/v1/alarms" and self.command == "GET"
            denied = self.headers.get("authorization") == "Bearer tk_wrong"
            answer: Any = {"alarms": [ALARM]} if listed else {"subject": "apiKeys/1"} if "auth" in self.path else ALARM
            data = json.dumps({"code": "UNAUTHENTICATED", "detail": "no", "details": []} if denied else answer).encode()
            self.send_response(401 if denied else 200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - as http.server calls them

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def run(server: tuple[str, Asked], *words: str, given: str | None = None) -> Any:
    """Runs a command against the gateway."""
    server[1].clear()
    return CliRunner().invoke(make_app(words), [*words, "--url", server[0], "--api-key", "tk_1"], input=given)


def test_every_call_leads_to_its_route() -> None:
    """By the router of the gateway itself; each row can be made a command, and its names may be ids."""
    source = Source()
    router = build_router(build_routes(source.contract))
    strays = []
    for group, rows in contract().items():
        for verb, row in rows.items():
            given = {each["name"]: "x1" for each in row["params"] if each["place"] == "path"}
            for pattern in re.findall(r"=([^}]*)\}", row["paths"][0]):
                if pattern.count("*") > 1:
                    given = dict.fromkeys(given, pattern.replace("**", "a/b").replace("*", "x1"))
            try:
                router.match(row["method"], arguments(row, given, {}).path)
            except TocsinError as error:
                strays.append(f"{group} {verb}: {error}")
    assert strays == []
    command: Any = typer.main.get_command(make_app())
    assert {group for group in contract() if set(contract()[group]) - set(command.commands[group].commands)} == set()


def test_what_a_command_by_hand_does_with_many_has_no_second_command() -> None:
    """One way to retry, to pause and to resume: by a name, or by `--filter`."""
    assert {"retry-deliveries", "pause-alarms", "resume-alarms"} & {verb for rows in contract().values() for verb in rows} == set()
    command: Any = typer.main.get_command(make_app())
    for group, verb in (("delivery", "retry"), ("alarm", "pause"), ("alarm", "resume")):
        assert "--filter" in {name for each in command.commands[group].commands[verb].params for name in each.opts}


def test_a_command_alone_is_the_command_of_all() -> None:
    """What is loaded for one has the same name and options as in the whole."""
    whole: Any = typer.main.get_command(make_app())
    for group, verb in (("alarm", "list"), ("alarm", "get"), ("alarm", "edit"), ("recipient", "list"), ("record", "set")):
        alone: Any = typer.main.get_command(make_app([group, verb]))
        assert list(alone.commands) == [group]
        assert [each.opts for each in alone.commands[group].commands[verb].params] == [
            each.opts for each in whole.commands[group].commands[verb].params
        ]


@pytest.mark.parametrize(
    "words", ["--version", "alarm list", "alarm get alarms/1", "alarm pause 1", "firing list", "recipient list", "incident list"]
)
def test_a_simple_command_loads_no_service(words: str) -> None:
    """Neither the runtime nor databases nor gRPC: that is what made a command cost three times as much."""
    argv = [*words.split(), *([] if words == "--version" else ["--url", "http://127.0.0.1:1"])]
    told = f"import sys\nfrom tocsin.cli.__main__ import main\ntry: main({argv!r})\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, env={**os.environ, "NO_PROXY": "*"})
    assert "tocsin " in done.stdout if words == "--version" else "cannot be reached" in done.stderr
    assert sorted(HEAVY & set(done.stdout.split())) == []


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ("alarm get 1", ("GET", "/v1/alarms/1", None)),
        ("alarm get alarms/1", ("GET", "/v1/alarms/1", None)),
        ("alarm pause 1", ("POST", "/v1/alarms/1:pause", {})),
        ("alarm delete 1", ("DELETE", "/v1/alarms/1", None)),
        ("alarm update 1 --set displayName=y --set labels.a=5", ("PATCH", "/v1/alarms/1", {"displayName": "y", "labels": {"a": 5}})),
        ("record set k --value v", ("PUT", "/v1/records/k", {"value": "v"})),
        ("mesh close-breaker a/b", ("POST", "/v1/mesh/breakers/a/b:close", {})),
        ("preference get ann", ("GET", "/v1/recipients/ann/preferences", None)),
        ("preference get preferences", ("GET", "/v1/preferences", None)),
    ],
)
def test_a_call_is_what_was_written(server: tuple[str, Asked], words: str, asked: tuple[str, str, Any]) -> None:
    """Path, query and body."""
    done = run(server, *words.split())
    assert done.exit_code == 0, done.output
    assert server[1] == [asked]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("alarm get records/k1", "alarms/{id}"),
        ("alarm get ..", "alarms/{id}"),
        ("alarm get alarms/a/b", "alarms/{id}"),
        ("alarm update --set displayName=y", "alarms/{id}"),
        ("alarm update 1 --set displayName", "path=value"),
        ("alarm update 1 --set a=1 --set a.b=2", "a is no object"),
        ("alarm update 1 --file /nowhere.yaml", "cannot be read"),
        ("trigger record-reading --set value=1 --output pdf", "pdf"),
        ("alarm get 1 --colour red", "colour"),
        ("alarm gett 1", "gett"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_sent(server: tuple[str, Asked], words: str, says: str) -> None:
    """In words, with another exit code."""
    done = run(server, *words.split())
    assert done.exit_code != 0
    assert says in f"{done.output}{done.exception}"
    assert server[1] == []


@pytest.mark.parametrize(
    ("output", "read"), [("yaml", yaml.safe_load), ("json", json.loads), ("table", lambda text: text if "alarms/1" in text else None)]
)
def test_answers_are_written_as_asked(server: tuple[str, Asked], output: str, read: Any) -> None:
    """One resource, and --json as before."""
    found = read(run(server, "alarm", "get", "1", "--output", output).stdout)
    assert found == ALARM or "ACTIVE" in found
    assert json.loads(run(server, "alarm", "get", "1", "--json").stdout) == ALARM


def test_an_edit_changes_what_was_changed(server: tuple[str, Asked], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fields that differ; nothing is sent when nothing does, nor when the editor fails."""
    script = tmp_path / "editor"
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    script.write_text("import sys; p = sys.argv[1]; t = open(p).read().replace('displayName: x', 'displayName: y'); open(p, 'w').write(t)")
    assert run(server, "alarm", "edit", "1").exit_code == 0
    assert server[1][1:] == [("PATCH", "/v1/alarms/1", {"displayName": "y", "name": "alarms/1"})]
    for text, code in (("pass", 0), ("raise SystemExit(1)", 2), ("import sys; open(sys.argv[1], 'w').write('a: 1\\na: 2')", 2)):
        script.write_text(text)
        assert run(server, "alarm", "edit", "1").exit_code == code
        assert [method for method, _, _ in server[1]] == ["GET"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "'a' comes twice"),
        ("a: &x [1]\nb: *x", "references are not taken"),
        ("- 5", "no resource"),
        ("[", "cannot be read"),
        ("1: a", "no text"),
        ("!!python/object/apply:os.system [ls]", "cannot be read"),
        ("a: " + "[" * 5000, "cannot be read"),
    ],
    ids=["twice", "references", "number", "cut", "key", "tag", "deep"],
)
def test_a_file_that_is_no_resource_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """Small, finite and plain."""
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(typer.BadParameter, match=says):
        list(documents(file))


def test_values_are_those_of_json(tmp_path: Path) -> None:
    """Times, octal numbers and yes stay texts; NaN is none."""
    file = tmp_path / "a.yaml"
    file.write_text("time: 14:30\nday: 2026-12-01\nzero: 0123\nyes: yes\nn: 5\nf: 2.5\nb: true\nnan: .nan\nnone: null\nempty:")
    found = {
        "time": "14:30",
        "day": "2026-12-01",
        "zero": "0123",
        "yes": "yes",
        "n": 5,
        "f": 2.5,
        "b": True,
        "nan": ".nan",
        "none": None,
        "empty": None,
    }
    assert document(file, ["n=6"]) == {**found, "n": 6}


def test_a_context_is_kept_for_its_owner_alone(server: tuple[str, Asked], settings: Path) -> None:
    """Made by a key that works, used by later commands, forgotten; never beside a URL that was given."""
    login = CliRunner().invoke(make_app(["login"]), ["login", server[0], "--name", "work"], input="tk_right\n")
    assert login.exit_code == 0, login.output
    assert "tk_right" not in login.output
    file = settings / "contexts.json"
    assert (file.stat().st_mode & 0o777, settings.stat().st_mode & 0o777) == (0o600, 0o700)
    assert CliRunner().invoke(make_app(["alarm", "get"]), ["alarm", "get", "1"]).exit_code == 0
    assert "tk_right" not in CliRunner().invoke(make_app(["context"]), ["context", "list", "--json"]).output
    before = file.read_text()
    refused = CliRunner().invoke(make_app(["login"]), ["login", server[0], "--name", "other"], input="tk_wrong\n")
    assert (refused.exit_code, file.read_text()) == (1, before)
    file.chmod(0o644)
    assert isinstance(CliRunner().invoke(make_app(["alarm", "get"]), ["alarm", "get", "1"]).exception, contexts.ContextsUnreadable)
    file.chmod(0o600)
    for word, code in (("nothing", 1), ("local", 0), ("work", 0)):
        assert CliRunner().invoke(make_app(["context"]), ["context", "use", word]).exit_code == code
    assert CliRunner().invoke(make_app(["context"]), ["context", "delete", "work"]).exit_code == 0
    assert contexts.load() == contexts.Contexts()


@pytest.mark.parametrize("text", ["", "[]", '{"current": 5}', '{"current": "a", "contexts": {"a": {}}}'])
def test_a_damaged_file_of_contexts_says_so(settings: Path, text: str) -> None:
    """And shows nothing of it."""
    settings.mkdir()
    (settings / "contexts.json").write_text(text)
    (settings / "contexts.json").chmod(0o600)
    with pytest.raises(contexts.ContextsUnreadable, match="sign in again"):
        contexts.load()
