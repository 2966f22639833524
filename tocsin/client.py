"""The Python SDK: Tocsin's REST interface as methods, and its problems as the error tree.

Resources are plain dictionaries in the JSON form of the contract (lowerCamelCase names, RFC 3339 times).

    with Client(url="http://127.0.0.1:8000", api_key=key) as tocsin:
        alarm = tocsin.create_alarm({"trigger": {"every": "60s"}, "action": {"task": {"handler": "noop"}}})
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self, cast

import httpx

from tocsin import errors
from tocsin.clock import Clock, SystemClock
from tocsin.credential import authorization
from tocsin.errors import FieldViolation, TocsinError
from tocsin.resource_names import resource_path, segment

Resource = dict[str, Any]

_TIMEOUT_SECONDS: Final = 30.0
_SILENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1
_LONGEST_POLL_SECONDS: Final = 1.0
_PAGE_SIZE: Final = 200
_DONE: Final = frozenset({"SUCCEEDED", "FAILED"})
# google.rpc.Code, as the problem's member "code" names it.
_ERRORS: Final[Mapping[str, type[TocsinError]]] = {
    "CANCELLED": errors.Cancelled,
    "INVALID_ARGUMENT": errors.InvalidInput,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "NOT_FOUND": errors.NotFound,
    "ALREADY_EXISTS": errors.AlreadyExists,
    "PERMISSION_DENIED": errors.PermissionDenied,
    "RESOURCE_EXHAUSTED": errors.ResourceExhausted,
    "FAILED_PRECONDITION": errors.FailedPrecondition,
    "ABORTED": errors.Aborted,
    "OUT_OF_RANGE": errors.OutOfRange,
    "UNIMPLEMENTED": errors.Unimplemented,
    "INTERNAL": errors.Internal,
    "UNAVAILABLE": errors.Unavailable,
    "DATA_LOSS": errors.DataLoss,
    "UNAUTHENTICATED": errors.Unauthenticated,
}
# For answers that are no problem documents, such as those of a proxy in between.
_STATUSES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Client:
    """One connection pool to a gateway. Methods raise the classes of `tocsin.errors`; may be shared by threads."""

    def __init__(
        self,
        *,
        url: str,
        api_key: str | None = None,
        timeout: float = _TIMEOUT_SECONDS,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Connects at the first call.

        Args:
            url: the gateway, such as ``http://127.0.0.1:8000``.
            api_key: an API key, or an access token; white space around it is left out.
            timeout: seconds for one answer.
            clock: measures waits; the machine's unless given.
            sleep: waits, in seconds.
            transport: replaces the network in tests.

        Raises:
            Unauthenticated: the key has a character that no key has; it is not shown.
        """
        headers = {"Authorization": authorization(api_key)} if api_key else {}
        self._clock = clock or SystemClock()
        self._sleep = sleep
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def call(self, method: str, path: str, *, body: object = None, params: Mapping[str, str | int] | None = None) -> Resource:
        """Any call of the REST interface.

        Args:
            method: "GET", "POST", ...
            path: such as ``/v1/alarms``.
            body: sent as JSON unless None.
            params: the query.

        Raises:
            TocsinError: the class that fits the answer; Unavailable when there was none.
        """
        try:
            answer = self._http.request(method, path, json=body, params=params)
        except httpx.TimeoutException as error:
            raise errors.DeadlineExceeded(f"{self._http.base_url} did not answer in time") from error
        except httpx.HTTPError as error:
            raise errors.Unavailable(f"{self._http.base_url} cannot be reached: {error}") from error
        if answer.is_error:
            raise error_of(answer)
        return _json(answer)

    def health(self) -> Resource:
        """The health of the whole installation, whatever it is."""
        try:
            return _json(self._http.get("/health"))
        except httpx.HTTPError as error:
            raise errors.Unavailable(f"{self._http.base_url} cannot be reached: {error}") from error

    def create_alarm(self, alarm: Resource, *, request_id: str | None = None) -> Resource:
        """Stores an alarm. A repeated call with the same ``request_id`` (a UUID) answers with the first one's alarm."""
        return self.call("POST", "/v1/alarms", body=alarm, params={"requestId": request_id or str(uuid.uuid4())})

    def get_alarm(self, name: str) -> Resource:
        """Reads ``alarms/{id}``."""
        return self.call("GET", resource_path(name, "alarms"))

    def list_alarms(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """All alarms, page by page as they are consumed."""
        return self.pages("/v1/alarms", "alarms", {"filter": filter} if filter else {})

    def delete_alarm(self, name: str) -> None:
        """Removes ``alarms/{id}``."""
        self.call("DELETE", resource_path(name, "alarms"))

    def pause_alarm(self, name: str) -> Resource:
        """Lets ``alarms/{id}`` fire nothing until it is resumed."""
        return self.call("POST", resource_path(name, "alarms") + ":pause", body={})

    def resume_alarm(self, name: str) -> Resource:
        """Lets ``alarms/{id}`` fire again."""
        return self.call("POST", resource_path(name, "alarms") + ":resume", body={})

    def fire_alarm(self, name: str, *, request_id: str | None = None) -> Resource:
        """Fires ``alarms/{id}`` now, beside its schedule."""
        return self.call("POST", resource_path(name, "alarms") + ":fire", body={"requestId": request_id or str(uuid.uuid4())})

    def list_firings(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """The ledger, the latest due time first."""
        return self.pages("/v1/firings", "firings", {"filter": filter} if filter else {})

    def watch_firings(self, *, alarm: str = "", resume_token: str = "") -> Iterator[Resource]:
        """Changes of firings as they happen: ``{"firing": {…}, "resumeToken": "…"}``; ends when the server ends the stream."""
        params = {name: value for name, value in (("alarm", alarm), ("resumeToken", resume_token)) if value}
        return self.stream("/v1/firings:watch", params)

    def publish_event(
        self, topic: str, data: Resource | None = None, *, event_id: str = "", source: str = "", time: str | None = None
    ) -> Resource:
        """Publishes an event; one with a known ``event_id`` does nothing. ``time`` is in RFC 3339."""
        return self.call(
            "POST", "/v1/events", body=_given(topic=topic, data=data, id=event_id or str(uuid.uuid4()), source=source, time=time)
        )

    def record_reading(self, metric: str, value: float, *, reading_id: str = "", source: str = "", time: str | None = None) -> Resource:
        """Records a reading of a metric; one with a known ``reading_id`` does nothing. ``time`` is in RFC 3339."""
        said = _given(metric=metric, id=reading_id or str(uuid.uuid4()), source=source, time=time)
        return self.call("POST", "/v1/readings", body={"value": value, **said})

    def ping(self, key: str) -> Resource:
        """Says that the heartbeat of this key is alive."""
        return self.call("POST", f"/v1/pings/{segment(key)}", body={})

    def list_deliveries(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """Deliveries, the newest first, without their timelines."""
        return self.pages("/v1/deliveries", "deliveries", {"filter": filter})

    def get_delivery(self, name: str) -> Resource:
        """Reads ``deliveries/{id}`` with its timeline."""
        return self.call("GET", resource_path(name, "deliveries"))

    def retry_delivery(self, name: str) -> Resource:
        """Sends a delivery again that is DEAD or whose outcome is unknown; another one is answered as it is."""
        return self.call("POST", f"{resource_path(name, 'deliveries')}:retry", body={})

    def retry_deliveries(self, *, filter: str = "", limit: int = 100) -> Resource:  # noqa: A002 - likewise
        """Sends DEAD deliveries again that meet a filter (or ``state="OUTCOME_UNKNOWN"``); tells which, and whether more are left."""
        return self.call("POST", "/v1/deliveries:retry", body={"filter": filter, "limit": limit})

    def list_messages(self) -> Iterator[Resource]:
        """The mails of the dev inbox, the newest first."""
        return self.pages("/v1/inbox/messages", "messages", {})

    def get_message(self, name: str) -> Resource:
        """Reads ``inbox/messages/{id}``."""
        return self.call("GET", resource_path(name, "inbox/messages"))

    def submit_task(self, handler: str, data: Resource | None = None, *, request_id: str | None = None) -> Resource:
        """Queues a task and returns at once."""
        body = {"handler": handler, "input": data or {}, "requestId": request_id or str(uuid.uuid4())}
        return self.call("POST", "/v1/tasks", body=body)

    def get_task(self, name: str) -> Resource:
        """Reads ``tasks/{id}``, with its result once it has one."""
        return self.call("GET", resource_path(name, "tasks"))

    def wait_task(self, name: str, *, timeout: float) -> Resource:
        """The task ``tasks/{id}`` once it SUCCEEDED or FAILED; an installation that is away for a while is waited for.

        Raises:
            DeadlineExceeded: it had not ended after ``timeout`` seconds.
        """
        end, wait = self._clock.monotonic() + timeout, _POLL_SECONDS
        while True:
            try:
                task = self.get_task(name)
                if task.get("state") in _DONE:
                    return task
            except errors.Unavailable as error:
                wait = max(wait, min(error.retry_after or 0, _LONGEST_POLL_SECONDS))
            if self._clock.monotonic() >= end:
                raise errors.DeadlineExceeded(f"{name} had not ended after {timeout:g} s")
            self._sleep(wait)
            wait = min(wait * 1.5, _LONGEST_POLL_SECONDS)

    def pages(self, path: str, key: str, params: Mapping[str, str]) -> Iterator[Resource]:
        """Every item of a list, page by page as they are consumed (AIP-158)."""
        token = ""
        while True:
            page = self.call("GET", path, params={**params, "pageSize": _PAGE_SIZE, **({"pageToken": token} if token else {})})
            yield from page.get(key, ())
            token = page.get("nextPageToken", "")
            if not token:
                return

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[Resource]:
        """The messages of a server stream (NDJSON), as they arrive.

        Raises:
            TocsinError: what ended the stream, unless the server ended it well.
        """
        headers = {"Accept": "application/x-ndjson"}
        try:
            # The gateway gives a sign of life every 15 s by default; a watch that hears none for a minute talks to nobody.
            timeout = httpx.Timeout(_TIMEOUT_SECONDS, read=_SILENCE_SECONDS)
            with self._http.stream("GET", path, params=params, headers=headers, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise error_of(answer)
                for line in _lines(answer.iter_bytes()):
                    if line.strip():
                        yield _item(json.loads(line))
        except httpx.HTTPError as error:
            raise errors.Unavailable(f"the stream from {self._http.base_url} broke: {error}") from error


def _given(**fields: object) -> Resource:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value}


def error_of(answer: httpx.Response) -> TocsinError:
    """The error that an answer stands for: a problem document (RFC 9457) of the gateway, or whatever came instead."""
    try:
        problem = _members(answer.json())
    except ValueError:
        problem = _members(None)
    if "code" not in problem:
        code = _STATUSES.get(answer.status_code, "INTERNAL")
        return _ERRORS[code](f"{answer.request.url.host} answered {answer.status_code} {answer.reason_phrase}")
    return problem_error(problem, retry_after=_seconds(answer.headers.get("retry-after")))


def problem_error(problem: Mapping[str, Any], *, retry_after: float | None = None) -> TocsinError:
    """The error that the members of a problem document stand for."""
    details = {str(item.get("@type", "")).rpartition(".")[2]: item for item in problem.get("details", ())}
    info = details.get("ErrorInfo", {})
    violations = details.get("BadRequest", {}).get("fieldViolations", ())
    return _ERRORS.get(str(problem.get("code")), TocsinError)(
        str(problem.get("detail") or problem.get("message") or problem.get("title") or "the request failed"),
        violations=[FieldViolation(str(item.get("field", "")), str(item.get("description", ""))) for item in violations],
        retry_after=retry_after,
        metadata=info.get("metadata"),
        reason=info.get("reason"),
    )


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a text that comes in pieces. Only LF ends one: JSON may hold what else Python takes for the end of a line."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    yield rest


def _item(line: Resource) -> Resource:
    """One message of a stream; a problem document in its place ends it."""
    problem = _members(line.get("error", line))
    if "code" in problem and "details" in problem:
        raise problem_error(problem)
    return line


def _members(value: object) -> Mapping[str, Any]:
    """The members of a JSON object; none of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _json(answer: httpx.Response) -> Resource:
    try:
        return answer.json()
    except ValueError as error:
        raise errors.Internal(f"{answer.request.url.host} did not answer with JSON; is it a Tocsin gateway?") from error


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isdigit() else None
