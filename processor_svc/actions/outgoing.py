"""What webhooks and messages to brokers have in common: what they say, and what a far end that is away means."""

import json
import random
from typing import Final

from processor_svc.domain import Job, JobFailed, JobReleased, JobResult, Json
from tocsin.api.scheduler.v1 import alarm_pb2
from tocsin.clock import SECOND, from_micros
from tocsin.mesh.values import plain

JSON_TYPE: Final = "application/json"
_TEXT_TYPE: Final = "text/plain; charset=utf-8"
_AWAY_SECONDS: Final = 86_400
_LONGEST_WAIT: Final = 300.0


def content_of(message: alarm_pb2.Webhook | alarm_pb2.Publish) -> tuple[bytes | None, str]:
    """What the action says, and its content type; None without: then it says what fired.

    Raises:
        ValueError: JSON cannot express the body.
    """
    if message.HasField("body"):
        return _json(plain(message.body)), JSON_TYPE
    if message.text:
        return message.text.encode(), message.content_type or _TEXT_TYPE
    return None, ""


def what_fired(job: Job) -> bytes:
    """What fired, the same at each try."""
    data: dict[str, Json] = {
        "firing": f"firings/{job.lease.firing}",
        "alarm": job.alarm,
        "origin": job.origin,
        "priority": job.priority.name,
        "context": dict(job.context),
    }
    due = from_micros(job.due * SECOND).isoformat().replace("+00:00", "Z")
    return _json({"type": "alarm.fired", "timestamp": due, "data": data})


def away(age: float, reason: str, words: str, *, retry_after: float | None, draw: random.Random) -> JobResult:
    """The far end is down or throttles: that costs no attempt for a day. The wait grows with ``age``: seconds since it was due."""
    if age > _AWAY_SECONDS:
        return JobFailed(reason=reason, message=words, retryable=True, retry_after=retry_after)
    return JobReleased(message=words, retry_after=retry_after or min(max(1.0, age), _LONGEST_WAIT) * draw.uniform(0.75, 1.25))


def _json(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
