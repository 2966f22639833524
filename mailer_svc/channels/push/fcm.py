"""Firebase Cloud Messaging, HTTP v1: requests, and what its answers mean."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from pydantic import Field, SecretStr, field_validator

from mailer_svc.channels.http import AttemptEnded, HttpProvider
from mailer_svc.channels.oauth import GoogleServiceAccount, OAuthFailed, TokenSource
from mailer_svc.channels.push.message import URGENCY, PushMessage, PushProviderConfig, fitted, message_of, topic_of
from mailer_svc.channels.spec import Parts, ProviderKind
from mailer_svc.domain import Priority, SendJob, SendOutcome, SendResult
from tocsin.clock import SECOND, Clock
from tocsin.egress.client import HttpAnswer, HttpLimits, HttpRequest
from tocsin.errors import InvalidInput

PREFIX: Final = "fcm:"
SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
URL: Final = "https://fcm.googleapis.com"
_OCTETS: Final = 4096
_SHORTEST_WAIT: Final = 10.0
_QUOTA_WAIT: Final = 60.0
_GIVE_UP: Final = 3600 * SECOND  # after so long Firebase wants no further attempt
_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_TOKEN_FIELDS: Final = ("message.token", "message.fid")
_NO_REGISTRATION: Final = "not a valid fcm registration token"


class FcmConfig(PushProviderConfig):
    """What can be set for Firebase."""

    credentials: SecretStr = Field(description="JSON key file of a service account that may send messages; it names the project.")
    url: str = Field(default=URL, max_length=500, pattern=r"^https?://[^/]+$", description="Where it is.")
    timeout_seconds: float = Field(default=20.0, ge=10, le=120, description="Longest wait for the whole answer to a request.")

    @field_validator("credentials")
    @classmethod
    def _key_file(cls, value: SecretStr) -> SecretStr:
        GoogleServiceAccount.parse(value.get_secret_value(), scope=SCOPE)
        return value


class FcmApi:
    """The messages of one Firebase project.

    FCM knows no idempotency key: a message that goes out twice has the same tag, collapse id and topic, so that the second replaces the
    first. ``android.collapse_key`` stays out: of a device that is off, FCM keeps the messages of four such keys only.
    """

    idempotent = False

    def __init__(self, *, url: str, project: str, tokens: TokenSource, clock: Clock, ttl: int) -> None:
        """Asks for nothing yet.

        Args:
            url: where Firebase is.
            project: id of the project.
            tokens: gives access tokens.
            clock: source of time.
            ttl: seconds for which a message is kept for a device that is off.
        """
        self.base = url
        self._project = project
        self._tokens = tokens
        self._clock = clock
        self._ttl = ttl

    def build(self, job: SendJob) -> HttpRequest:
        """The request for a delivery, without its token.

        Raises:
            InvalidInput: it was put off for an hour.
        """
        if job.deferrals and self._clock.micros() - job.since >= _GIVE_UP:
            raise InvalidInput("gave up: Firebase wants no further attempt at a message that it put off for an hour")
        message = message_of(job)
        body = fitted(lambda text: _document(job, message, text, self._ttl), message.body, _OCTETS)
        return HttpRequest(
            url=f"{self.base}/v1/projects/{self._project}/messages:send", headers={"content-type": "application/json"}, body=body
        )

    async def authorize(self, request: HttpRequest) -> HttpRequest:
        """The request with an access token.

        Raises:
            AttemptEnded: there is none.
        """
        try:
            token = await self._tokens.token()
        except OAuthFailed as error:
            raise AttemptEnded(error.outcome) from error
        return replace(request, headers={**request.headers, "authorization": f"Bearer {token}"})

    async def renew(self, refused: HttpRequest) -> bool:
        """The token that was refused is not used again."""
        self._tokens.invalidate(refused.headers["authorization"].removeprefix("Bearer "))
        return True

    def classify(self, answer: HttpAnswer) -> SendOutcome:
        """What Firebase's answer means."""
        return classify(answer)


def _document(job: SendJob, message: PushMessage, text: str, ttl: int) -> dict[str, Any]:
    identity = topic_of(job.id)
    urgent = job.priority is Priority.CRITICAL
    data = {"delivery": f"deliveries/{job.id}", "url": message.url}
    if message.actions:
        data["actions"] = json.dumps([{"label": label, "url": url} for label, url in message.actions], ensure_ascii=False)
    return {
        "message": {
            "token": job.to.removeprefix(PREFIX),
            "notification": {"title": message.title, "body": text},
            "data": data,
            "android": {
                "priority": "NORMAL" if job.priority is Priority.BULK else "HIGH",
                "ttl": f"{ttl}s",
                "notification": {"tag": identity},
            },
            "apns": {
                "headers": {
                    "apns-priority": "5" if job.priority is Priority.BULK else "10",
                    "apns-expiration": str(job.created // SECOND + ttl),
                    "apns-collapse-id": identity,
                },
                "payload": {"aps": {"sound": "default"} | ({"interruption-level": "time-sensitive"} if urgent else {})},
            },
            "webpush": {"headers": {"TTL": str(ttl), "Urgency": URGENCY[job.priority], "Topic": identity}},
        }
    }


def classify(answer: HttpAnswer) -> SendOutcome:
    """What FCM's answer means; the code stands in the details of the error, its ``status`` is too coarse.

    What it calls a wrong request is the address's fault if it names the token, and this message's otherwise.
    """
    status = answer.status
    members = answer.json()
    if answer.ok:
        name = members.get("name")
        if not isinstance(name, str) or not name:
            return SendOutcome(SendResult.UNKNOWN, status, "the answer names no message")
        return SendOutcome(SendResult.SENT, status, reference=name[:500])
    error = _object(members.get("error"))
    code = _code(error)
    detail = " ".join(filter(None, (str(status), code, _words(error) or answer.text())))
    if code in ("UNREGISTERED", "SENDER_ID_MISMATCH") or (status == 400 and _names_token(error)):
        return SendOutcome(SendResult.GONE, status, detail)
    if code in ("THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR") or status in (401, 403, 404) or 300 <= status < 400:
        return SendOutcome(SendResult.MISCONFIGURED, status, detail)
    if code == "QUOTA_EXCEEDED" or status == 429:
        return SendOutcome(SendResult.PROVIDER_DOWN, status, detail, retry_after=max(answer.retry_after or _QUOTA_WAIT, _SHORTEST_WAIT))
    if status >= 500 or status == 408:
        return SendOutcome(SendResult.DEFERRED, status, detail, retry_after=max(answer.retry_after or 0.0, _SHORTEST_WAIT))
    return SendOutcome(SendResult.REFUSED, status, detail)


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [_object(item) for item in cast("list[object]", value)] if isinstance(value, list) else ()


def _details(error: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    return (item for item in _objects(error.get("details")) if item.get("@type") == kind)


def _code(error: Mapping[str, Any]) -> str:
    codes = (item.get("errorCode") for item in _details(error, _ERROR))
    return next((code[:64] for code in codes if isinstance(code, str)), "")


def _words(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    return message[:200] if isinstance(message, str) else ""


def _names_token(error: Mapping[str, Any]) -> bool:
    fields = (field.get("field") for item in _details(error, _BAD_REQUEST) for field in _objects(item.get("fieldViolations")))
    return any(field in _TOKEN_FIELDS for field in fields) or _NO_REGISTRATION in _words(error).lower()


class FcmProvider(HttpProvider):
    """Firebase, and the connections by which access tokens come."""

    def __init__(self, *, name: str, config: FcmConfig, parts: Parts) -> None:
        account = GoogleServiceAccount.parse(config.credentials.get_secret_value(), scope=SCOPE)
        self._token_http = parts.http(HttpLimits(connections=1, total_seconds=config.timeout_seconds), guarded=not parts.trusted)
        tokens = TokenSource(grant=account, http=self._token_http, clock=parts.clock)
        api = FcmApi(url=config.url, project=account.project, tokens=tokens, clock=parts.clock, ttl=config.ttl_seconds)
        super().__init__(name=name, kind=FCM.name, api=api, config=config, parts=parts, takes=FCM.takes)

    async def stop(self) -> None:
        """Close every connection."""
        await super().stop()
        await self._token_http.close()


def make(name: str, config: FcmConfig, parts: Parts) -> FcmProvider:
    """A provider for one project."""
    return FcmProvider(name=name, config=config, parts=parts)


FCM: Final = ProviderKind(name="fcm", config=FcmConfig, make=make, takes=lambda address: address.startswith(PREFIX))
