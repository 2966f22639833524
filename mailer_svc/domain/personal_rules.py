"""How people want to be told of incidents: by which channels, one after the other (pure).

A recipient has steps for urgent incidents and for the others. Each says by which channel, and how long after the step of the escalation
policy that reached the recipient. Those that are not due at once are held until then, and sent unless somebody has answered meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from tocsin.clock import DAY, HOUR, MINUTE, SECOND


class PersonalStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """By which channel, and ``after`` how many microseconds; an empty address: all that the recipient has there."""

    channel: str
    address: str = ""
    after: int = 0


class PersonalRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """The steps for urgent incidents and for the others, each in the order of its times; none: there is no rule."""

    urgent: tuple[PersonalStep, ...] = ()
    other: tuple[PersonalStep, ...] = ()


UNRULED: Final = PersonalRules()
"""Of who has no rules."""

_DECODER: Final = msgspec.json.Decoder(PersonalRules)


class PlannedMessage(NamedTuple):
    """A message to a recipient.

    Attributes:
        channel: by which it leaves.
        address: where to; empty: the recipient has none there.
        rule: by which it is made, "urgent 2"; empty: by none.
        after: how many microseconds it waits.
    """

    channel: str
    address: str
    rule: str = ""
    after: int = 0

    @property
    def said(self) -> str:
        """What a timeline says of it."""
        return f"personal rule {self.rule}, {f'after {span(self.after)}' if self.after else 'at once'}"


def decode(document: str) -> PersonalRules:
    """The rules of a stored document; an empty one is of who has none.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _DECODER.decode(document) if document else UNRULED


def encode(rules: PersonalRules) -> str:
    """The document to store."""
    return msgspec.json.encode(rules).decode() if rules != UNRULED else ""


def planned(rules: PersonalRules, *, urgent: bool, reach: Callable[[PersonalStep], Sequence[str]]) -> list[PlannedMessage]:
    """The messages by the rules; none without rules for such an incident.

    A step that reaches nothing is among them, to be accounted for, and the next one goes at its time.

    Args:
        rules: the recipient's.
        urgent: whether the incident is.
        reach: the addresses of a step, to which messages can be sent.
    """
    kind, steps = ("urgent", rules.urgent) if urgent else ("other", rules.other)
    made: list[PlannedMessage] = []
    earlier: int | None = None
    for number, step in enumerate(steps, 1):
        after = step.after if earlier is None else min(step.after, earlier)
        addresses = reach(step)
        made += [PlannedMessage(step.channel, address, f"{kind} {number}", after) for address in addresses or ("",)]
        earlier = None if addresses else after
    return made


def span(micros: int) -> str:
    """A time in the largest unit of which it is a whole number."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if micros >= unit and micros % unit == 0:
            return f"{micros // unit} {name}"
    return f"{micros / SECOND:g} s"
