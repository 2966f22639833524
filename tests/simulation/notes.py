"""The journal of what comes from outside, as the checkers read it, and what they share."""

from typing import Final, NamedTuple

from tests.simulation.scenario import SECOND, Scenario
from tests.simulation.storage import Storage

EDGE: Final = 60 * SECOND
"""So near to a start or an end nobody can say whether an alarm listened: things are received, wait, and are committed."""
_CLOCKS: Final = 1300 * SECOND
_QUERY: Final = "SELECT txn, at, kind, id, tenant, key, number, text, due, since, stamp, body FROM outside ORDER BY seq"


class Entry(NamedTuple):
    """A row of the journal; see `tests.simulation.journal` for what the columns mean to each kind."""

    txn: int
    at: float
    kind: str
    id: str
    tenant: str
    key: str
    number: int
    text: str
    due: int | None
    since: int
    stamp: int
    body: bytes | None


def entries_of(storage: Storage) -> list[Entry]:
    """The whole journal, in the order of the commits."""
    return [Entry(*row) for row in storage.raw.execute(_QUERY).fetchall()]


def skew_of(scenario: Scenario) -> int:
    """By how much two clocks can differ."""
    return _CLOCKS if "clocks" in scenario.faults else 0
