"""What is raised for rules that make no sense."""

from tocsin.errors import FieldViolation, InvalidInput


class RuleInvalid(InvalidInput):
    """A rule of the policy makes no sense."""


def invalid(field: str, reason: str) -> RuleInvalid:
    """The error for one refused field."""
    return RuleInvalid(f"{field}: {reason}", violations=[FieldViolation(field, reason)])
