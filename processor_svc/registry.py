"""Task handlers: plain typed functions, marked by a decorator, found through entry points.

A package adds handlers by naming a module in the entry-point group ``tocsin.tasks``::

    [project.entry-points."tocsin.tasks"]
    mine = "my_package.tasks"

Every function of that module that `task` marks becomes a handler. Its parameters are its input: their annotations give the JSON
Schema. A parameter annotated with `TaskContext` gets the context of the run instead.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from processor_svc.domain import HandlerNotFound, Json
from processor_svc.results import bounded_text
from tocsin.errors import FieldViolation, InvalidInput

ENTRY_POINT_GROUP = "tocsin.tasks"
_MARK = "__tocsin_task__"
_MOST_MESSAGE = 200  # characters

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """The context of one run of a handler.

    ``firing`` is the same at every attempt: use it as the idempotency key of side effects. ``attempt`` counts from 1.

    A long run may say how far it is by `progress`; whoever follows the task (``GET /v1/tasks/{id}:watch``) sees it. When the task is
    cancelled, an async handler is cancelled, and a synchronous one finds `cancelled` to be true; a run that does not end soon is killed.

    ``origin`` says where the firing comes from ("SCHEDULE", "MANUAL", "ADHOC", "BACKFILL", "EVENT", "RAISED", "RESOLVED"), and ``about``
    what triggered it: ``{"event": {"id", "topic", "source", "time", "data"}}``, ``{"signal", "reading"}`` and the like, or empty.
    """

    firing: str
    tenant: str
    attempt: int
    alarm: str = ""
    origin: str = "SCHEDULE"
    about: Mapping[str, Json] = field(default_factory=dict[str, Json])
    on_progress: Callable[[float, str], None] | None = field(default=None, repr=False, compare=False)
    is_cancelled: Callable[[], bool] | None = field(default=None, repr=False, compare=False)

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled the task."""
        return self.is_cancelled is not None and self.is_cancelled()

    def progress(self, fraction: float, message: str = "") -> None:
        """Says how much is done, from 0 to 1, and what is being done; costs little, and may be called often."""
        share = float(fraction)
        if self.on_progress is not None and math.isfinite(share):
            self.on_progress(min(max(share, 0.0), 1.0), bounded_text(message)[:_MOST_MESSAGE])


@dataclass(frozen=True, slots=True, kw_only=True)
class _TaskMark:
    name: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """A registered handler. ``timeout_seconds`` bounds one attempt."""

    name: str
    description: str
    timeout_seconds: float
    function: Callable[..., Any]
    is_async: bool
    context_parameter: str | None
    parameters: tuple[str, ...]
    input_model: type[BaseModel]
    input_schema: Mapping[str, Json] = field(repr=False)

    def parse(self, arguments: Mapping[str, Json]) -> dict[str, Any]:
        """Checks ``arguments`` against the parameters and converts them.

        Raises:
            InvalidInput: an argument is missing, unknown, or of the wrong type; each is named below ``input``.
        """
        try:
            parsed = self.input_model.model_validate(dict(arguments))
        except ValidationError as error:
            violations = [FieldViolation(".".join(["input", *map(str, each["loc"])]), each["msg"]) for each in error.errors()]
            message = "; ".join(f"{violation.field}: {violation.description}" for violation in violations)
            raise InvalidInput(message, violations=violations) from None
        return {name: getattr(parsed, name) for name in self.parameters}


def task(name: str, *, timeout_seconds: float = 30.0) -> Callable[[Function], Function]:
    """Marks a function as the handler ``name``.

    Handlers run in child processes: the async ones of a package share one, any other has one to itself. A handler returns a JSON object,
    or another JSON value, which is stored as ``{"value": ...}``. It may run again after a crash: make its side effects idempotent by
    `TaskContext.firing`.
    """

    def mark(function: Function) -> Function:
        setattr(function, _MARK, _TaskMark(name=name, timeout_seconds=timeout_seconds))
        return function

    return mark


class Registry:
    """The handlers of this process, by name."""

    def __init__(self, handlers: Iterable[Handler]) -> None:
        """Takes the handlers.

        Raises:
            InvalidInput: two handlers have the same name.
        """
        self._handlers: dict[str, Handler] = {}
        for handler in handlers:
            if handler.name in self._handlers:
                raise InvalidInput.at("tocsin.tasks", f"two handlers are named {handler.name!r}")
            self._handlers[handler.name] = handler

    def __iter__(self) -> Iterator[Handler]:
        """The handlers, by name."""
        return iter(sorted(self._handlers.values(), key=lambda handler: handler.name))

    def __contains__(self, name: object) -> bool:
        """Whether there is a handler of that name."""
        return name in self._handlers

    def get(self, name: str) -> Handler:
        """The handler ``name``.

        Raises:
            HandlerNotFound: nothing is registered under it.
        """
        handler = self._handlers.get(name)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            message = f"no handler is named {name!r}; there are: {known}"
            raise HandlerNotFound(f"handler: {message}", violations=[FieldViolation("handler", message)])
        return handler


def handlers_of(module: ModuleType) -> list[Handler]:
    """The handlers that ``module`` defines."""
    functions = [value for value in vars(module).values() if inspect.isfunction(value) and hasattr(value, _MARK)]
    return [handler_of(function) for function in functions]


def handler_of(function: Callable[..., Any]) -> Handler:
    """The handler that a marked function is."""
    mark: _TaskMark = getattr(function, _MARK)
    hints = get_type_hints(function, include_extras=True)
    context_parameter = next((name for name, hint in hints.items() if hint is TaskContext), None)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name != context_parameter:
            fields[name] = (hints.get(name, Any), ... if parameter.default is inspect.Parameter.empty else parameter.default)
    model = create_model(f"{mark.name}_input", __config__=ConfigDict(extra="forbid"), **fields)
    return Handler(
        name=mark.name,
        description=inspect.getdoc(function) or "",
        timeout_seconds=mark.timeout_seconds,
        function=function,
        is_async=inspect.iscoroutinefunction(function),
        context_parameter=context_parameter,
        parameters=tuple(fields),
        input_model=model,
        input_schema=model.model_json_schema(),
    )
