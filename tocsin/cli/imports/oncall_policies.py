"""Escalation chains of Grafana OnCall as escalation policies: what a chain does between two waits is one step."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tocsin.cli.imports.plan import ImportPlan, one_line
from tocsin.cli.imports.reading import number_of, text_of, texts_of, wrong
from tocsin.errors import InvalidInput

Items = Sequence[tuple[Mapping[str, Any], str]]

_MOST_STEPS: Final = 20
_LONGEST_WAIT: Final = 604_800
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(:[0-5][0-9])?Z?")
_NOT_TAKEN: Final = {
    "trigger_webhook": "calls a webhook: tell a recipient with a webhook address instead",
    "trigger_action": "calls a webhook: tell a recipient with a webhook address instead",
    "notify_whole_channel": "tells a channel of Slack: tell a recipient with a Slack address instead",
    "notify_user_group": "tells a user group of Slack: tell a group of recipients instead",
    "notify_team_members": "tells a team, whose members are not in the export: tell a group of recipients instead",
    "resolve": "resolves by itself: give the policy resolveAfter instead",
    "declare_incident": "declares an incident of Grafana",
}


@dataclass(slots=True)
class _Chain:
    """A policy that is being put together.

    Attributes:
        conditions: fields of steps from here on.
        waited: whether a wait came after the last target, so that the next one begins a step.
    """

    title: str
    steps: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    conditions: dict[str, Any] = field(default_factory=dict[str, Any])
    waited: bool = True
    repeat: int = 0
    round_robin: bool = False


def take_chains(
    parts: Mapping[str, Items], plan: ImportPlan, *, people: Mapping[str, str], rotations: Mapping[str, str], policies: dict[str, str]
) -> None:
    """Plans a policy for each chain.

    Args:
        parts: of the file.
        plan: what becomes of it.
        people: names of recipients by ids of users.
        rotations: names of rotations by ids of schedules.
        policies: gets the names of policies by ids of chains.
    """
    steps: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
    for item, place in parts.get("escalation_policies", ()):
        steps.setdefault(str(item.get("escalation_chain_id")), []).append((item, place))
    targets = _Targets(people, rotations)
    known: set[str] = set()
    for item, place in parts.get("escalation_chains", ()):
        try:
            identity, title = text_of(item, "id", place), one_line(text_of(item, "name", place))
            known.add(identity)
            name = f"escalationPolicies/{identity}"
            chain = _chain(title, steps.get(identity, []), targets, plan)
            if not chain.steps:
                raise wrong(place, "has no step that can be taken")
            body = {"name": name, "displayName": title, "steps": chain.steps, "repeat": chain.repeat, "roundRobin": chain.round_robin}
            if any("hours" in step for step in chain.steps):
                body["timeZone"] = "UTC"
            plan.take("escalationPolicies", name, {key: value for key, value in body.items() if value}, place)
            policies[identity] = name
        except InvalidInput as error:
            plan.refuse(error.violations[0].field, str(item.get("name") or "")[:80], error.violations[0].description)
    for identity in steps.keys() - known:
        plan.refuse(steps[identity][0][1], identity[:40], "belongs to a chain that is not in the file")


@dataclass(frozen=True, slots=True)
class _Targets:
    """Who is behind ids."""

    people: Mapping[str, str]
    rotations: Mapping[str, str]

    def of(self, item: Mapping[str, Any], kind: str, place: str) -> list[str]:
        """The targets of a step of a chain.

        Raises:
            InvalidInput: one of them is not known.
        """
        if kind == "notify_on_call_from_schedule":
            identity = text_of(item, "notify_on_call_from_schedule", place)
            if identity not in self.rotations:
                raise wrong(place, f"asks the schedule {identity[:40]!r}, which was not taken")
            return [self.rotations[identity]]
        key = "persons_to_notify_next_each_time" if kind == "notify_person_next_each_time" else "persons_to_notify"
        users = texts_of(item, key, place)
        unknown = next((user for user in users if user not in self.people), None)
        if unknown is not None or not users:
            raise wrong(place, f"tells the user {unknown[:40]!r}, who is not in the file" if unknown else "tells nobody")
        return list(dict.fromkeys(self.people[user] for user in users))


def _chain(title: str, rows: list[tuple[Mapping[str, Any], str]], targets: _Targets, plan: ImportPlan) -> _Chain:
    chain = _Chain(title)
    for item, place in sorted(rows, key=lambda row: _position(row[0])):
        try:
            _step(chain, item, place, targets, plan)
        except InvalidInput as error:
            plan.refuse(error.violations[0].field, title, error.violations[0].description)
    if len(chain.steps) > _MOST_STEPS:
        plan.refuse(rows[0][1], title, f"steps behind the {_MOST_STEPS}th are left out")
        del chain.steps[_MOST_STEPS:]
    if chain.repeat and chain.steps and chain.steps[-1]["wait"] == "0s":
        chain.steps[-1]["wait"] = "300s"
        plan.change(rows[-1][1], title, "waits 5 minutes before it begins again")
    return chain


def _position(item: Mapping[str, Any]) -> int:
    found = item.get("position")
    return found if isinstance(found, int) else 0


def _step(chain: _Chain, item: Mapping[str, Any], place: str, targets: _Targets, plan: ImportPlan) -> None:
    kind = text_of(item, "type", place)
    match kind:
        case "wait":
            _wait(chain, number_of(item, "duration", place, default=300), place, plan)
        case "notify_persons" | "notify_on_call_from_schedule" | "notify_person_next_each_time":
            _tell(chain, targets.of(item, kind, place), kind, place, plan)
            if item.get("important"):
                plan.change(f"{place}.important", chain.title, "the severity of an incident says here whether it is urgent")
        case "notify_if_time_from_to":
            hours = {"start": _clock(item, "notify_if_time_from", place), "end": _clock(item, "notify_if_time_to", place)}
            chain.conditions["hours"] = [hours]
            chain.waited = True
            plan.change(place, chain.title, "outside of these hours later steps are left out; OnCall waited for them")
        case "notify_if_num_alerts_in_window":
            chain.conditions["minOccurrences"] = min(max(1, number_of(item, "num_alerts_in_window", place, default=1)), 10_000)
            window = min(max(1, number_of(item, "num_minutes_in_window", place, default=1)) * 60, _LONGEST_WAIT)
            chain.conditions["occurrenceWindow"] = f"{window}s"
            chain.waited = True
        case "repeat_escalation":
            chain.repeat = 5
        case _:
            raise wrong(place, _NOT_TAKEN.get(kind, f"the type {kind[:40]!r} is not known"))


def _wait(chain: _Chain, seconds: int, place: str, plan: ImportPlan) -> None:
    if not chain.steps:
        plan.change(place, chain.title, f"the wait of {seconds} s before the first step is left out")
        return
    before = int(str(chain.steps[-1]["wait"]).removesuffix("s"))
    chain.steps[-1]["wait"] = f"{min(before + max(0, seconds), _LONGEST_WAIT)}s"
    chain.waited = True


def _tell(chain: _Chain, found: list[str], kind: str, place: str, plan: ImportPlan) -> None:
    in_turn = kind == "notify_person_next_each_time"
    if in_turn and not chain.steps:
        chain.round_robin = True
    elif in_turn:
        plan.change(place, chain.title, "tells all of them: only those of the first step take turns")
    if chain.waited or (chain.round_robin and len(chain.steps) == 1):
        chain.steps.append({"targets": found, "wait": "0s", **chain.conditions})
        chain.waited = False
    else:
        chain.steps[-1]["targets"] = list(dict.fromkeys((*chain.steps[-1]["targets"], *found)))[:100]


def _clock(item: Mapping[str, Any], key: str, place: str) -> str:
    text = text_of(item, key, place)
    if not _TIME.fullmatch(text):
        raise wrong(f"{place}.{key}", f"{text[:20]!r} is no time such as 09:00:00Z")
    return text[:5]
