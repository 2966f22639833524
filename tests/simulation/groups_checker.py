"""The judge of groups, dependencies and windows of maintenance: goes through the journal once more, transaction by transaction.

Where an alert had to go, what holds back an incident, and when those who were told had to hear what is new, is worked out from what senders
said and from the rules of that moment (`tests.simulation.groups_model`). Each transaction on a group does all that is due: what it passes
by is missing, whoever did it and however late it was.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from scheduler_svc.domain.incident_words import EventKind, IncidentSeverity
from tests.simulation.alerters import SENDER, TENANTS
from tests.simulation.groups_model import Herd, Realm, common, values
from tests.simulation.incidents_checker import HARMLESS, LOG, PROMPT, Told
from tests.simulation.notes import skew_of
from tests.simulation.responders import Alert, Promised
from tests.simulation.scenario import SECOND
from tests.simulation.world import World
from tocsin.api.scheduler.v1 import alarm_pb2

_POLICY: Final = "policy"
_ANSWERS: Final = (EventKind.ACKNOWLEDGED, EventKind.RESOLVED)
_AT_THE_FENCE: Final = frozenset(
    {EventKind.TRIGGERED, EventKind.ALERT_OPENED, EventKind.ALERT_RESOLVED, EventKind.STEP, EventKind.RELEASED, EventKind.UNSNOOZED}
)
"""Events whose time is that at which their transaction looked for what is due."""
_SLACK: Final = 60 * SECOND


class GroupsChecker:
    """Judges at the end of a run."""

    def __init__(self, world: World, promised: Promised) -> None:
        self._world = world
        self._promised = promised
        self._problem = world.problem
        self._counts: Counter[str] = Counter()
        self._realms = {tenant: Realm(skew_of(world.scenario)) for tenant in TENANTS}
        self._documents: dict[str, Mapping[str, Any]] = {}
        self._firings: dict[str, Told] = {}
        self._prompt = world.scenario.faults <= HARMLESS
        self._ended: set[str] = set()

    def check(self) -> None:
        """Finds everything that is wrong."""
        raw = self._world.storage.raw
        self._documents = {row[0]: json.loads(row[1]) for row in raw.execute("SELECT id, document FROM incidents").fetchall()}
        entries = [entry for entry in (Told(*row) for row in raw.execute(LOG).fetchall()) if entry.tenant in TENANTS]
        self._firings = {entry.id: entry for entry in entries if entry.kind == "firing"}
        for _, found in groupby(entries, key=lambda entry: entry.txn):
            self._transaction(list(found))
        for realm in self._realms.values():
            for herd in realm.herds.values():
                self._judge_end(realm, herd)
        self._world.counts.update(self._counts)

    # -- a transaction ------------------------------------------------------------------------------------------------------------------

    def _transaction(self, entries: Sequence[Told]) -> None:
        self._ended = set()
        done = list[tuple[Realm, Herd, Told]]()
        before: dict[str, EventKind] = {}
        opening: Alert | None = None
        for entry in entries:
            realm = self._realms[entry.tenant]
            if entry.kind == "rule":
                realm.rule(entry)
            elif entry.kind == "silence":
                realm.silence(entry)
            elif entry.kind == "event":
                alert = self._promised.alerts.get((entry.tenant, entry.text)) if entry.text else opening
                opening = alert
                herd = realm.herds.get(entry.id) or self._open(realm, entry, alert)
                self._take(realm, herd, entry, alert, before.get(entry.id))
                before[entry.id] = EventKind(entry.number)
                done.append((realm, herd, entry))
        self._judge_after(done)
        for tenant in {entry.tenant for entry in entries}:
            self._look_for_free(self._realms[tenant], entries[0].at)

    def _open(self, realm: Realm, entry: Told, alert: Alert | None) -> Herd:
        """An incident begins: with the alert that has no other place, and as the route of that says."""
        document = self._documents[entry.id]
        group: Mapping[str, Any] = document.get("group") or {}
        there, route = (None, None) if alert is None else realm.place(alert)
        if alert is None or there is not None:
            self._problem(f"incident {entry.id} was opened for {alert}, which belongs to {there}")
        grouping = route if route is not None and route.get("group_by") else None
        by = {} if grouping is None or alert is None else values(grouping, alert)
        if group.get("by", {}) != by or document.get("route", "") != ("" if route is None else route["id"]):
            self._problem(f"incident {entry.id} of the route {document.get('route')!r} groups by {group}, and {route} was meant")
        elif grouping is not None and any(group.get(name, 0) != grouping.get(name, 0) for name in ("wait", "interval", "repeat")):
            self._problem(f"group {entry.id} has the times {group}, and {grouping} was meant")
        herd = realm.herds[entry.id] = Herd(entry.id, entry.tenant, document["key"], grouping, by, entry.stamp)
        if grouping is None and alert is not None:
            herd.members[alert.key] = alert
            herd.open.add(alert.key)
        self._counts["groups opened"] += grouping is not None
        return herd

    def _take(self, realm: Realm, herd: Herd, entry: Told, alert: Alert | None, before: EventKind | None) -> None:
        kind = EventKind(entry.number)
        if entry.text and alert is not None and herd.opened != entry.stamp:
            self._judge_place(realm, herd, alert)
        match kind:
            case EventKind.TRIGGERED if alert is not None and herd.group is not None and alert.key in herd.open:
                herd.members[alert.key] = alert  # an incident that is no group stays as it was triggered first
            case EventKind.ALERT_OPENED if alert is not None:
                if alert.key in herd.open or entry.note != alert.key:
                    self._problem(f"alert {entry.note} joined group {entry.id} again, or for {alert.key}")
                herd.join(alert, entry.stamp)
                self._counts["alerts joined"] += len(herd.members) > 1
            case EventKind.ALERT_RESOLVED:
                if entry.note not in herd.open:
                    self._problem(f"alert {entry.note} of group {entry.id} ended, and was not open")
                herd.open.discard(entry.note)
                self._counts["alerts ended"] += 1
            case EventKind.STEP | EventKind.STEP_SKIPPED | EventKind.RELEASED:
                self._step(herd, entry, kind)
            case EventKind.UPDATE_SENT:
                self._update(herd, entry, before)
            case _:
                self._answer(herd, entry, kind)

    def _judge_place(self, realm: Realm, herd: Herd, alert: Alert) -> None:
        """What a sender says reaches the incident that it is about."""
        there, _ = realm.place(alert)
        if there is not herd:
            self._problem(
                f"{alert} went to incident {herd.id} of {herd.tenant}, and {'a new one' if there is None else there.id} was meant"
            )

    def _answer(self, herd: Herd, entry: Told, kind: EventKind) -> None:
        """What is done to an incident, or comes by itself, other than messages."""
        match kind:
            case EventKind.RESOLVED:
                if herd.group is not None and entry.actor == SENDER and herd.open and not herd.merged:
                    self._problem(f"group {herd.id} ended while {sorted(herd.open)} are open")
                self._counts["groups that said nothing"] += herd.group is not None and herd.told is None
                herd.over = True
                self._ended.add(herd.id)
            case EventKind.MERGED:
                herd.merged = True
            case EventKind.ACKNOWLEDGED:
                herd.wake(entry.stamp)
                herd.acknowledged = True
            case EventKind.SNOOZED:
                herd.snoozed = True
            case EventKind.UNACKNOWLEDGED | EventKind.UNSNOOZED | EventKind.REASSIGNED:
                herd.wake(entry.stamp)
                herd.acknowledged, herd.moved = False, True
            case _:
                return
        herd.held, herd.free = "", None

    # -- what people are told -----------------------------------------------------------------------------------------------------------

    def _step(self, herd: Herd, entry: Told, kind: EventKind) -> None:
        self._judge_prompt(herd, entry)
        if kind is EventKind.STEP_SKIPPED and entry.actor != _POLICY:
            herd.held, herd.free, herd.ever_held = entry.actor, None, True
            return
        herd.held, herd.free = "", None
        if kind is not EventKind.STEP or herd.told is not None:
            return
        firing, wait = self._firings.get(entry.firing), 0 if herd.group is None else herd.group["wait"]
        if herd.group is not None and not herd.moved and firing is not None:
            due = herd.opened + wait
            if entry.stamp < due or (firing.since != due and not herd.ever_held and entry.since == 0):
                self._problem(f"group {herd.id} was told at {entry.stamp}, due {firing.since}, and {due} was meant")
        herd.told, herd.news = entry.stamp, 0
        self._counts["groups told"] += herd.group is not None

    def _update(self, herd: Herd, entry: Told, before: EventKind | None) -> None:
        firing = self._firings.get(entry.firing)
        if herd.told is None or firing is None:
            self._problem(f"those who were told of incident {herd.id} heard of it at {entry.stamp}, and nobody had been told: {firing}")
            return
        if before in _ANSWERS:
            return
        notify, due = alarm_pb2.Action.FromString(firing.body or b"").notify, herd.due
        if due is None or firing.since != due or entry.stamp < due:
            self._problem(f"group {herd.id} told at {entry.stamp} what is new, due {firing.since}, and {due} was meant")
        if notify.variables["status"] != herd.says or list(notify.recipients) != [f"incidents/{herd.id}"]:
            self._problem(f"group {herd.id} told {list(notify.recipients)} {notify.variables['status']!r}, and {herd.says!r} was meant")
        if self._prompt and due is not None and not herd.ever_held and (late := entry.stamp - max(due, herd.awake)) > PROMPT:
            self._problem(f"group {herd.id} told {late} microseconds late what is new, for no reason")
        self._judge_prompt(herd, entry)
        self._counts["news told" if herd.news else "groups repeated"] += 1
        herd.told, herd.news = entry.stamp, 0

    def _judge_prompt(self, herd: Herd, entry: Told) -> None:
        """What nothing holds back any more goes on soon."""
        if self._prompt and herd.free is not None and (entry.at - herd.free) * SECOND > PROMPT:
            self._problem(f"incident {herd.id} was held back by {herd.held} for {entry.at - herd.free} s, in which nothing did so any more")

    # -- what holds back ----------------------------------------------------------------------------------------------------------------

    def _judge_after(self, done: Sequence[tuple[Realm, Herd, Told]]) -> None:
        """What was told was free to be told; what was held back was not; and nothing that was due was passed by."""
        looked: dict[str, tuple[Realm, Herd, int]] = {}
        for place, (realm, herd, entry) in enumerate(done):
            kind = EventKind(entry.number)
            message = kind is EventKind.UPDATE_SENT and done[place - 1][2].number not in _ANSWERS
            if (kind is EventKind.STEP or message) and not herd.over:
                for holder in sorted(realm.holders(herd, entry.stamp, sure=True)):
                    self._problem(f"incident {herd.id} told people at {entry.stamp}, while {holder} held it back")
            if kind is EventKind.STEP_SKIPPED and entry.actor != _POLICY:
                self._judge_hold(realm, herd, entry)
            if kind in _AT_THE_FENCE:
                looked[herd.id] = realm, herd, entry.stamp
        for realm, herd, stamp in looked.values():
            due = herd.due
            if due is not None and due <= stamp and not realm.holders(herd, stamp, also=self._ended):
                self._problem(f"what is new in group {herd.id} was due at {due}, and a transaction at {stamp} passed it by")

    def _judge_hold(self, realm: Realm, herd: Herd, entry: Told) -> None:
        holders = realm.holders(herd, entry.stamp, also=self._ended)
        self._counts["held back by dependencies" if entry.actor.startswith("incidents/") else "groups silenced"] += 1
        if entry.actor not in holders:
            self._problem(f"incident {herd.id} was held back by {entry.actor} at {entry.stamp}, and {holders} held it back")

    def _look_for_free(self, realm: Realm, at: float) -> None:
        now = self._world.scenario.epoch + round(at * SECOND)
        for herd in realm.standing():
            if herd.held.startswith("incidents/") and not herd.merged:
                held = realm.holders(herd, now)
                herd.free = None if held else at if herd.free is None else herd.free

    # -- the end ------------------------------------------------------------------------------------------------------------------------

    def _judge_end(self, realm: Realm, herd: Herd) -> None:
        until = self._world.micros() - _SLACK
        held = realm.holders(herd, until) if not herd.over else set[str]()
        if herd.due is not None and herd.due < until and not held:
            self._problem(f"what is new in group {herd.id} was due at {herd.due}, and nobody was told")
        if herd.held and not (held or herd.over or herd.merged):
            self._problem(f"incident {herd.id} is held back by {herd.held}, and nothing does so any more")
        group = self._documents[herd.id].get("group")
        if herd.group is None or group is None:
            return
        alerts = list(herd.members.values())
        stored = (group.get("total", 0), self._documents[herd.id].get("labels", {}))
        if stored != (len(alerts), common(alerts)):
            self._problem(f"group {herd.id} says {stored}, and {len(alerts)} with {common(alerts)} were meant")
        if not herd.over:
            self._judge_open(herd, group)

    def _judge_open(self, herd: Herd, group: Mapping[str, Any]) -> None:
        counts = [sum(herd.members[key].severity == severity for key in herd.open) for severity in IncidentSeverity]
        if list(group.get("open", (0, 0, 0, 0))) != counts:
            self._problem(f"group {herd.id} counts {group.get('open')} open alerts, and {counts} were meant")
        query = "SELECT dedup_key FROM incident_alerts WHERE incident = ? AND state = 1"
        stored = {row[0] for row in self._world.storage.raw.execute(query, (herd.id,)).fetchall()}
        if stored != herd.open:
            self._problem(f"group {herd.id} has the open alerts {stored}, and {herd.open} were meant")
