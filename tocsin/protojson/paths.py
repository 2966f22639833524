"""The paths of field masks, as the contract has them and as JSON has them."""

import re
from typing import Final

# What comes back from lowerCamelCase as it was.
_REVERSIBLE: Final = re.compile(r"(?:\*|_?[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*)(?:\.(?:\*|_?[a-z][a-z0-9]*(?:_[a-z][a-z0-9]*)*))*\Z")
_LETTER: Final = re.compile(r"_([a-z])")
_CAPITAL: Final = re.compile(r"[A-Z]")


def camel(path: str) -> str:
    """A path of the contract as JSON has it."""
    return _LETTER.sub(lambda match: match[1].upper(), path)


def _snake(path: str) -> str:
    return _CAPITAL.sub(lambda match: f"_{match[0].lower()}", path)


def written(path: str) -> str:
    """A path as JSON has it, or as the contract has it where that would not come back."""
    made = camel(path)
    return made if "_" not in made and _snake(made) == path else path


def is_odd(path: str) -> bool:
    """Whether JSON has no form for a path of the contract."""
    return _REVERSIBLE.match(path) is None


def normalized(text: str) -> str:
    """A mask that a client wrote by either names in the form that converters take; as it is if JSON has none."""
    if "_" not in text:
        return text
    return text if any(is_odd(path) for path in of_contract(text)) else ",".join(camel(path) for path in of_contract(text))


def of_contract(text: str) -> list[str]:
    """The paths of a mask in JSON: a name with an underscore is the contract's, one without is JSON's."""
    return [".".join(name if "_" in name else _snake(name) for name in path.split(".")) for path in text.split(",")]
