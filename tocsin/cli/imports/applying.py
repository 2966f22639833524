"""Makes what a plan says: what is there already is changed to it, or left alone; the same plan again changes nothing."""

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.cli.imports.plan import ImportPlan, PlannedResource
from tocsin.cli.upload import Upload
from tocsin.client import Client
from tocsin.errors import AlreadyExists, NotFound, TocsinError, Unavailable
from tocsin.resource_names import resource_path

_ORDER: Final = ("calendars", "recipients", "rotations", "overrides", "escalationPolicies", "integrations", "alarms")
_MASKS: Final = {
    "calendars": ("displayName", "timeZone", "ics"),
    "rotations": ("displayName", "timeZone", "layers"),
    "escalationPolicies": ("displayName", "steps", "repeat", "roundRobin", "timeZone"),
}
_VOLATILE: Final = frozenset(("updateTime", "etag", "revision"))
_PIECE_LINES: Final = 200


@dataclass(slots=True)
class Applied:
    """What became of a plan.

    Attributes:
        outcomes: of each resource that was made or is there, ``created``, ``changed`` or ``unchanged``; of alarms only how many.
        counts: by outcome.
        refused: resources that the server did not take, and why.
        secrets: what is shown once, by the names of resources.
    """

    outcomes: dict[int, str] = field(default_factory=dict[int, str])
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("created", "changed", "unchanged"), 0))
    refused: list[tuple[PlannedResource, str]] = field(default_factory=list[tuple[PlannedResource, str]])
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])


def apply_plan(plan: ImportPlan, client: Client, *, url: str, api_key: str | None, verify: ssl.SSLContext | bool) -> Applied:
    """Makes the resources of a plan, those first that others name.

    Args:
        plan: what to make.
        client: calls the gateway.
        url: the gateway, for what is uploaded.
        api_key: sent along unless None.
        verify: what is trusted to be the gateway, as of ``client``.

    Raises:
        TocsinError: the server cannot be asked. What one resource lacks is noted in the answer.
    """
    applied = Applied()
    makers = _Makers(client, applied)
    for collection in _ORDER[:-1]:
        for place, resource in enumerate(plan.resources):
            if resource.collection == collection:
                _one(resource, place, makers.of(collection), applied)
    alarms = [resource for resource in plan.resources if resource.collection == "alarms"]
    if alarms:
        asyncio.run(_upload(alarms, applied, url=url, api_key=api_key, verify=verify))
    return applied


def known_pings(client: Client, host: str) -> dict[str, str]:
    """The ids of pings of alarms that an import of a crontab made, by the keys of the alarms."""
    condition = f'labels.import="crontab" AND labels.host={json.dumps(host)}'
    found = {
        str(alarm.get("key")): alarm.get("trigger", {}).get("heartbeat", {}).get("key") for alarm in client.list_alarms(filter=condition)
    }
    return {key: ping for key, ping in found.items() if isinstance(ping, str)}


def _one(resource: PlannedResource, place: int, make: Callable[[PlannedResource], str], applied: Applied) -> None:
    try:
        outcome = make(resource)
    except TocsinError as error:
        if isinstance(error, Unavailable) or not _its_own(error):
            raise
        applied.refused.append((resource, reason_of(error)))
        return
    applied.outcomes[place] = outcome
    applied.counts[outcome] += 1


def _its_own(error: TocsinError) -> bool:
    """Whether it is the resource that the server does not take, not the caller."""
    return type(error).__name__ not in ("Unauthenticated", "PermissionDenied", "DeadlineExceeded", "CircuitOpen")


def reason_of(error: TocsinError) -> str:
    """The field and the reason that an error tells."""
    return "; ".join(f"{one.field}: {one.description}" for one in error.violations[:5]) or error.message


class _Makers:
    """Makes a resource of each collection by REST."""

    def __init__(self, client: Client, applied: Applied) -> None:
        self._client = client
        self._applied = applied
        self._overrides: dict[str, list[dict[str, Any]]] = {}

    def of(self, collection: str) -> Callable[[PlannedResource], str]:
        """What makes one of a collection."""
        return {"recipients": self._recipient, "overrides": self._override, "integrations": self._integration}.get(collection, self._put)

    def _put(self, resource: PlannedResource) -> str:
        """Creates, or changes to what the plan says."""
        path = resource_path(resource.name, resource.collection)
        try:
            before = self._client.call("GET", path)
        except NotFound:
            self._client.call("POST", f"/v1/{resource.collection}", body={"name": resource.name, **resource.body})
            return "created"
        mask = ",".join(_MASKS[resource.collection])
        after = self._client.call("PATCH", path, body={"name": resource.name, **resource.body}, params={"updateMask": mask})
        return "unchanged" if _bare(before) == _bare(after) else "changed"

    def _recipient(self, resource: PlannedResource) -> str:
        """Creates a person; one who is there keeps what they have set since."""
        try:
            self._client.call("POST", "/v1/recipients", body=resource.body)
        except AlreadyExists:
            self._client.call("GET", resource_path(resource.name, "recipients"))  # or else it is the address that another one has
            return "unchanged"
        return "created"

    def _override(self, resource: PlannedResource) -> str:
        path = resource_path(resource.name, "rotations") + "/overrides"
        if resource.name not in self._overrides:
            self._overrides[resource.name] = list(self._client.pages(path, "overrides", {}))
        if any(_same_override(one, resource.body) for one in self._overrides[resource.name]):
            return "unchanged"
        self._client.call("POST", path, body=resource.body)
        return "created"

    def _integration(self, resource: PlannedResource) -> str:
        """Creates an integration; one that is there keeps its key and what was set since."""
        try:
            self._client.call("GET", resource_path(resource.name, "integrations"))
        except NotFound:
            made = self._client.call("POST", "/v1/integrations", body=resource.body)
            self._applied.secrets[resource.name] = made
            return "created"
        return "unchanged"


def _bare(resource: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in resource.items() if key not in _VOLATILE}


def _same_override(one: dict[str, Any], other: dict[str, Any]) -> bool:
    times = all(datetime.fromisoformat(one[key]) == datetime.fromisoformat(other[key]) for key in ("startTime", "endTime"))
    return times and one["kind"] == other["kind"] and sorted(one["recipients"]) == sorted(other["recipients"])


async def _upload(
    alarms: Sequence[PlannedResource], applied: Applied, *, url: str, api_key: str | None, verify: ssl.SSLContext | bool
) -> None:
    """Alarms go as lines, of which the scheduler takes thousands a second, and knows them again by their keys."""
    upload = Upload(
        url=url,
        target=f"/v1/alarms:import?{urlencode({'options.validateOnly': 'false'})}",
        api_key=api_key,
        content_type="application/x-ndjson",
        body=_lines(alarms),
        sent=lambda _: None,
        verify=verify,
    )
    last: dict[str, Any] = {}
    async for answer in upload.answers():
        last = answer
        for refusal in answer.get("refusals", ()):
            resource = alarms[int(refusal["line"]) - 1]
            words = ": ".join(part for part in (str(refusal.get("field", "")), str(refusal.get("reason", ""))) if part)
            applied.refused.append((resource, words))
    if not last.get("done"):
        raise Unavailable("the connection ended before the import did; run it again: it goes on where it was")
    for name, counted in (("created", "created"), ("updated", "changed"), ("unchanged", "unchanged")):
        applied.counts[counted] += int(last.get(name, 0))


def _lines(alarms: Sequence[PlannedResource]) -> Iterator[bytes]:
    for start in range(0, len(alarms), _PIECE_LINES):
        part = alarms[start : start + _PIECE_LINES]
        yield "".join(json.dumps({"key": one.name, **one.body}, ensure_ascii=False) + "\n" for one in part).encode()
