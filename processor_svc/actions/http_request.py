"""The built-in handler `http_request`: one HTTP request to where users may go."""

from collections.abc import Mapping
from typing import Any, Final

from processor_svc.domain import TaskFailed
from processor_svc.registry import Handler, TaskContext, handler_of, task
from processor_svc.turns import NoTurn, TenantTurns
from tocsin.egress.client import HttpClient, HttpRequest, NoAnswer, NotConnected, RequestRefused

_KEPT_BYTES: Final = 8_000
_AGAIN: Final = frozenset((408, 425, 429))


def http_request_handler(*, client: HttpClient, turns: TenantTurns) -> Handler:
    """The handler, which goes by ``client`` within ``turns``."""

    @task("http_request", timeout_seconds=60)
    async def http_request(
        context: TaskContext,
        url: str,
        method: str = "GET",
        headers: dict[str, str] = {},  # noqa: B006  never changed; a schema shows it
        body: str = "",
    ) -> dict[str, Any]:
        """Sends a request; the result is the status and the beginning of the answer. A status of 400 or more is a failure.

        It bears the id of the firing as Idempotency-Key, the same at each attempt. Private addresses are reached only where the operator
        opens them (TOCSIN_EGRESS_ALLOW); no redirect is followed.
        """
        sent = {"idempotency-key": f'"{context.firing}"', **{name.lower(): value for name, value in headers.items()}}
        try:
            async with turns.turn(context.tenant):
                answer = await client.send(HttpRequest(method=method.upper(), url=url, headers=sent, body=body.encode()))
        except RequestRefused as error:
            raise TaskFailed(str(error), retryable=False) from error
        except NoTurn:
            raise TaskFailed("too many requests of this tenant are under way") from None
        except (NotConnected, NoAnswer) as error:
            raise TaskFailed(str(error)) from error
        if answer.status >= 400:
            retryable = answer.status >= 500 or answer.status in _AGAIN
            raise TaskFailed(f"it answered with status {answer.status}", retryable=retryable, retry_after=answer.retry_after)
        return {"status": answer.status, "headers": _shown(answer.headers), "body": _text(answer.body)}

    return handler_of(http_request)


def _shown(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that say what the body is, and where something is."""
    return {name: headers[name][:1000] for name in ("content-type", "location", "etag") if name in headers}


def _text(body: bytes) -> str:
    return body[:_KEPT_BYTES].decode("utf-8", "replace").replace("\0", "\ufffd")
