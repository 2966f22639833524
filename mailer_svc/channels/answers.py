"""What an answer means where a far end follows the rules of HTTP (pure)."""

from collections.abc import Collection

from mailer_svc.domain import SendOutcome, SendResult
from tocsin.egress.client import HttpAnswer

_AWAY = (429, 502, 503, 504)
_AGAIN = (408, 425)
_CREDENTIALS = (401, 403, 407)


def sent(answer: HttpAnswer, reference: object = "") -> SendOutcome:
    """It has the message, and calls it ``reference``, if that is a text or a number."""
    known = isinstance(reference, str | int) and not isinstance(reference, bool)
    return SendOutcome(SendResult.SENT, answer.status, reference=str(reference)[:500] if known else "")


def ended(answer: HttpAnswer, result: SendResult, words: str = "", *, retry_after: float | None = None) -> SendOutcome:
    """It has not taken the message; ``words`` are its own, the beginning of its body unless given."""
    detail = f"{answer.status} {words or answer.text()}".strip()
    return SendOutcome(result, answer.status, detail, retry_after=answer.retry_after if retry_after is None else retry_after)


def by_status(
    answer: HttpAnswer, words: str = "", *, gone: Collection[int] = (), own: Collection[int] = (), away: Collection[int] = _AWAY
) -> SendOutcome:
    """The outcome of an answer that is no 2xx.

    Args:
        answer: the answer.
        words: of the far end, for the timeline.
        gone: statuses that mean that the address is gone.
        own: statuses that are about this message here, though they usually are about credentials.
        away: statuses that say that the far end takes nothing now.
    """
    status = answer.status
    if status in gone:
        return ended(answer, SendResult.GONE, words)
    if status in away:
        return ended(answer, SendResult.PROVIDER_DOWN, words)
    if status in _CREDENTIALS and status not in own:
        return ended(answer, SendResult.MISCONFIGURED, words)
    if status >= 500 or status in _AGAIN:
        return ended(answer, SendResult.DEFERRED, words)
    return ended(answer, SendResult.REFUSED, words)  # a redirect as well: it is not followed


def member(answer: HttpAnswer, *path: str) -> object:
    """What stands at ``path`` in the JSON of an answer; None if nothing does."""
    value: object = answer.json()
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def text_of(value: object) -> str:
    """``value``, if it is a text, cut to what a timeline holds; empty for anything else."""
    return value[:300] if isinstance(value, str) else ""


def number_of(value: object) -> int:
    """``value``, if it is a number; 0 for anything else."""
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15 else 0
