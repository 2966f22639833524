"""What `tocsin incident show` tells: who was told, by what, and what became of it; and people by their names."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from tocsin.client import Client
from tocsin.errors import NotFound, PermissionDenied
from tocsin.resource_names import resource_path

Named = Mapping[str, Any]

_TOLD_FIRINGS: Final = 50  # each is one call; an incident that has told people more often is one that nobody reads to its end
_SHOWN: Final = 10
_NAMES: Final = 100  # in one question, as in the contract
_TARGETS: Final = ("recipients", "groups", "rotations")
_PEOPLE: Final = ("users/", "apiKeys/", "serviceAccounts/")


def names_of(client: Client, resources: Iterable[str]) -> Mapping[str, str]:
    """What people and programs are called, by resource name; those that nobody can name are left out."""
    asked = sorted({name for name in resources if name.startswith(_PEOPLE)})
    found: dict[str, str] = {}
    for start in range(0, len(asked), _NAMES):
        query = urlencode([("names", name) for name in asked[start : start + _NAMES]])
        answer = client.call("GET", f"/v1/names:batchGet?{query}")
        found |= {each["name"]: each["displayName"] for each in answer.get("names", ())}
    return found


def require_there(client: Client, targets: Iterable[str]) -> None:
    """Returns if all that are to take an incident over exist; what the key may not read is taken for granted.

    Raises:
        NotFound: one of them does not: nobody would be told, and who has the incident now would be rid of it.
    """
    for target in targets:
        collection = target.partition("/")[0]
        if collection not in _TARGETS:
            continue  # the gateway says what it has to be
        try:
            client.call("GET", resource_path(target, collection))
        except PermissionDenied:
            continue
        except NotFound as error:
            raise NotFound(f"there is no {target}: nobody would be told, and the incident is left as it is") from error


def called(actor: str, names: Mapping[str, str]) -> str:
    """Who it is: by the name, else by the id."""
    return names.get(actor) or actor.rpartition("/")[2] or actor


def with_deliveries(client: Client, events: Iterable[Named]) -> list[dict[str, Any]]:
    """The events, the latest that told anybody with their ``deliveries``; without them if the key may not read those."""
    found = [dict(event) for event in events]
    try:
        for event in [event for event in found if event.get("firing")][-_TOLD_FIRINGS:]:
            params = {"filter": f'firing="{event["firing"]}"', "pageSize": 100}
            event["deliveries"] = client.call("GET", "/v1/deliveries", params=params).get("deliveries", [])
    except (NotFound, PermissionDenied):
        return found
    return found


def told(event: Named) -> str:
    """Whom an event told and what became of it, such as "bob email SENT, recipients/eve SUPPRESSED: NO_ADDRESS"."""
    if "deliveries" not in event:
        return str(event.get("firing", ""))
    said = [_delivery(one) for one in reversed(event["deliveries"])]  # the list has the newest first
    more = [f"and {len(said) - _SHOWN} more"] if len(said) > _SHOWN else []
    return ", ".join([*said[:_SHOWN], *more]) or f"nobody yet ({event['firing']})"


def _delivery(one: Named) -> str:
    who = str(one.get("recipient") or one.get("to", ""))
    where = f"{who.removeprefix('recipients/')} {one.get('channel', '')}" if one.get("to") else who
    state = f"{one.get('state', '')}: {one['reason']}" if one.get("reason") else str(one.get("state", ""))
    return f"{where} {state}"
