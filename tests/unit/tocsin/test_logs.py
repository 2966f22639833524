"""The log: one shape for every record, whoever made it, and no secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from tocsin.telemetry import bind_tenant, carry, configure_logging, get_logger, unbind_tenant, uncarry

SAMPLED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What `configure_logging` writes; the root logger is put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(service="scheduler_svc", level="info", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def records(stream: io.StringIO) -> list[dict[str, object]]:
    """The JSON lines written so far."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_object_with_service_level_logger_and_time(written: io.StringIO) -> None:
    """Machines can read every line without knowing the program."""
    get_logger("scheduler_svc.store").info("claimed", count=3)
    (record,) = records(written)
    assert record["event"] == "claimed"
    assert record["count"] == 3
    assert record["service"] == "scheduler_svc"
    assert record["level"] == "info"
    assert record["logger"] == "scheduler_svc.store"
    assert str(record["time"]).endswith("Z")


def test_a_record_of_a_library_takes_the_same_shape(written: io.StringIO) -> None:
    """The standard library's loggers, as uvicorn and Alembic use them, are routed through the same handler."""
    logging.getLogger("uvicorn.error").warning("bound to %s", "somewhere", extra={"attempt": 2})
    (record,) = records(written)
    assert (record["event"], record["service"], record["attempt"]) == ("bound to somewhere", "scheduler_svc", 2)


def test_a_bare_structlog_logger_takes_the_same_shape(written: io.StringIO) -> None:
    """What was made with structlog.get_logger is routed as well, instead of going to stdout."""
    structlog.get_logger("scheduler_svc.store").warning("database away", wait=1)
    (record,) = records(written)
    assert (record["event"], record["logger"], record["wait"]) == ("database away", "scheduler_svc.store", 1)


def test_records_below_the_level_are_not_written(written: io.StringIO) -> None:
    """The level of the settings holds for Tocsin's own loggers and for libraries."""
    get_logger("a").debug("unseen")
    logging.getLogger("b").debug("unseen")
    logging.getLogger("httpx2").info("HTTP Request: GET ...")
    assert written.getvalue() == ""


@pytest.mark.parametrize(("level", "lines"), [("info", 0), ("debug", 1)])
def test_a_migration_tells_of_its_set_up_only_while_debugging(written: io.StringIO, level: str, lines: int) -> None:
    """Alembic has a line at INFO for each of its plugins, at every start that migrates."""
    configure_logging(service="scheduler_svc", level=level, stream=written)
    logging.getLogger("alembic.runtime.plugins").info("setup plugin alembic.autogenerate.schemas")
    assert len(records(written)) == lines


def test_a_record_names_trace_and_tenant_when_they_are_known(written: io.StringIO) -> None:
    """A person can follow one request through the logs of every service."""
    carried, bound = carry(SAMPLED), bind_tenant("acme")
    get_logger("a").info("inside")
    uncarry(carried)
    unbind_tenant(bound)
    get_logger("a").info("outside")
    inside, outside = records(written)
    assert (inside["trace_id"], inside["tenant"]) == ("4bf92f3577b34da6a3ce929d0e0e4736", "acme")
    assert "trace_id" not in outside
    assert "tenant" not in outside


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"password": "hunter2hunter2"}, "hunter2"),
        ({"smtp_password": "hunter2hunter2"}, "hunter2"),
        ({"api_key": "abcdefgh12345678"}, "abcdefgh"),
        ({"headers": {"Authorization": "Basic abcdefgh"}}, "abcdefgh"),
        ({"header": "Bearer abcdefgh12345678"}, "abcdefgh"),
        ({"detail": f"refused {JWT} at 3"}, JWT),
        ({"detail": "refused tk_abcdefgh12345678ABCDEFGH"}, "abcdefgh"),
        ({"url": "postgresql+asyncpg://tocsin:hunter2@db/tocsin"}, "hunter2"),
        ({"value": SecretStr("hunter2hunter2")}, "hunter2"),
        ({"items": ["redis://:hunter2@cache"]}, "hunter2"),
        ({"pem": "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----"}, "MIGHAgEA"),
    ],
)
def test_secrets_are_never_written(written: io.StringIO, fields: dict[str, object], secret: str) -> None:
    """A secret is masked by its name or by its shape, wherever it stands in the record."""
    get_logger("a").warning("refused", **fields)
    assert written.getvalue()
    assert secret not in written.getvalue()


def test_a_secret_inside_of_a_traceback_is_masked(written: io.StringIO) -> None:
    """Errors of drivers quote the URL that they could not reach."""
    try:
        msg = "cannot connect to postgresql://tocsin:hunter2@db:5432/tocsin"
        raise ConnectionError(msg)
    except ConnectionError:
        get_logger("a").exception("failed")
    (record,) = records(written)
    assert "hunter2" not in written.getvalue()
    assert "ConnectionError" in str(record["exception"])
    assert "tocsin:[redacted]@db" in str(record["exception"])


@pytest.mark.parametrize("library", ["apprise", "aiormq.channel", "aio_pika", "aiokafka.conn"])
def test_libraries_whose_lines_hold_addresses_and_texts_say_nothing(
    written: io.StringIO, capsys: pytest.CaptureFixture[str], library: str
) -> None:
    """Neither in the log nor, as a logger without a handler would, on stderr."""
    logging.getLogger(library).error("Unhandled message body=%r", b"secret")
    assert (written.getvalue(), capsys.readouterr().err) == ("", "")


def test_console_lines_are_for_people(written: io.StringIO) -> None:
    """The console format tells the same facts without JSON."""
    stream = io.StringIO()
    configure_logging(service="gateway", log_format="console", stream=stream)
    get_logger("a").info("ready", http="http://127.0.0.1:8000")
    assert "ready" in stream.getvalue()
    assert "http://127.0.0.1:8000" in stream.getvalue()
    assert "{" not in stream.getvalue()
    assert written.getvalue() == ""
