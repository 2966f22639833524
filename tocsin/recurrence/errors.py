"""Why a rule is refused, and where in its text."""

from tocsin.errors import FieldViolation, InvalidInput


class BadRule(InvalidInput):
    """The rule is not valid."""

    @classmethod
    def at_position(cls, field: str, position: int, description: str, *, line: int | None = None) -> "BadRule":
        """The error for a place in the text of a rule.

        Args:
            field: the field, by its JSON name.
            position: where, in characters from 0.
            description: what is wrong there.
            line: the line of the place, from 1; None for a text of one line.
        """
        where = f"position {position}" if line is None else f"line {line}, position {position}"
        text = f"{where}, {description}"
        return cls(f"{field}: {text}", violations=[FieldViolation(field, text)], metadata={"position": str(position)})


def within(error: InvalidInput, field: str) -> InvalidInput:
    """The error of a part, named by the ``field`` that the part stands in: of "trigger.cron" only "cron" is kept."""
    told = [FieldViolation(f"{field}.{found.field.removeprefix('trigger.')}", found.description) for found in error.violations]
    text = "; ".join(f"{found.field}: {found.description}" for found in told)
    return type(error)(text or error.message, violations=told, metadata=error.metadata)


class UnknownZone(InvalidInput):
    """There is no such time zone."""


class TooCostly(InvalidInput):
    """The rule needs too many steps to find its next due time."""
