"""Structured logs to stderr: one JSON object (or one coloured line) a record, whoever wrote it.

Every record, of Tocsin or of a library, goes through the standard library's root handler, gets the service, the trace id and the tenant
where they are known, and loses what looks like a secret. Without `configure_logging` (in tests) records reach the standard library's
handlers as they are.
"""

import logging
import re
import sys
import threading
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Final, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from tocsin.telemetry.traces import current_traceparent, trace_id_of

LogFormat = Literal["json", "console"]
Logger = structlog.stdlib.BoundLogger

_tenant: ContextVar[str | None] = ContextVar("tocsin_tenant", default=None)

_MASK: Final = "[redacted]"
_SECRET_KEY: Final = re.compile(
    r"(?:password|passwd|secret|token|api[_-]?key|private[_-]?key|authorization|cookie|credentials?)$", re.IGNORECASE
)
# A text is cut before it is searched, and every expression here takes time that grows with its length alone.
_LONGEST_TEXT: Final = 16 * 1024
# What gives a secret away inside of a text: a bearer header, an API key, the password of a URL, a PEM private key.
_SECRET_TEXT: Final = re.compile(
    r"(?P<keep>\bbearer\s+)[\w.~+/=-]{8,}"
    r"|\btk_[0-9a-z]{16,}"
    r"|(?<=://)(?P<user>[^\s:/@]*:)[^\s/@]+(?=@)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    re.IGNORECASE | re.DOTALL,
)
# A JWT begins with the base64url of a brace and a quote; it is looked for in words joined by dots.
_JWT_START: Final = "eyJ"
_DOTTED: Final = re.compile(r"(?<![\w.-])[\w-]++(?:\.[\w-]*+)++")
# Libraries that tell of every request at INFO; Tocsin's own records say it better.
_CHATTY: Final = ("httpx2", "httpcore2", "asyncio", "aiosqlite", "hpack", "mail.log", "mail.debug")
_SILENT: Final = ("apprise", "aiormq", "aio_pika", "aiokafka")
"""Libraries whose lines hold the addresses of people, or what messages say."""
# Libraries that tell of their own set-up at INFO; whoever looks for a mistake in a migration asks for DEBUG.
_QUIET_UNLESS_DEBUG: Final = ("alembic",)
# Loggers that arrive with handlers of their own.
_OWN_HANDLERS: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "alembic", "grpc")


def get_logger(name: str) -> Logger:
    """The logger of a module; costs nothing until its first record."""
    return cast("Logger", structlog.wrap_logger(logging.getLogger(name), processors=_EMIT, wrapper_class=structlog.stdlib.BoundLogger))


def bind_tenant(tenant: str | None) -> Token[str | None]:
    """Names the tenant on every record of the current task; undone by `unbind_tenant`."""
    return _tenant.set(tenant)


def unbind_tenant(token: Token[str | None]) -> None:
    """Undoes `bind_tenant`."""
    _tenant.reset(token)


class KeptBack(logging.Filter):
    """Keeps what a library says again and again out of the log; the last of it is the reason in a line of our own."""

    def __init__(self) -> None:
        super().__init__()
        self._said = threading.local()

    def keep_back(self, name: str) -> None:
        """Lets nothing of this logger pass; further requests change nothing."""
        logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Remembers it, and lets nothing pass."""
        self._said.line = record.getMessage()
        return False

    def last(self) -> str:
        """What was said last in this thread; empty if nothing was."""
        return getattr(self._said, "line", "")


class WithoutLines(logging.Filter):
    """Leaves out of the log what strangers can have a library say at will."""

    def __init__(self, *beginnings: str) -> None:
        """Takes what such lines begin with."""
        super().__init__()
        self._beginnings = beginnings

    def leave_out_of(self, name: str) -> None:
        """Lets no such line of this logger pass; further requests change nothing."""
        logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is another line."""
        return not record.getMessage().startswith(self._beginnings)


def configure_logging(*, service: str, level: str = "INFO", log_format: LogFormat = "json", stream: TextIO | None = None) -> None:
    """Routes every record of this process to ``stream`` (stderr). Replaces what was configured before; may be called twice.

    Args:
        service: the name that stands on every record.
        level: the least level that is written, in any case ("info").
        log_format: "json" for machines, "console" for people.
        stream: where to; stderr unless given.
    """
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(service, log_format, colors=target.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    # For loggers that were made with structlog.get_logger: their own default would print to stdout.
    structlog.configure(processors=_EMIT, logger_factory=structlog.stdlib.LoggerFactory(), wrapper_class=structlog.stdlib.BoundLogger)
    for name in _OWN_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    quiet = max(root.level, logging.WARNING)
    for name in _SILENT:
        logging.getLogger(name).propagate = False
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # without a handler, warnings would go to stderr
    for name in _CHATTY:
        logging.getLogger(name).setLevel(quiet)
    for name in _QUIET_UNLESS_DEBUG:
        logging.getLogger(name).setLevel(root.level if root.level <= logging.DEBUG else quiet)


def _formatter(service: str, log_format: LogFormat, *, colors: bool) -> logging.Formatter:
    def identify(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        traceparent = current_traceparent()
        if traceparent is not None:
            event["trace_id"] = trace_id_of(traceparent)
        tenant = _tenant.get()
        if tenant is not None:
            event["tenant"] = tenant
        return event

    rendering: list[Processor]
    if log_format == "json":
        rendering = [structlog.processors.JSONRenderer(default=str, ensure_ascii=False)]
    else:
        rendering = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time" if log_format == "json" else "timestamp"),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            identify,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            redact,
            *rendering,
        ],
    )


def redact(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Masks what must never be written: values under secret names, and secrets inside of texts."""
    for key, value in event.items():
        event[key] = _clean(key, value)
    return event


def _clean(key: str, value: object) -> object:
    if isinstance(value, bool | int | float | None):
        return value
    if _SECRET_KEY.search(key):
        return _MASK
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping):
        items = cast("Mapping[object, object]", value).items()
        return {str(name): _clean(str(name), inner) for name, inner in items}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", inner) for inner in cast("list[object]", value)]
    return _clean_text(str(value))


def _clean_text(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}… ({len(text) - _LONGEST_TEXT} more)"
    if _JWT_START in text:
        text = _DOTTED.sub(_mask_jwt, text)
    return _SECRET_TEXT.sub(_mask, text)


def _mask_jwt(found: re.Match[str]) -> str:
    before, start, _ = found[0].partition(_JWT_START)
    return before + _MASK if start else before


def _mask(found: re.Match[str]) -> str:
    return (found["keep"] or found["user"] or "") + _MASK


_EMIT: Final[list[Processor]] = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
