"""Runs one seed: lets things go wrong for days, heals everything, waits, and asks the checker."""

import asyncio
import contextlib
import gc
import logging
import os
import pickle
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO, cast

import structlog
from structlog.typing import Processor
from ulid import ULID

from scheduler_svc.engine import escalator
from scheduler_svc.service import signals
from scheduler_svc.shards import keeper
from tests.simulation.alerters import Alerters
from tests.simulation.checker import Checker
from tests.simulation.faults import Injector
from tests.simulation.groups_checker import GroupsChecker
from tests.simulation.incidents_checker import LOOKS, IncidentsChecker
from tests.simulation.loop import Livelock, SimLoop
from tests.simulation.outside_checker import OutsideChecker
from tests.simulation.outsiders import Outsiders
from tests.simulation.responders import Responders
from tests.simulation.scenario import Scenario
from tests.simulation.users import Users
from tests.simulation.world import World

_GLANCE: Final = "_GLANCE_SECONDS"
_LOOK: Final = "_LONGEST_SECONDS"
_MOST: Final = "MOST_FIRINGS"
_URANDOM: Final = "_urandom"
_LOGGERS: Final = ("tocsin", "scheduler_svc")
_QUIET_SECONDS: Final = 2400.0
"""From the end of the faults to the check: the longest lease that a wrong clock can have written, and the longest wait for a retry."""


PARTS: Final = {
    "events": ("events attempted", "events accepted", "event firings"),
    "thresholds": ("readings attempted", "readings accepted", "thresholds raised"),
    "heartbeats": ("pings attempted", "pings accepted", "heartbeats raised"),
    "jobs": ("pings of kind start", "pings of kind success", "pings of kind fail"),
    "imports": ("imports attempted", "imports accepted", "keyed alarms made"),
    "incidents": ("triggers attempted", "triggers accepted", "step"),
    "answers": ("acknowledgements attempted", "acknowledgements accepted", "acknowledgements kept"),
    "silences": ("silences attempted", "silences accepted", "steps held back"),
    "groups": ("groups opened", "alerts joined", "news told"),
    "dependencies": ("dependencies attempted", "dependencies accepted", "held back by dependencies"),
}
"""What comes from outside: the counts of what was attempted, what was accepted, and what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came out of a run.

    Attributes:
        digest: hash of the trace: the same seed gives the same one.
        problems: what the checker found; empty in a good run.
        counts: the account: what happened how often.
        seconds: of the processor.
    """

    seed: int
    digest: str
    days: float
    problems: Sequence[str]
    counts: Counter[str]
    seconds: float

    @property
    def word(self) -> str:
        """Is "valid", "invalid", or "unknown" for a run in which nothing was due."""
        if self.problems:
            return "invalid"
        return "valid" if self.counts["occurrences"] else "unknown"


def run(scenario: Scenario, *, trace: Path | None = None, change: Callable[[], None] | None = None) -> Verdict:
    """Simulates a scenario in a process of its own, which dies with all that is unfinished in it.

    Args:
        scenario: what happens.
        trace: file for everything that happens.
        change: called in that process before the run; tests break the code with it.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_child(scenario, writing, trace, change)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    if not told:
        msg = f"the simulation of seed {scenario.seed} died"
        raise RuntimeError(msg)
    return pickle.loads(told)  # noqa: S301  our own child wrote it


def _be_the_child(scenario: Scenario, writing: int, trace: Path | None, change: Callable[[], None] | None) -> NoReturn:
    told = b""
    try:
        if change is not None:
            change()
        with (trace or Path(os.devnull)).open("w", encoding="utf-8") as lines:
            verdict = simulate(scenario, trace=lines if trace else None)
            lines.flush()
        told = pickle.dumps(verdict)
    except BaseException:  # noqa: BLE001  nothing may escape: this is a copy of the parent
        traceback.print_exc()
    finally:
        with os.fdopen(writing, "wb") as answer:
            answer.write(told)
        os._exit(0)  # no garbage collector, no `finally` of what was killed


def simulate(scenario: Scenario, *, trace: TextIO | None = None) -> Verdict:
    """Simulates a scenario."""
    loop = SimLoop(draw=random.Random(f"order {scenario.seed}"), shuffle=scenario.shuffle)
    begun = time.process_time()
    gc.disable()
    try:
        with _deterministic(scenario.seed), _in_small_steps(scenario.chatter.most):
            world = World(scenario, loop=loop, trace=trace)
            _log_into(world)
            loop.set_exception_handler(lambda _, context: world.problem(f"a callback failed: {_words(context)}"))
            try:
                loop.run_until_complete(_life(world))
            except Livelock as error:
                world.problem(str(error))
            world.note("the end", loop.time())
            return Verdict(
                seed=scenario.seed,
                digest=world.digest,
                days=scenario.days,
                problems=tuple(world.problems),
                counts=world.counts,
                seconds=time.process_time() - begun,
            )
    finally:
        loop.set_exception_handler(lambda _loop, _context: None)


async def _life(world: World) -> None:
    scenario, chatter = world.scenario, world.scenario.chatter
    users = Users(desk=world, draw=random.Random(f"users {scenario.seed}"), promises=world.promises, share=chatter.waiting)
    outsiders = Outsiders(
        desk=world,
        draw=random.Random(f"outsiders {scenario.seed}"),
        promises=world.promises,
        chatter=chatter,
        now=world.loop.time,
        counts=world.counts,
    )
    responders = Responders(
        desk=world, draw=random.Random(f"responders {scenario.seed}"), duty=scenario.duty, now=world.loop.time, counts=world.counts
    )
    alerters = Alerters(
        desk=world, draw=random.Random(f"alerters {scenario.seed}"), flock=scenario.flock, now=world.loop.time, counts=world.counts
    )
    checker = Checker(world)
    for host in world.hosts:
        world.start_host(host)
    for bench in world.benches:
        world.start_bench(bench)
    injector = Injector(world)
    injector.start()
    busy = (
        world.keep_connected(),
        _make_alarms(world, users),
        _edit(world, users),
        *outsiders.begin(),
        *responders.begin(),
        *alerters.begin(),
    )
    crowd = [asyncio.ensure_future(each) for each in busy]
    await asyncio.sleep(scenario.days * 86_400)
    injector.stop()
    for task in crowd[1:]:
        task.cancel()
    world.heal()
    await asyncio.sleep(_QUIET_SECONDS)
    checker.check()
    OutsideChecker(world, outsiders.accepted).check()
    promised = responders.promised + alerters.promised
    await IncidentsChecker(world, promised).check()
    GroupsChecker(world, promised).check()


async def _make_alarms(world: World, users: Users) -> None:
    draw = random.Random(f"alarms {world.scenario.seed}")
    for number in range(world.scenario.alarms):
        world.spawn(users.make())
        await asyncio.sleep(draw.choice([0.0, 0.0, 600.0]) * draw.random() if number else 5.0)


async def _edit(world: World, users: Users) -> None:
    draw = random.Random(f"edits {world.scenario.seed}")
    while True:
        await asyncio.sleep(draw.expovariate(1 / world.scenario.edits))
        world.spawn(users.act())


def _words(context: dict[str, object]) -> str:
    return f"{context.get('message')}: {context.get('exception')!r}"


@contextlib.contextmanager
def _deterministic(seed: int) -> Generator[None]:
    """Draws what ids are made of, and whatever else asks for randomness, from the seed."""
    draw, before, urandom = random.Random(f"ids {seed}"), random.getstate(), os.urandom
    provider = ULID.provider
    ULID.provider = type(provider)()
    random.seed(f"global {seed}")
    os.urandom = draw.randbytes
    secret: object = vars(random)[_URANDOM]
    setattr(random, _URANDOM, draw.randbytes)  # what `secrets` draws from
    glance: float = vars(keeper)[_GLANCE]
    setattr(keeper, _GLANCE, 3600.0)  # a sixth of a lease then: days would be long otherwise
    look: float = vars(escalator)[_LOOK]
    setattr(escalator, _LOOK, LOOKS)
    try:
        yield
    finally:
        setattr(escalator, _LOOK, look)
        setattr(keeper, _GLANCE, glance)
        setattr(random, _URANDOM, secret)
        os.urandom, ULID.provider = urandom, provider
        random.setstate(before)


@contextlib.contextmanager
def _in_small_steps(most: int) -> Generator[None]:
    """Lets so few firings of an event go at once, that the rest must come later, and somebody may die in between."""
    before: int = vars(signals)[_MOST]
    setattr(signals, _MOST, most)
    try:
        yield
    finally:
        setattr(signals, _MOST, before)


def _log_into(world: World) -> None:
    """What the service logs becomes a part of the trace, whichever way it came by its logger."""

    def write(_logger: object, level: str, event: MutableMapping[str, Any]) -> NoReturn:
        error = event.pop("exc_info", None)
        words = " ".join(f"{key}={value}" for key, value in sorted(event.items()))
        world.note("logs", world.loop.process.name, level, words, repr(error) if error else "")
        if level in ("error", "critical"):
            world.problem(f"{world.loop.process.name} logged an error: {words} {error!r}")
        raise structlog.DropEvent

    structlog.configure(processors=[write], cache_logger_on_first_use=False)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [_Into(write)]
        logger.propagate = False
        logger.setLevel(logging.DEBUG)


class _Into(logging.Handler):
    """Gives the records of `tocsin.telemetry.get_logger`, which go by the standard library, to a processor of structlog."""

    def __init__(self, write: Processor) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        told: object = record.msg  # a record of structlog carries its whole event
        plain = {"event": record.getMessage(), "exc_info": record.exc_info}
        event = dict(cast("dict[str, Any]", told)) if isinstance(told, dict) else plain
        with contextlib.suppress(structlog.DropEvent):
            self._write(None, record.levelname.lower(), event)
