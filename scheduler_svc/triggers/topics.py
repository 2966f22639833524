"""Topics of events, and patterns of them: segments joined by dots, "*" for one segment, a last "**" for any number, none included."""

from collections.abc import Sequence


def is_pattern(topic: str) -> bool:
    """Whether it stands for more than itself."""
    return "*" in topic


def topic_matches(pattern: str, topic: str) -> bool:
    """Whether ``topic`` is one of those that ``pattern`` stands for."""
    wanted, given = pattern.split("."), topic.split(".")
    if wanted[-1] == "**":
        wanted.pop()
        return len(wanted) <= len(given) and _alike(wanted, given)
    return len(wanted) == len(given) and _alike(wanted, given)


def _alike(wanted: Sequence[str], given: Sequence[str]) -> bool:
    return all(one in ("*", other) for one, other in zip(wanted, given, strict=False))
