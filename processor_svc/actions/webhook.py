"""The action `webhook`: one HTTP request to a URL of the user's, signed after Standard Webhooks."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from processor_svc.actions.outgoing import JSON_TYPE, away, content_of, what_fired
from processor_svc.domain import ActionProblem, Job, JobFailed, JobReleased, JobResult, JobSucceeded, Json
from processor_svc.turns import NoTurn, TenantTurns
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import SECOND, Clock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpAnswer, HttpClient, HttpRequest, NoAnswer, NotConnected, RequestRefused, check_headers
from tocsin.egress.urls import UrlRefused, parse_url, why_never
from tocsin.standard_webhooks import WebhookSecret, signed

_TIMEOUT_SECONDS: Final = 30.0
_AWAY: Final = frozenset((429, 502, 503, 504))
_GONE: Final = 410
_SHORTEST_WAIT: Final = 0.5
_TURN_WAIT: Final = 3.0
_KEPT_BYTES: Final = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAction:
    """Send a request; without ``content`` it says what fired."""

    kind: ClassVar[str] = "webhook"

    url: str = field(repr=False)
    method: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    content_type: str
    timeout_seconds: float


class WebhookKind:
    """Webhook actions; a component. Receivers know a message by its id, so that it may be sent again when nobody answered."""

    name = WebhookAction.kind

    def __init__(
        self,
        *,
        client: HttpClient,
        allowed: AllowedTargets,
        secret: Callable[[str], WebhookSecret],
        turns: TenantTurns,
        clock: Clock,
        draw: random.Random,
    ) -> None:
        """Sends nothing yet.

        Args:
            client: goes only where users may go.
            allowed: the same, to tell in advance.
            secret: gives that of a tenant.
            turns: how many are under way at once.
            clock: tells the time of an attempt.
            draw: source of jitter.
        """
        self._client = client
        self._allowed = allowed
        self._secret = secret
        self._turns = turns
        self._clock = clock
        self._draw = draw

    async def start(self) -> None:
        """Connects to nothing yet."""

    async def stop(self) -> None:
        """Closes the connections."""
        await self._client.close()

    def decode(self, message: alarm_pb2.Webhook) -> WebhookAction:
        """The action; raises ValueError for a body that JSON cannot express."""
        content, content_type = content_of(message)
        return WebhookAction(
            url=message.url,
            method=message.method or "POST",
            headers=dict(message.headers),
            content=content,
            content_type=content_type,
            timeout_seconds=message.timeout.ToTimedelta().total_seconds() or _TIMEOUT_SECONDS,
        )

    async def validate(self, action: WebhookAction, tenant: str = "") -> Sequence[ActionProblem]:
        """A URL that no request may go to, and headers that no caller may say."""
        del tenant
        found: list[ActionProblem] = []
        try:
            url = parse_url(action.url)
            words = why_never(url, self._allowed)
            if not words and url.scheme == "http" and not self._allowed.has_host(url.host):
                words = "must begin with https://: plain HTTP goes to hosts alone that the operator opened (TOCSIN_EGRESS_ALLOW)"
        except UrlRefused as error:
            words = str(error)
        if words:
            found.append(ActionProblem("url", words))
        try:
            check_headers(action.headers)
        except RequestRefused as error:
            found.append(ActionProblem("headers", str(error)))
        found += [ActionProblem("headers", f"{name} is the signature's") for name in action.headers if name.lower().startswith("webhook-")]
        return found

    def describe(self, action: WebhookAction) -> str:
        """No label: URLs are too many, and secret."""
        del action
        return ""

    async def run(self, job: Job, action: WebhookAction) -> JobResult:
        """Sends the request once; the output is the status and the beginning of the answer."""
        try:
            async with self._turns.turn(job.tenant):
                answer = await self._client.send(self._request(job, action), total_seconds=action.timeout_seconds)
        except NoTurn:
            wait = self._draw.uniform(_SHORTEST_WAIT, _TURN_WAIT)
            return JobReleased(message="too many webhooks of this tenant are under way", retry_after=wait)
        except RequestRefused as error:
            return JobFailed(reason="REQUEST_REFUSED", message=str(error), retryable=False)
        except NotConnected as error:
            return self._away(job, f"not connected: {error}", None)
        except NoAnswer as error:
            return JobFailed(reason="NO_ANSWER", message=str(error), retryable=True)
        return self._outcome(job, answer)

    def _request(self, job: Job, action: WebhookAction) -> HttpRequest:
        content = b"" if action.method == "GET" else action.content
        body = what_fired(job) if content is None else content
        secrets = [self._secret(job.tenant)]
        headers = {
            **({"content-type": action.content_type or JSON_TYPE} if body else {}),
            **{name.lower(): value for name, value in action.headers.items()},
            **signed(job.lease.firing, body, secrets=secrets, seconds=self._clock.micros() // SECOND),
        }
        return HttpRequest(method=action.method, url=action.url, headers=headers, body=body)

    def _outcome(self, job: Job, answer: HttpAnswer) -> JobResult:
        if answer.ok:
            return JobSucceeded(_kept(answer))
        words = f"it answered with status {answer.status}: {answer.text()}".rstrip(": ")
        if answer.status in _AWAY:
            return self._away(job, words, answer.retry_after)
        if answer.status == _GONE:
            return JobFailed(reason="ENDPOINT_GONE", message=words, retryable=False)
        if answer.status < 400:
            return JobFailed(reason="REDIRECT_REFUSED", message=words, retryable=False)
        return JobFailed(reason="HTTP_STATUS", message=words, retryable=True, retry_after=answer.retry_after)

    def _away(self, job: Job, words: str, retry_after: float | None) -> JobResult:
        age = self._clock.micros() / SECOND - job.due
        return away(age, "ENDPOINT_AWAY", words, retry_after=retry_after, draw=self._draw)


def _kept(answer: HttpAnswer) -> Mapping[str, Json]:
    """The status, and the beginning of the answer as text: what the ledger can hold."""
    found: dict[str, Json] = {"status": answer.status}
    if answer.body:
        found["body"] = answer.body[:_KEPT_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")
        found["truncated"] = not answer.whole or len(answer.body) > _KEPT_BYTES
    return found
