"""The Python SDK: methods for Tocsin's REST API; problem documents are raised as the classes of `tocsin.errors`.

Resources are plain dictionaries in the JSON form of the contract (lowerCamelCase names, RFC 3339 times).

    with Client(url="http://127.0.0.1:8000", api_key=key) as tocsin:
        alarm = tocsin.create_alarm({"trigger": {"every": "60s"}, "action": {"task": {"handler": "noop"}}})
"""

import json
import re
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from tocsin import errors
from tocsin.clock import Clock, SystemClock
from tocsin.errors import Unauthenticated
from tocsin.problems import error_of, members, problem_error
from tocsin.resource_names import resource_path, segment

Resource = dict[str, Any]

_TIMEOUT_SECONDS: Final = 30.0
_SILENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1
_LONGEST_POLL_SECONDS: Final = 1.0
_PAGE_SIZE: Final = 200
_NO_TLS: Final = re.compile("WRONG_VERSION_NUMBER|record layer failure", re.IGNORECASE)
"""How OpenSSL, before 3.2 and since, calls a server that does not answer in TLS."""
_DONE: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
_UNDER_WAY: Final = frozenset({"ACCEPTED", "SENDING", "RETRYING"})
REACHED: Final = frozenset({"SENT", "DELIVERED", "DIGESTED", "HELD"})
"""States of deliveries that went out, or will at a time of their own."""


class Client:
    """A client of one gateway, with a connection pool. Threads may share it."""

    def __init__(
        self,
        *,
        url: str,
        api_key: str | None = None,
        timeout: float = _TIMEOUT_SECONDS,
        clock: Clock | None = None,
        sleep: Callable[[float], None] = time.sleep,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Makes the client; it connects with the first call.

        Args:
            url: the gateway, such as ``http://127.0.0.1:8000``.
            api_key: an API key or an access token; surrounding white space is stripped.
            timeout: seconds for one answer.
            clock: measures waits. Default: the system's.
            sleep: sleeps for so many seconds; replaced in tests.
            verify: what is trusted to be the gateway; by default the authorities of the system, or those of ``SSL_CERT_FILE``.
            transport: replaces the network in tests.

        Raises:
            Unauthenticated: the key has an invalid character. The message does not contain the key.
        """
        headers = {"Authorization": authorization(api_key)} if api_key else {}
        self._clock = clock or SystemClock()
        self._sleep = sleep
        trusted = (
            verify if url.startswith("https:") else False
        )  # without TLS there is nobody to trust, and loading the authorities takes time
        self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout, verify=trusted, transport=transport)

    def __enter__(self) -> Self:
        """Returns the client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the client."""
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def call(self, method: str, path: str, *, body: object = None, params: Mapping[str, str | int] | None = None) -> Resource:
        """Calls the REST API.

        Args:
            method: "GET", "POST", ...
            path: such as ``/v1/alarms``.
            body: sent as JSON unless None.
            params: the query.

        Raises:
            TocsinError: the class of the answer's code; `Unavailable` when there was no answer.
        """
        return _json(self._answer(method, path, json=body, params=params))

    def _answer(self, method: str, path: str, **sent: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **sent)
        except httpx2.TimeoutException as error:
            raise errors.DeadlineExceeded(f"{self._http.base_url} did not answer in time") from error
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_error:
            raise error_of(answer)
        return answer

    def health(self) -> Resource:
        """Reads the health of the installation; an unhealthy one raises nothing."""
        try:
            return _json(self._http.get("/health"))
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx2.HTTPError) -> errors.Unavailable:
        """The error of a call without an answer, with what is wrong with the URL if that is known."""
        return errors.Unavailable(f"{self._http.base_url} cannot be reached: {error}{_hint(self._http.base_url.scheme, error)}")

    def create_alarm(self, alarm: Resource, *, request_id: str | None = None) -> Resource:
        """Creates an alarm. Repeated with the same ``request_id`` (a UUID), it returns the alarm of the first call."""
        return self.call("POST", "/v1/alarms", body=alarm, params={"requestId": request_id or str(uuid.uuid4())})

    def get_alarm(self, name: str) -> Resource:
        """Reads ``alarms/{id}``."""
        return self.call("GET", resource_path(name, "alarms"))

    def list_alarms(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """Yields every alarm that matches the filter (AIP-160); pages are read as needed."""
        return self.pages("/v1/alarms", "alarms", {"filter": filter} if filter else {})

    def delete_alarm(self, name: str) -> None:
        """Deletes ``alarms/{id}``."""
        self.call("DELETE", resource_path(name, "alarms"))

    def purge_alarms(self, *, filter: str, force: bool = False) -> Resource:  # noqa: A002 - the contract's own word (AIP-160)
        """Counts the alarms that match the filter, with ``force`` removes them; returns ``purgeCount`` and ``more``: then call again."""
        return self.call("POST", "/v1/alarms:purge", body={"filter": filter, "force": force})

    def pause_alarms(self, *, filter: str, force: bool = False, reason: str = "") -> Resource:  # noqa: A002 - the contract's own word (AIP-160)
        """Counts the active alarms that match the filter, with ``force`` pauses them; ``pauseCount`` and ``more``: then call again."""
        return self.call("POST", "/v1/alarms:pause", body={"filter": filter, "force": force, **_given(reason=reason)})

    def resume_alarms(self, *, filter: str, force: bool = False) -> Resource:  # noqa: A002 - the contract's own word (AIP-160)
        """Counts the paused alarms that match the filter, with ``force`` resumes them; ``resumeCount`` and ``more``: then call again."""
        return self.call("POST", "/v1/alarms:resume", body={"filter": filter, "force": force})

    def pause_alarm(self, name: str, *, reason: str = "") -> Resource:
        """Pauses ``alarms/{id}``: it does not fire until it is resumed."""
        return self.call("POST", resource_path(name, "alarms") + ":pause", body=_given(reason=reason))

    def resume_alarm(self, name: str) -> Resource:
        """Resumes ``alarms/{id}``."""
        return self.call("POST", resource_path(name, "alarms") + ":resume", body={})

    def fire_alarm(self, name: str, *, request_id: str | None = None) -> Resource:
        """Fires ``alarms/{id}`` now, in addition to its schedule."""
        return self.call("POST", resource_path(name, "alarms") + ":fire", body={"requestId": request_id or str(uuid.uuid4())})

    def list_firings(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """Yields firings that match the filter (AIP-160), latest due time first."""
        return self.pages("/v1/firings", "firings", {"filter": filter} if filter else {})

    def watch_firings(self, *, alarm: str = "", resume_token: str = "") -> Iterator[Resource]:
        """Yields changes of firings as they happen, ``{"firing": {…}, "resumeToken": "…"}``, until the server ends the stream."""
        params = {name: value for name, value in (("alarm", alarm), ("resumeToken", resume_token)) if value}
        return self.stream("/v1/firings:watch", params)

    def publish_event(
        self, topic: str, data: Resource | None = None, *, event_id: str = "", source: str = "", time: str | None = None
    ) -> Resource:
        """Publishes an event; a second one with the same ``event_id`` is ignored. ``time`` is in RFC 3339."""
        return self.call(
            "POST", "/v1/events", body=_given(topic=topic, data=data, id=event_id or str(uuid.uuid4()), source=source, time=time)
        )

    def record_reading(self, metric: str, value: float, *, reading_id: str = "", source: str = "", time: str | None = None) -> Resource:
        """Records a reading of a metric; a second one with the same ``reading_id`` is ignored. ``time`` is in RFC 3339."""
        said = _given(metric=metric, id=reading_id or str(uuid.uuid4()), source=source, time=time)
        return self.call("POST", "/v1/readings", body={"value": value, **said})

    def ping(self, key: str, *, signal: str = "", run_id: str = "", text: str = "") -> Resource:
        """Sends a ping for the heartbeat with this key: "start", "fail", "log", an exit status; a plain one gets its deadline."""
        if not (signal or run_id or text):
            return self.call("POST", f"/v1/pings/{segment(key)}", body={})
        path, query = f"/ping/{segment(key)}{f'/{signal}' if signal else ''}", {"rid": run_id} if run_id else None
        self._answer("POST", path, params=query, content=text.encode())
        return {}

    def list_security_alerts(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """Yields security alerts that match the filter (AIP-160), newest first."""
        return self.pages("/v1/security/alerts", "alerts", {"filter": filter})

    def watch_security_alerts(self, *, resume_token: str = "") -> Iterator[Resource]:
        """Yields security alerts as they happen, ``{"alert": {…}, "resumeToken": "…"}``, until the server ends the stream."""
        return self.stream("/v1/security/alerts:watch", {"resumeToken": resume_token} if resume_token else {})

    def scan_text(self, text: str, *, kinds: Sequence[str] = ()) -> Resource:
        """Finds personal data in a text, of every kind unless given: ``findings`` with kind, start and end, and the text ``redacted``."""
        return self.call("POST", "/v1/pii:scan", body={"text": text, **({"kinds": list(kinds)} if kinds else {})})

    def list_pii_policies(self) -> Iterator[Resource]:
        """Yields the policies on personal data, by name."""
        return self.pages("/v1/pii/policies", "policies", {})

    def list_deliveries(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """Yields deliveries that match the filter (AIP-160), newest first, without their timelines."""
        return self.pages("/v1/deliveries", "deliveries", {"filter": filter})

    def get_delivery(self, name: str) -> Resource:
        """Reads ``deliveries/{id}`` with its timeline."""
        return self.call("GET", resource_path(name, "deliveries"))

    def retry_delivery(self, name: str) -> Resource:
        """Retries a delivery that is DEAD or whose outcome is unknown; any other is returned unchanged."""
        return self.call("POST", f"{resource_path(name, 'deliveries')}:retry", body={})

    def retry_deliveries(self, *, filter: str = "", limit: int = 100) -> Resource:  # noqa: A002 - likewise
        """Retries DEAD deliveries that match the filter (or ``state="OUTCOME_UNKNOWN"``); returns their names and ``more``."""
        return self.call("POST", "/v1/deliveries:retry", body={"filter": filter, "limit": limit})

    def send_notification(self, notification: Resource, *, request_id: str | None = None) -> Resource:
        """Sends one message to many. Repeated with the same ``request_id``, it returns the notification of the first call."""
        return self.call("POST", "/v1/notifications", body=notification, params={"requestId": request_id or str(uuid.uuid4())})

    def get_notification(self, name: str) -> Resource:
        """Reads ``notifications/{id}``, with the number of its deliveries by state and reason."""
        return self.call("GET", resource_path(name, "notifications"))

    def list_notifications(self, *, filter: str = "") -> Iterator[Resource]:  # noqa: A002 - the contract's own word (AIP-160)
        """Yields notifications that match the filter (AIP-160), newest first."""
        return self.pages("/v1/notifications", "notifications", {"filter": filter})

    def cancel_notification(self, name: str) -> Resource:
        """Cancels ``notifications/{id}``, as long as it is PENDING."""
        return self.call("POST", f"{resource_path(name, 'notifications')}:cancel", body={})

    def list_messages(self) -> Iterator[Resource]:
        """Yields the mails of the dev inbox, newest first."""
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

    def cancel_task(self, name: str) -> Resource:
        """Cancels ``tasks/{id}``; one that has ended stays as it is."""
        return self.call("POST", f"{resource_path(name, 'tasks')}:cancel", body={})

    def watch_task(self, name: str) -> Iterator[Resource]:
        """Yields ``{"task": {…}}`` now and at each change, and ``{"progress": {"fraction": 0.4, "message": "…"}}``, until the task ends."""
        return self.stream(f"{resource_path(name, 'tasks')}:watch", {})

    def wait_task(self, name: str, *, timeout: float) -> Resource:
        """Waits until ``tasks/{id}`` has SUCCEEDED, FAILED or is CANCELLED, also while the gateway cannot be reached.

        Raises:
            DeadlineExceeded: it has not ended after ``timeout`` seconds.
        """
        return self._waited(lambda: self.get_task(name), lambda task: task.get("state") in _DONE, timeout, name)

    def wait_notification(self, name: str, *, timeout: float) -> Resource:
        """Waits until no delivery of ``notifications/{id}`` is under way; one that is HELD waits for a time of its own.

        Raises:
            DeadlineExceeded: some still are after ``timeout`` seconds.
        """
        return self._waited(lambda: self.get_notification(name), _settled, timeout, name)

    def _waited(self, read: Callable[[], Resource], ended: Callable[[Resource], bool], timeout: float, name: str) -> Resource:
        end, wait = self._clock.monotonic() + timeout, _POLL_SECONDS
        while True:
            try:
                if ended(found := read()):
                    return found
            except errors.Unavailable as error:
                wait = max(wait, min(error.retry_after or 0, _LONGEST_POLL_SECONDS))
            if self._clock.monotonic() >= end:
                raise errors.DeadlineExceeded(f"{name} has not ended after {timeout:g} s")
            self._sleep(wait)
            wait = min(wait * 1.5, _LONGEST_POLL_SECONDS)

    def pages(self, path: str, key: str, params: Mapping[str, str]) -> Iterator[Resource]:
        """Yields every item of a list; pages are read as needed (AIP-158)."""
        token = ""
        while True:
            page = self.call("GET", path, params={**params, "pageSize": _PAGE_SIZE, **({"pageToken": token} if token else {})})
            yield from page.get(key, ())
            token = page.get("nextPageToken", "")
            if not token:
                return

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[Resource]:
        """Yields the messages of a server stream (NDJSON) as they arrive.

        Raises:
            TocsinError: the error that ended the stream.
        """
        headers = {"Accept": "application/x-ndjson"}
        try:
            # The gateway gives a sign of life every 15 s by default; a watch that hears none for a minute talks to nobody.
            timeout = httpx2.Timeout(_TIMEOUT_SECONDS, read=_SILENCE_SECONDS)
            with self._http.stream("GET", path, params=params, headers=headers, timeout=timeout) as answer:
                if answer.is_error:
                    answer.read()
                    raise error_of(answer)
                for line in _lines(answer.iter_bytes()):
                    if line.strip():
                        yield _item(json.loads(line))
        except httpx2.HTTPError as error:
            raise errors.Unavailable(f"the stream from {self._http.base_url} failed: {error}") from error


def _settled(notification: Resource) -> bool:
    """Whether a notification has come to its end."""
    deliveries = notification.get("deliveries", ())
    return notification.get("state") not in ("PENDING", "EXPANDING") and all(each.get("state") not in _UNDER_WAY for each in deliveries)


def _given(**fields: object) -> Resource:
    """The fields that are set."""
    return {name: value for name, value in fields.items() if value}


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a text that comes in pieces. Only LF ends one: JSON may hold what else Python takes for the end of a line."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    yield rest


def _item(line: Resource) -> Resource:
    """One message of a stream; raises the error of a problem document."""
    problem = members(line.get("error", line))
    if "code" in problem and "details" in problem:
        raise problem_error(problem)
    return line


def _json(answer: httpx2.Response) -> Resource:
    try:
        return answer.json()
    except ValueError as error:
        raise errors.Internal(f"{answer.request.url.host} did not answer with JSON: it may not be a Tocsin gateway") from error


def _hint(scheme: str, error: httpx2.HTTPError) -> str:
    """What to try where one side speaks TLS and the other does not; empty when it is something else."""
    if scheme == "https" and _NO_TLS.search(str(error)):
        return "; there may be no TLS: try http://"
    if scheme == "http" and isinstance(error, (httpx2.ReadError, httpx2.RemoteProtocolError)):
        return "; if it wants TLS, try https://"
    return ""


def authorization(credential: str) -> str:
    """The value of the header ``Authorization`` (RFC 6750, section 2.1) for an API key or a token; white space around it is left out.

    Raises:
        Unauthenticated: it is empty, or has a character that no credential has; the words tell where, and never what.
    """
    text = credential.strip()
    if not text:
        raise Unauthenticated("The API key is empty.")
    # Enumerated here, so that no library meets it: each shows the whole text in its error.
    strange = next((place for place, character in enumerate(text, 1) if not "!" <= character <= "~"), None)
    if strange is not None:
        raise Unauthenticated(f"The API key contains an invalid character at position {strange}, such as a space or an accented letter.")
    return f"Bearer {text}"
