"""Personal notification rules of Grafana OnCall as those of recipients: by which channel, and how long after the step of the policy."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tocsin.cli.imports.plan import ImportPlan
from tocsin.cli.imports.reading import number_of, text_of, wrong
from tocsin.errors import InvalidInput

_CHANNELS: Final = {
    "notify_by_email": "email",
    "notify_by_sms": "sms",
    "notify_by_telegram": "telegram",
    "notify_by_slack": "slack",
    "notify_by_mobile_app": "push",
    "notify_by_mobile_app_critical": "push",
}
_MOST_STEPS: Final = 20
_LONGEST_SECONDS: Final = 86_400


def personal_rules(rows: Sequence[tuple[Mapping[str, Any], str]], plan: ImportPlan) -> dict[str, dict[str, Any]]:
    """The rules by ids of users: for urgent incidents those that are important, for others those that are not.

    A rule without an address of its channel does no harm: the next one goes at its time.
    """
    found: dict[str, dict[str, Any]] = {}
    waits: dict[tuple[str, str], int] = {}
    for item, place in sorted(rows, key=lambda row: _position(row[0])):
        try:
            user, kind = text_of(item, "user_id", place), text_of(item, "type", place)
            level = "urgent" if item.get("important") is True else "other"
            if kind == "wait":
                waits[user, level] = waits.get((user, level), 0) + max(0, number_of(item, "duration", place, default=300))
                continue
            channel = _CHANNELS.get(kind)
            if channel is None:
                raise wrong(f"{place}.type", f"{kind[:40]!r} has no channel here: nobody is called by phone")
            after = waits.get((user, level), 0)
            steps = found.setdefault(user, {}).setdefault(level, [])
            if after > _LONGEST_SECONDS or len(steps) == _MOST_STEPS:
                raise wrong(place, f"comes after more than a day, or is behind the {_MOST_STEPS}th")
            steps.append({"channel": channel, **({"after": f"{after}s"} if after else {})})
        except InvalidInput as error:
            plan.refuse(error.violations[0].field, str(item.get("user_id") or "")[:80], error.violations[0].description)
    return found


def _position(item: Mapping[str, Any]) -> int:
    found = item.get("position")
    return found if isinstance(found, int) else 0
