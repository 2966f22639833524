"""What the scheduler needs of the world, by intent: one transaction a method."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from scheduler_svc.domain import Action, Alarm, Firing, FiringState, Outcome, Parcel, Setback, Succeeded
from scheduler_svc.planning import Plan
from scheduler_svc.recurrence import Micros
from tocsin.errors import TocsinError
from tocsin.listing import Condition

Held: TypeAlias = Mapping[int, int]
"""The shards that a replica owns, each with the fencing epoch under which it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlarm:
    """An alarm to be made. ``digest`` tells requests of one ``request_id`` apart; without a request_id both are empty."""

    alarm: Alarm
    request_id: str = ""
    digest: str = ""


class Page(NamedTuple):
    """A page of a list, which may hold fewer than were asked for, and what the next one begins behind; None on the last one."""

    alarms: list[Alarm]
    next: str | None


class AlarmStore(Protocol):
    """Alarms of all tenants."""

    async def create(self, batch: Sequence[NewAlarm]) -> Sequence[Alarm | TocsinError]:
        """Stores the alarms in one transaction; a repeated request gets the alarm that the first one made."""
        ...

    async def get(self, tenant: str, alarm_id: str) -> Alarm:
        """The alarm.

        Raises:
            AlarmNotFound: the tenant has none of that id.
        """
        ...

    async def page(self, tenant: str, *, conditions: Sequence[Condition], before: str | None, size: int) -> Page:
        """The newest alarms that meet all conditions, with ids below ``before``; ``size`` at most, and fewer when they are far between."""
        ...

    async def update(self, alarm: Alarm, *, reschedule: bool) -> Alarm | None:
        """Replaces the alarm if it is still the version before; None otherwise.

        Its schedule is left alone unless ``reschedule``: then the rule that it had is kept for audits.
        """
        ...

    async def pause(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """Pauses an active alarm; None when it was not active."""
        ...

    async def resume(self, tenant: str, alarm_id: str, *, now: Micros) -> Alarm | None:
        """Resumes a paused alarm, whose due times up to ``now`` are skipped; None when it was not paused."""
        ...

    async def delete(self, tenant: str, alarm_id: str, *, version: int | None, now: Micros) -> bool:
        """Removes the alarm, if it has that version; whether it did. Its rule is kept for audits."""
        ...


class Candidate(NamedTuple):
    """The alarm that a line of an import wants.

    Attributes:
        line: number of the line.
        alarm: as it is made if nobody has its key; without a due time when ``refusal`` is not None.
        draft: what the line says.
        refusal: why it cannot be made; one that is there already may be the same all the same.
    """

    line: int
    alarm: Alarm
    draft: Any
    refusal: TocsinError | None


class Put(NamedTuple):
    """What became of a candidate: the alarm after it, None when it was there and is the same; and whether it was made."""

    alarm: Alarm | None
    created: bool


Reviser: TypeAlias = Callable[[Alarm, Candidate], tuple[Alarm, bool] | None]
"""What a candidate makes of the alarm that has its key, and whether that gets another schedule; None when nothing changes."""


class ImportStore(Protocol):
    """Alarms by the hundred."""

    async def put(self, tenant: str, batch: Sequence[Candidate], *, revise: Reviser, now: Micros, dry: bool) -> Sequence[Put | TocsinError]:
        """Makes and changes alarms in one transaction, by their keys, of which none stands twice in the batch.

        A key "alarms/{id}" also means the alarm of that id that has no key.

        Args:
            tenant: whose they are.
            batch: what is wanted.
            revise: decides about those that are there.
            now: when.
            dry: only tell what would become of them.

        Raises:
            Aborted: somebody else made one of them at the same time; try again.
        """
        ...

    async def page_up(self, tenant: str, *, conditions: Sequence[Condition], after: str, size: int) -> list[Alarm]:
        """The oldest alarms that meet all conditions, with ids above ``after``."""
        ...


class Due(NamedTuple):
    """An alarm whose time has come, as the firing transaction reads it.

    ``busy``: of one whose due times are skipped while it runs (overlap SKIP), that a firing by its rule is not over.
    """

    id: str
    tenant: str
    shard: int
    priority: int
    due: Micros
    ordinal: int
    skip_before: Micros | None
    trigger: str
    anchor: Micros
    action: Action
    retry: str
    traceparent: str
    version: int = 1
    auto_pause_after: int = 0
    busy: bool = False


Planner: TypeAlias = Callable[[Due, int], Plan]
"""Plans an alarm within a number of rows."""


class Pending(NamedTuple):
    """An alarm that is due at a known time."""

    id: str
    due: Micros
    priority: int
    shard: int = -1


@dataclass(slots=True)
class Fired:
    """What a firing transaction did.

    Attributes:
        parcels: the firings that were let go.
        next: alarms with their next due time.
        lost: shards that this replica does not own any more.
        outcomes: ledger rows by outcome.
        tenants: whose ledger changed.
    """

    parcels: list[Parcel] = field(default_factory=list[Parcel])
    next: list[Pending] = field(default_factory=list[Pending])
    lost: set[int] = field(default_factory=set[int])
    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    tenants: set[str] = field(default_factory=set[str])


class DueStore(Protocol):
    """What the engine reads and writes."""

    async def due(
        self, shards: Collection[int], *, after: tuple[Micros, str], until: Micros, most: int, urgent: bool = False
    ) -> list[Pending]:
        """Active alarms of the shards due up to ``until``, the earliest first, behind the cursor (due, id).

        With ``urgent`` critical ones alone.
        """
        ...

    async def fire(self, batch: Sequence[tuple[str, Micros]], *, owner: str, held: Held, now: Micros, most: int, planner: Planner) -> Fired:
        """Lets the alarms go that are still due at that very time, in one transaction, fenced by the epochs of their shards.

        Several may run at once, with different alarms. An alarm that somebody changed between the reading and the writing is left alone
        and comes again in `Fired.next`, as the store has it now.
        """
        ...

    async def oldest_overdue(self, shards: Collection[int], *, now: Micros) -> Micros | None:
        """The earliest due time up to ``now`` that is not in the ledger yet."""
        ...


class Paused(NamedTuple):
    """An alarm that paused itself after too many failures in a row."""

    alarm: str
    shard: int
    priority: int


class Ledger(Protocol):
    """Firings of all tenants."""

    async def get(self, tenant: str, firing_id: str) -> Firing:
        """The firing.

        Raises:
            FiringNotFound: the tenant has none of that id.
        """
        ...

    async def page(
        self, tenant: str, *, conditions: Sequence[Condition], before: tuple[Micros, str] | None, size: int, adhoc: bool = False
    ) -> list[Firing]:
        """The firings that meet all conditions, the latest due first, behind the cursor (due, id)."""
        ...

    async def enqueue(self, batch: Sequence[Firing], *, owner: str, held: Held) -> Sequence[Firing | TocsinError]:
        """Adds firings that are due now, in one transaction; one that exists already is answered as it is."""
        ...

    async def replay(self, tenant: str, firing_id: str, *, now: Micros, shard: int) -> Firing | None:
        """Lets a dead firing go once more, in that shard; None when it was not dead."""
        ...

    async def record(
        self, *, done: Mapping[str, Succeeded], setbacks: Iterable[Setback], now: Micros, parcels: Mapping[str, Parcel] | None = None
    ) -> Sequence[Paused]:
        """Keeps results, in one transaction; a firing that is over stays as it is.

        The same transaction counts failures in a row for alarms that pause themselves.

        Args:
            done: what has succeeded, by firing.
            setbacks: what has not.
            now: when.
            parcels: those of the firings that are in memory; what is known of a firing need not be looked for.

        Returns:
            The alarms that paused themselves.
        """
        ...

    async def heads(self, shards: Collection[int], *, alarms: Collection[str]) -> list[Parcel]:
        """Of each alarm whose firings wait for one another, the unfinished one that was due first, if it is in one of the shards."""
        ...

    async def waiting(self, shards: Collection[int], *, priority: int, after: tuple[Micros, str], until: Micros, most: int) -> list[Parcel]:
        """Unfinished firings of the shards that are ready up to ``until``, behind the cursor (ready, id)."""
        ...

    async def now_at(self) -> tuple[int, str]:
        """The cursor behind every change that is settled now."""
        ...

    async def changes(self, tenant: str, *, alarm: str, after: tuple[int, str], most: int) -> list[Firing]:
        """Settled changes behind the cursor (change, id), in order; a change that is settled later never sorts before one that was."""
        ...


class Replica(NamedTuple):
    """A replica that takes part in sharing the shards.

    Attributes:
        owner: identity of this start of its process.
        address: where it runs, for people.
        started: when it came.
        lease_until: when it takes part no longer, unless it says so again.
        live: whether that is still to come, by the clock that decides about leases.
        gone: its lock is free: its process is dead, or cut off from the database.
    """

    owner: str
    address: str
    started: Micros
    lease_until: Micros
    live: bool
    gone: bool


class ShardOwner(NamedTuple):
    """Who owns a shard; nobody when ``owner`` is empty."""

    shard: int
    owner: str
    epoch: int
    lease_until: Micros


class ShardStore(Protocol):
    """Who owns which shard, and who takes part."""

    async def renew(self, owner: str, *, lease: Micros, address: str = "", lock: int | None = None) -> Held:
        """Takes part for another ``lease``, as do the shards still owned, which are answered.

        Args:
            owner: identity of this start of the process.
            lease: microseconds from now.
            address: where it runs.
            lock: key of the database's lock that it holds as long as it lives; None: it holds none.
        """
        ...

    async def acquire(self, owner: str, *, lease: Micros, most: int, dead: Mapping[str, Micros], steal: bool) -> Held:
        """Takes up to ``most`` shards that are free; each gets a new epoch.

        Free is what nobody owns, whose lease is over, or whose owner is ``dead`` and has not renewed the lease given there; with
        ``steal`` every shard. One whose firing transaction runs at this moment is left out: ask again.
        """
        ...

    async def give_back(self, owner: str, shards: Collection[int]) -> None:
        """Makes these shards free."""
        ...

    async def release(self, owner: str) -> None:
        """Makes every shard of the owner free, which takes part no longer."""
        ...

    async def replicas(self) -> list[Replica]:
        """Everybody who takes part, or did until the lease ended, in order of identity."""
        ...

    async def owners(self) -> list[ShardOwner]:
        """Every shard in order of its number."""
        ...


class Moved(NamedTuple):
    """An alarm whose due time was moved from outside; None: it has none now."""

    alarm: str
    shard: int
    priority: int
    due: Micros | None


class Upkeep(Protocol):
    """Housekeeping, in small steps."""

    async def make_room(self, *, now: Micros) -> None:
        """Prepares the ledger for this month and those to come; without it nothing fails, but old firings are forgotten slowly."""
        ...

    async def forget_months(self, *, before: Micros) -> Micros:
        """Removes whole months of the ledger that are over before an instant and in which everything is finished, at once.

        Returns:
            The instant before which what is left of the ledger is to be forgotten in steps: the rest waits until its month is over.
        """
        ...

    async def forget_firings(self, *, before: Micros, most: int) -> int:
        """Removes finished firings due before an instant; how many."""
        ...

    async def forget_changes(self, *, before: Micros, most: int) -> int:
        """Removes what watchers of firings could go on from that was before an instant; how many entries."""
        ...

    async def forget_requests(self, *, before: Micros, most: int) -> int:
        """Removes remembered requests made before an instant; how many."""
        ...

    async def forget_rules(self, *, before: Micros, most: int) -> int:
        """Removes rules that ended before an instant; how many."""
        ...

    async def forget_replans(self, *, before: Micros, most: int) -> int:
        """Removes the reports of replans before an instant; how many."""
        ...

    async def forget_inbound(self, *, before: Micros, most: int) -> int:
        """Removes entries of the log of what came before an instant, and counts of rare topics; how many entries."""
        ...

    async def complete_listeners(self, *, now: Micros, most: int) -> int:
        """Completes alarms that waited for something from outside until their end; how many."""
        ...

    async def settle(self) -> None:
        """Keeps the order of changes across a restore into another PostgreSQL cluster."""
        ...

    async def count_alarms(self) -> Mapping[str, int]:
        """Alarms by state."""
        ...


class Hints(Protocol):
    """Tells the owner of a shard, here or elsewhere, that something changed; a hint may be lost."""

    async def scheduled(self, alarm: Alarm) -> None:
        """The alarm is new, or has another schedule, or fires no more."""
        ...

    async def scheduled_all(self, alarms: Sequence[Alarm]) -> None:
        """Like `scheduled`, of many; only of those that are due soon must anybody know at once."""
        ...

    async def removed(self, alarm: Alarm) -> None:
        """The alarm is gone."""
        ...

    async def enqueued(self, firing: Firing) -> None:
        """The firing is ready, in a shard of this replica."""
        ...

    async def caused(self, firings: Sequence[Firing], moved: Sequence[Moved]) -> None:
        """These firings are in the ledger, and these alarms are due at another time, by something from outside."""
        ...


class Shards(Protocol):
    """What this replica owns, at this moment."""

    @property
    def owner(self) -> str:
        """The identity of this start of the replica."""
        ...

    @property
    def held(self) -> Held:
        """The shards owned, with their epochs; empty as soon as the lease may have ended."""
        ...


class Changes(Protocol):
    """Tells watchers that firings changed."""

    async def changed(self, tenants: Iterable[str]) -> None:
        """Firings of these tenants changed; the telling may get lost."""
        ...


class Bell(Changes, Protocol):
    """Tells whoever it concerns what results have led to."""

    async def paused(self, alarms: Iterable[Paused]) -> None:
        """These alarms fire no more, for the time being; the telling may get lost."""
        ...


class Observer(Protocol):
    """Sees what the engine and the dispatcher do, for metrics."""

    def fired(self, fired: Fired, *, now: Micros, seconds: float) -> None:
        """A firing transaction committed after ``seconds``."""
        ...

    def recorded(self, states: Mapping[FiringState, int], *, seconds: float) -> None:
        """A batch of results committed after ``seconds``: how many firings came into which state."""
        ...

    def lost(self, count: int) -> None:
        """Deliveries ended without a result."""
        ...
