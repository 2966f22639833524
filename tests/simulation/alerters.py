"""Whoever has to do with groups: what sends alerts, and people who change routes, dependencies and windows of maintenance meanwhile."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from msgspec import structs

from scheduler_svc.domain.dependencies import IncidentDependency
from scheduler_svc.domain.incident_words import AlertEvent, By, IncidentSeverity
from scheduler_svc.domain.matchers import SilenceMatcher
from scheduler_svc.domain.routes import IncidentRoute
from scheduler_svc.service.incidents import Answerer, IncidentDraft
from scheduler_svc.service.silences import SilenceDraft
from tests.simulation.replica import Replica
from tests.simulation.responders import Alert, Promise, Responders
from tests.simulation.scenario import Flock
from tests.simulation.users import Desk
from tocsin.recurrence import Cron, TimeWindow

TENANTS: Final = ("g1", "g2")
SENDER: Final = "alarms/a"
"""Who says that an alert is over."""
_SECOND: Final = 1_000_000
_CLUSTERS: Final = ("c0", "c1")
_LAYERS: Final = ("net", "net", "app", "ui")
_HOSTS: Final = 6
_ROUTES: Final = ("r0", "r1", "r2")
_DEPENDENCIES: Final = ("d0", "d1")
_WINDOWS: Final = ((600, 180), (300, 60))
"""Seconds from the beginning of a window to the next one, and how long each lasts."""


class Alerters(Responders):
    """All of them, of two tenants that have nothing else."""

    tenants = TENANTS

    def __init__(self, *, desk: Desk, draw: random.Random, flock: Flock, now: Callable[[], float], counts: Counter[str]) -> None:
        """Does nothing yet; see `Responders`."""
        super().__init__(desk=desk, draw=draw, duty=flock.duty, now=now, counts=counts)
        self._flock = flock
        self._going: dict[str, list[Alert]] = {tenant: [] for tenant in TENANTS}

    def begin(self) -> list[Coroutine[Any, Any, None]]:
        """What goes on from now on, until it is cancelled."""
        others = super().begin()
        if not others:
            return []
        acts = ((self._flock.routes, self._change_route), (self._flock.dependencies, self._change_dependency))
        return [*others, self._make_rules(), *(self._forever(mean, act) for mean, act in acts)]

    # -- alerts -----------------------------------------------------------------------------------------------------------------------

    async def _trigger(self, tenant: str) -> None:
        """Several alerts at once, some of them over, as a webhook brings them; once in a while one comes twice."""
        draw = self._draw
        asking: list[Coroutine[Any, Any, None]] = []
        for _ in range(draw.choice([1, 1, 2, 3])):
            going = self._going[tenant]
            if going and draw.random() < 0.4:
                alert = going.pop(draw.randrange(len(going)))
                asking.append(self._well(tenant, alert._replace(over=True)))
                continue
            alert = self._alert()
            request = f"alert-{self._number()}"
            going.append(alert)
            asking += [self._tell(tenant, alert, request)] * 1
            if draw.random() < 0.1:
                asking.append(self._tell(tenant, alert, request))
        await asyncio.gather(*asking)

    def _alert(self) -> Alert:
        """An alert; what it says beside its severity is the same each time."""
        draw, number = self._draw, self._draw.randrange(_HOSTS)
        cluster, layer = draw.choice(_CLUSTERS), draw.choice(_LAYERS)
        labels = {"cluster": cluster, "layer": layer, "host": f"h{number}"}
        severity = draw.choice(list(IncidentSeverity))
        return Alert(f"{cluster}/{layer}/{number}", int(severity), labels, draw.choice([*[""] * 9, "p0"]))

    async def _tell(self, tenant: str, alert: Alert, request: str) -> None:
        self.promised.alerts[tenant, request] = alert
        await self._open(Answerer(tenant, "users/1"), _draft(alert), request)

    async def _well(self, tenant: str, alert: Alert) -> None:
        request = f"alert-{self._number()}"
        self.promised.alerts[tenant, request] = alert

        async def ended(replica: Replica) -> str:
            found = await replica.answers.incidents.triggering(
                tenant, _draft(alert), by=By(SENDER), request_id=request, event=AlertEvent.RESOLVE
            )
            return "" if found is None or found.group is not None else found.id

        asked = self._now()
        identity = await self._ask("ends", ended)
        if identity:
            self.promised.resolved.append(Promise(identity, asked, self._now()))

    # -- rules ------------------------------------------------------------------------------------------------------------------------

    async def _make_rules(self) -> None:
        await asyncio.sleep(5.0)
        for tenant in TENANTS:
            for name in _ROUTES[:2]:
                route = self._route(tenant, name)
                self._desk.spawn(self._ask("routes", lambda replica, route=route: replica.answers.routes.create(route), attempts=20))
            for name in _DEPENDENCIES:
                dependency = self._dependency(tenant, name)
                self._desk.spawn(
                    self._ask("dependencies", lambda replica, one=dependency: replica.answers.dependencies.create(one), attempts=20)
                )

    async def _change_route(self, tenant: str) -> None:
        """Makes, changes or removes one, while groups of it are open."""
        name, deed = self._draw.choice(_ROUTES), self._draw.randrange(4)
        route = self._route(tenant, name)
        if deed == 0:
            await self._ask("routes", lambda replica: replica.answers.routes.delete(tenant, name, etag=""), attempts=1)
        elif deed == 1:
            await self._ask("routes", lambda replica: replica.answers.routes.create(route), attempts=1)
        else:
            await self._ask(
                "routes", lambda replica: replica.answers.routes.update(tenant, name, etag="", change=lambda _: route), attempts=1
            )

    def _route(self, tenant: str, name: str) -> IncidentRoute:
        draw = self._draw
        return IncidentRoute(
            id=name,
            tenant=tenant,
            position=draw.randrange(3),
            matchers=self._some(
                [SilenceMatcher("layer", "net"), SilenceMatcher("host", "h*"), SilenceMatcher("cluster", "c1", negate=True)]
            ),
            policy=draw.choice(["p0", "p1", "p2", "p2", ""]),
            group_by=draw.choice([("cluster",), ("cluster",), ("cluster", "layer"), ("host",), ()]),
            wait=draw.choice([0, 20, 60]) * _SECOND,
            interval=draw.choice([30, 120]) * _SECOND,
            repeat=draw.choice([0, 200, 500]) * _SECOND,
            repeat_acknowledged=draw.random() < 0.2,
        )

    def _some(self, matchers: Sequence[SilenceMatcher]) -> tuple[SilenceMatcher, ...]:
        return tuple(self._draw.sample(matchers, self._draw.choice([0, 0, 0, 1, 2])))

    async def _change_dependency(self, tenant: str) -> None:
        """Makes, changes or removes one, while something is held back by it."""
        name, deed = self._draw.choice(_DEPENDENCIES), self._draw.randrange(4)
        made = self._dependency(tenant, name)
        if deed == 0:
            await self._ask("dependencies", lambda replica: replica.answers.dependencies.delete(tenant, name, etag=""), attempts=1)
        elif deed == 1:
            await self._ask("dependencies", lambda replica: replica.answers.dependencies.create(made), attempts=1)
        else:
            await self._ask(
                "dependencies",
                lambda replica: replica.answers.dependencies.update(
                    tenant, name, etag="", change=lambda one: structs.replace(one, source=made.source, target=made.target, equal=made.equal)
                ),
                attempts=1,
            )

    def _dependency(self, tenant: str, name: str) -> IncidentDependency:
        """From a lower layer to a higher one, so that there is never a ring."""
        draw = self._draw
        source, target = draw.choice([("net", "app"), ("net", "ui"), ("app", "ui")])
        targets = [SilenceMatcher("layer", target)]
        if draw.random() < 0.3:
            targets = [SilenceMatcher("layer", source, negate=True), SilenceMatcher("layer", "net", negate=True)]
        worse = [SilenceMatcher("severity", "critical")] if draw.random() < 0.2 else []
        return IncidentDependency(
            id=name,
            tenant=tenant,
            source=(SilenceMatcher("layer", source), *worse),
            target=tuple(targets),
            equal=draw.choice([(), ("cluster",), ("cluster",)]),
        )

    # -- silences ---------------------------------------------------------------------------------------------------------------------

    def _silence_draft(self) -> SilenceDraft:
        """For a time, or in windows that come again and again; the comment says which."""
        plain = super()._silence_draft()
        if self._draw.random() < 0.6:
            return plain
        every, length = self._draw.choice(_WINDOWS)
        window = TimeWindow(spec=Cron(f"*/{every // 60} * * * *"), length=length * _SECOND)
        end = self._desk.micros() + 1800 * _SECOND
        return plain._replace(start=None, end=end, window=window, zone="UTC", comment=f"{every}/{length}")

    def _matcher(self) -> SilenceMatcher:
        draw = self._draw
        return draw.choice(
            [
                SilenceMatcher("host", f"h{draw.randrange(_HOSTS)}", negate=True),
                SilenceMatcher("host", f"h{draw.randrange(_HOSTS)}"),
                SilenceMatcher("cluster", draw.choice(_CLUSTERS)),
                SilenceMatcher("layer", draw.choice(_LAYERS), negate=draw.random() < 0.5),
                SilenceMatcher("dedupKey", "c0/*"),
                SilenceMatcher("dedupKey", "incidentRoutes/r1*"),
                SilenceMatcher("severity", "err*"),
            ]
        )


def _draft(alert: Alert) -> IncidentDraft:
    return IncidentDraft(
        title=alert.key, key=alert.key, severity=IncidentSeverity(alert.severity), policy=alert.policy, labels=dict(alert.labels)
    )
