"""PreferenceService."""

from typing import Any

import grpc
from msgspec import structs

from mailer_svc.domain import DeliveryCap, PreferenceChoice, Preferences, QuietHours, QuietPolicy
from mailer_svc.domain.preferences import ANY
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.handlers.deliveries import timestamp
from mailer_svc.handlers.people_messages import duration
from mailer_svc.ports import StoredPreferences
from mailer_svc.service import RecipientPreferences
from tocsin.api.mailer.v1 import preference_service_pb2 as pb
from tocsin.api.mailer.v1 import preference_service_pb2_grpc as rpc
from tocsin.masks import fields_to_change
from tocsin.mesh.context import principal
from tocsin.stored import int32

Context = grpc.aio.ServicerContext[Any, Any]

_WRITABLE = ("choices", "quiet_hours", "cap")
_POLICIES = {
    pb.Preferences.POLICY_UNSPECIFIED: QuietPolicy.HOLD,
    pb.Preferences.HOLD: QuietPolicy.HOLD,
    pb.Preferences.DROP: QuietPolicy.DROP,
    pb.Preferences.PASS: QuietPolicy.PASS,
}
_SHOWN = {policy: number for number, policy in _POLICIES.items() if number}
_HOUR = 60


class PreferenceHandlers(rpc.PreferenceServiceServicer):
    """Manages what people of the caller's tenant want."""

    def __init__(self, *, preferences: RecipientPreferences) -> None:
        self._preferences = preferences

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Context) -> pb.Preferences:
        """Reads preferences."""
        return _message(request.name, await self._preferences.get(tenant=principal().tenant, recipient=_recipient(request.name)))

    async def UpdatePreferences(self, request: pb.UpdatePreferencesRequest, context: Context) -> pb.Preferences:
        """Changes what is given."""
        given = request.preferences
        wanted = _preferences(given)
        changes = {name: getattr(wanted, name) for name in fields_to_change(request.update_mask, given, _WRITABLE)}
        found = await self._preferences.revise(
            tenant=principal().tenant, recipient=_recipient(given.name), change=lambda stored: structs.replace(stored, **changes)
        )
        return _message(given.name, found)

    async def ReplacePreferences(self, request: pb.ReplacePreferencesRequest, context: Context) -> pb.Preferences:
        """Changes everything."""
        given = request.preferences
        wanted = _preferences(given)
        found = await self._preferences.revise(tenant=principal().tenant, recipient=_recipient(given.name), change=lambda _: wanted)
        return _message(given.name, found)


def _recipient(name: str) -> str:
    """The id of the recipient whose preferences a name is of; empty for those of the tenant."""
    return name.removesuffix("preferences").removeprefix("recipients/").removesuffix("/")


def _preferences(given: pb.Preferences) -> Preferences:
    return Preferences(
        choices=tuple(
            PreferenceChoice(enabled=choice.enabled, category=choice.category or ANY, channel=choice.channel or ANY)
            for choice in given.choices
        ),
        quiet_hours=_quiet_hours(given.quiet_hours) if given.HasField("quiet_hours") else None,
        cap=DeliveryCap(given.cap.count, given.cap.window.ToMicroseconds()) if given.HasField("cap") else None,
    )


def _quiet_hours(given: pb.Preferences.QuietHours) -> QuietHours:
    return QuietHours(
        times=tuple(WeeklyWindow(time.weekday, _minutes(time.start), _minutes(time.end)) for time in given.times),
        normal=_POLICIES[given.normal],
        bulk=_POLICIES[given.bulk],
    )


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * _HOUR + int(minute)


def _clock(minutes: int) -> str:
    return f"{minutes // _HOUR:02}:{minutes % _HOUR:02}"


def _message(name: str, stored: StoredPreferences) -> pb.Preferences:
    found = stored.preferences
    message = pb.Preferences(
        name=name,
        choices=[
            pb.Preferences.Choice(category=choice.category, channel=choice.channel, enabled=choice.enabled) for choice in found.choices
        ],
    )
    if found.quiet_hours is not None:
        hours = found.quiet_hours
        message.quiet_hours.normal, message.quiet_hours.bulk = _SHOWN[hours.normal], _SHOWN[hours.bulk]
        for time in hours.times:
            message.quiet_hours.times.add(weekday=int32(time.weekday), start=_clock(time.start), end=_clock(time.end))
    if found.cap is not None:
        message.cap.count = int32(found.cap.count)
        message.cap.window.CopyFrom(duration(found.cap.window))
    if stored.updated:
        message.update_time.CopyFrom(timestamp(stored.updated))
    return message
