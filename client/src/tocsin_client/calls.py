"""Calls as the contract has them, and what is made of one: the request, whether and when it is sent again, the answer.

Nothing here waits or sends: `tocsin_client.client` does, with and without asyncio.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode
from uuid import uuid4

from tocsin_client import errors
from tocsin_client.errors import InvalidInput, TocsinError, UnexpectedAnswer, members
from tocsin_client.names import path_of
from tocsin_client.values import Kind, Model, Param, written

Repeat = Literal["always", "key", "never"]
"""When a call may be sent again: always; with an Idempotency-Key; only when it never left."""

JSON_TYPE: Final = "application/json"
_NOBODY: Final = ""


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is no message: bytes with their media type."""

    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A request, ready to be sent.

    Attributes:
        method: the HTTP method.
        target: path and query.
        headers: beside those that every request has.
        content: the body; None for none.
        repeat: when it may be sent again.
        timeout: seconds that the contract gives it.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    content: Any = field(repr=False)
    repeat: Repeat
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One RPC over REST.

    Attributes:
        method: the HTTP method.
        paths: its path templates, in the order in which they are tried.
        params: what it takes, by name in Python.
        body: "*" when what the path does not take is the body; the parameter that is the body; or empty.
        uploads: how a body that is a stream of messages wraps each: {its name: message}; None for other bodies.
        raw: whether the body is bytes.
        answer: the kind of the answer, or of each of its messages; None for no message.
        identity: the parameter, or the member of the body behind a dot, that makes a repeated call the same one.
        repeat: when it may be sent again.
        timeout: seconds that the contract gives it.
    """

    method: str
    paths: tuple[str, ...]
    params: Mapping[str, Param]
    body: str = _NOBODY
    uploads: str | None = None
    raw: bool = False
    answer: Kind | None = None
    content: bool = False
    identity: str = ""
    repeat: Repeat
    timeout: float

    def request(self, given: Mapping[str, Any], *, key: str | None = None, accept: str = JSON_TYPE) -> Request:
        """The request for arguments; those that are None are left out.

        Raises:
            InvalidInput: an argument is of another type, or JSON cannot express it.
            NameInvalid: a name is not one of the resource.
        """
        streamed = self.body if self.uploads is not None or self.raw else ""
        values = {
            name: written(param, given[name]) for name, param in self.params.items() if name != streamed and given.get(name) is not None
        }
        target = path_of(self.paths, {**values, **self._nested(values)})
        in_path = {name for name in values if any(f"{{{name}{end}" in path for path in self.paths for end in "=}")}
        others = {name: value for name, value in values.items() if name not in in_path and name != self.body}
        headers = {"Accept": accept}
        if key is not None or self.repeat == "key":
            headers["Idempotency-Key"] = key or str(uuid4())
        content: Any = None
        if self.raw:
            content, headers["Content-Type"] = given[self.body], given["content_type"]
        elif self.uploads is not None:
            content, headers["Content-Type"] = given[self.body], "application/x-ndjson"
        elif self.body:
            spelled = {self.params[name].json_name: value for name, value in others.items()}
            whole = spelled if self.body == "*" else values.get(self.body, {})
            content, headers["Content-Type"] = as_json(self._identified(whole, self.body)), JSON_TYPE
        if self.body != "*" and (query := self._query(self._identified(others, ""))):
            target += f"?{query}"
        return Request(self.method, target, headers, content, self.repeat, self.timeout)

    def _nested(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Names that the body holds, such as ``alarm.name``."""
        body = members(values.get(self.body))
        return {f"{self.body}.{name}": value for name, value in body.items() if isinstance(value, str)}

    def _identified(self, whole: Mapping[str, Any], body: str) -> Mapping[str, Any]:
        """With the identity that a repeated call has as well, made up where the caller gave none."""
        owner, _, name = self.identity.rpartition(".")
        if not self.identity or (owner or ("*" if self.body == "*" else "")) != body:
            return whole
        spelled = self.params[name].json_name if not owner else name
        if body:
            return whole if whole.get(spelled) else {**whole, spelled: str(uuid4())}
        return whole if whole.get(name) else {**whole, name: str(uuid4())}

    def _query(self, values: Mapping[str, Any]) -> str:
        pairs = [(self.params[name].json_name, each) for name, value in values.items() for each in _each(value)]
        try:
            return urlencode([(name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in pairs])
        except UnicodeEncodeError:
            msg = "the query holds what UTF-8 cannot express"
        raise InvalidInput(msg)

    def answered(self, data: bytes, media_type: str) -> Any:
        """What an answer says.

        Raises:
            UnexpectedAnswer: it is not what the contract says.
        """
        if self.content:
            return Content(media_type, data)
        return None if self.answer is None else self.message(data)

    def message(self, data: bytes) -> Any:
        """One message of the answer.

        Raises:
            UnexpectedAnswer: it is not what the contract says.
        """
        try:
            return self.answer.read(json.loads(data)) if self.answer is not None else None
        except (ValueError, TypeError, RecursionError):
            msg = "the answer is not what the contract says: this may be no Tocsin gateway"
        raise UnexpectedAnswer(msg)

    def line(self, item: Any) -> bytes:
        """One message of a body that is a stream.

        Raises:
            InvalidInput: it is of another type, or JSON cannot express it.
        """
        value = written(self.params[self.body], item)
        return as_json({self.uploads: value} if self.uploads else value) + b"\n"


def _each(value: Any) -> list[Any]:
    """The values of a parameter that may be given more than once."""
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def as_json(value: Any) -> bytes:
    """A value as JSON.

    Raises:
        InvalidInput: JSON has no such value: NaN, half of a surrogate pair, an object in a circle.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_model).encode()
    except (ValueError, TypeError, RecursionError) as error:
        words = "half of a surrogate pair" if isinstance(error, UnicodeEncodeError) else str(error)
    msg = f"JSON cannot express the request: {words}"
    raise InvalidInput(msg)


def _model(value: Any) -> Any:
    """A model within a mapping."""
    if isinstance(value, Model):
        return value.json
    msg = f"{type(value).__name__} has no form in JSON"
    raise TypeError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often and how long a call is sent again. A wait that the gateway asks for (Retry-After) is kept to.

    Attributes:
        attempts: most attempts in all; 1 never repeats.
        first_wait: most seconds of the first wait; each one after it may be twice as long, and is drawn anew.
        longest_wait: most seconds of a wait, unless the gateway asks for more.
        patience: most seconds of all waits; where the gateway asks for more, the error is raised at once.
    """

    attempts: int = 4
    first_wait: float = 0.2
    longest_wait: float = 5.0
    patience: float = 30.0


class Attempts:
    """The attempts of one call."""

    def __init__(self, rule: RetryRule, draw: Callable[[], float] = random.random) -> None:
        """Begins with the first one; ``draw`` gives a number from 0 to 1."""
        self._rule = rule
        self._draw = draw
        self._made = 1
        self._left = rule.patience

    def wait(self, error: TocsinError, repeat: Repeat) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        if self._made >= self._rule.attempts or not _may_pass(error) or (repeat == "never" and not isinstance(error, errors.NotSent)):
            return None
        drawn = self._draw() * min(self._rule.first_wait * 2 ** (self._made - 1), self._rule.longest_wait)
        wait = drawn if error.retry_after is None else error.retry_after
        if wait > self._left:
            return None
        self._made += 1
        self._left -= wait
        return wait


def _may_pass(error: TocsinError) -> bool:
    """Whether the same request may succeed a little later."""
    if isinstance(error, errors.ResourceExhausted):
        return error.retry_after is not None
    return isinstance(error, errors.Unavailable | errors.DeadlineExceeded) or error.reason == "IDEMPOTENCY_KEY_IN_USE"
