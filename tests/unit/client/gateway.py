"""A gateway that answers what a test tells it to, and its client."""

import httpx2

from tocsin_client import Client, RetryRule

KEY = "tk_0123456789secret"
ALARM = {"trigger": {"every": "60s"}, "action": {"task": {"handler": "noop"}}}


class Gateway:
    """Answers requests in order, the last answer for all that follow, and keeps what it was sent and how long was slept."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self._answers = list(answers) or [httpx2.Response(200, json={})]
        self.seen: list[httpx2.Request] = []
        self.slept: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.seen.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, rule: RetryRule | None = None) -> Client:
        """A client of it, whose sleeps it keeps."""
        return Client("http://gateway/tocsin/", KEY, transport=httpx2.MockTransport(self), sleep=self.slept.append, retry=rule)


def problem(status: int, code: str, *details: dict, retry_after: str | None = None, instance: str = "") -> httpx2.Response:
    """A problem document as the gateway writes it."""
    headers = {"retry-after": retry_after} if retry_after else {}
    return httpx2.Response(
        status, json={"code": code, "detail": "it failed", "details": list(details), "instance": instance}, headers=headers
    )


def sent(*answers: httpx2.Response) -> tuple[Gateway, Client]:
    """A gateway and its client."""
    gateway = Gateway(*answers)
    return gateway, gateway.client()
