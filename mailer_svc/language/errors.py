"""Why a template is refused, or not rendered."""

from tocsin.errors import InvalidInput, TocsinError


class TemplateInvalid(InvalidInput):
    """The template is not valid."""


class VariableMissing(InvalidInput):
    """A variable that the template requires has no value."""


class VariableUnknown(InvalidInput):
    """A value was given for a variable that the template does not declare."""


class RenderingTooLarge(InvalidInput):
    """The template renders to more than a message may hold."""


class RenderTooExpensive(InvalidInput):
    """To render the template takes more than one message may cost."""


class BudgetSpent(TocsinError):
    """The run has touched as many characters as it may."""
