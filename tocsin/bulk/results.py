"""What an import comes to, and keys that come twice in it (pure)."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tocsin.errors import InvalidInput, TocsinError

Warned = TypeVar("Warned")


@dataclass(slots=True)
class ImportResult(Generic[Warned]):
    """What became of a batch: counts, the lines that were refused with the reason, and what to know about those that were taken."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[tuple[int, TocsinError]] = field(default_factory=list[tuple[int, TocsinError]])
    warnings: list[tuple[int, Warned]] = field(default_factory=list[tuple[int, Warned]])


class RecentKeys:
    """The keys of the last lines, in two generations: memory is bounded, whatever the length of the import."""

    def __init__(self, most: int, *, field: str = "key") -> None:
        """Remembers ``most`` keys at least; ``field`` is named by the refusal."""
        self._most = most
        self._field = field
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}

    def add(self, key: str, line: int) -> None:
        """Remembers a key.

        Raises:
            InvalidInput: it is remembered already.
        """
        before = self._young.get(key) or self._old.get(key)
        if before is not None:
            raise InvalidInput.at(self._field, f"is that of line {before} as well")
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = line
