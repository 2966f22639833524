"""Whether a URL answers as it should."""

from collections.abc import Mapping, Sequence

from processor_svc.domain import ActionProblem, Json
from processor_svc.probes.spec import CheckFailed, CheckForbidden, CheckSpec, check_certificate
from tocsin.clock import Clock
from tocsin.egress.addresses import AllowedTargets
from tocsin.egress.client import HttpAnswer, HttpClient, HttpRequest, NoAnswer, NotConnected, RequestRefused
from tocsin.egress.urls import UrlRefused, parse_url, why_never


class HttpProbe:
    """One request: its status, what its body holds, and how long the certificate is good."""

    def __init__(self, *, client: HttpClient, allowed: AllowedTargets, clock: Clock) -> None:
        self._client = client
        self._allowed = allowed
        self._clock = clock

    def problems(self, spec: CheckSpec) -> Sequence[ActionProblem]:
        """A URL that no request can go to, and a range of statuses that holds none."""
        found = [
            ActionProblem(f"statuses[{place}]", "begins above its end")
            for place, text in enumerate(spec.statuses)
            if "-" in text and text[:3] > text[4:]
        ]
        try:
            words = why_never(parse_url(spec.subject), self._allowed)
        except UrlRefused as error:
            words = str(error)
        return [*found, ActionProblem("http", words)] if words else found

    async def look(self, tenant: str, spec: CheckSpec) -> Mapping[str, Json]:
        """Sends the request."""
        del tenant
        try:
            answer = await self._client.send(HttpRequest(method=spec.method, url=spec.subject))
        except RequestRefused as error:
            raise CheckForbidden(str(error)) from error
        except (NotConnected, NoAnswer) as error:
            raise CheckFailed(str(error)) from error
        facts: dict[str, Json] = {"status": answer.status}
        _judge(answer, spec, facts)
        check_certificate(answer.certificate, spec, facts, clock=self._clock)
        return facts


def _judge(answer: HttpAnswer, spec: CheckSpec, facts: Mapping[str, Json]) -> None:
    if not any(_means(text, answer.status) for text in spec.statuses):
        raise CheckFailed(f"it answered with status {answer.status}", facts)
    if spec.contains and spec.contains.encode() not in answer.body:
        raise CheckFailed("its answer does not hold what it should", facts)


def _means(text: str, status: int) -> bool:
    """Whether "200", "2xx" or "200-299" means a status."""
    if text.endswith("xx"):
        return status // 100 == int(text[0])
    first, _, last = text.partition("-")
    return int(first) <= status <= int(last or first)
