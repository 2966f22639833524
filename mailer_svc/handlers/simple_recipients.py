"""SimpleRecipientService: recipients as an earlier system registered them."""

from typing import Any, Final

import grpc

from mailer_svc.domain import AddressState, Recipient
from mailer_svc.domain.preferences import PreferenceChoice, Preferences
from mailer_svc.service import AddressDraft, RecipientDraft, RecipientPreferences, Recipients
from tocsin.api.mailer.v1 import simple_recipient_service_pb2 as pb
from tocsin.api.mailer.v1 import simple_recipient_service_pb2_grpc as rpc
from tocsin.errors import FieldViolation, InvalidInput
from tocsin.listing import snake_case
from tocsin.mesh.context import principal

Context = grpc.aio.ServicerContext[Any, Any]
_FIREBASE: Final = "fcm:"
_CHANNELS: Final = ("email", "push")


class SimpleRecipientHandlers(rpc.SimpleRecipientServiceServicer):
    """Makes recipients of the caller's tenant in the short form."""

    def __init__(self, *, recipients: Recipients, preferences: RecipientPreferences) -> None:
        self._recipients = recipients
        self._preferences = preferences

    async def RegisterRecipient(self, request: pb.RegisterRecipientRequest, context: Context) -> pb.RegisteredRecipient:
        """Makes a recipient. One whose preferences cannot be stored is removed again: it must get nothing that it does not want."""
        tenant, unwanted = principal().tenant, _unwanted(request.preferences)
        try:
            made = await self._recipients.create(tenant=tenant, draft=_draft(request))
        except InvalidInput as error:
            raise _in_their_words(error, request) from None
        if unwanted:
            try:
                await self._preferences.revise(tenant=tenant, recipient=made.id, change=lambda before: _without(before, unwanted))
            except BaseException:
                await self._recipients.delete(tenant=tenant, id=made.id)
                raise
        return pb.RegisteredRecipient(user_id=made.id, name=made.display_name, email=_email(made))


def _in_their_words(error: InvalidInput, request: pb.RegisterRecipientRequest) -> InvalidInput:
    """The error with the names of the short form."""
    channels = [channel for channel, value in (("email", request.email), ("push_token", request.push_token)) if value]
    names = {"recipient.name": "user_id", "recipient.display_name": "name"}
    names |= {f"recipient.addresses[{place}].value": field for place, field in enumerate(channels)}
    violations = [
        FieldViolation(names.get(found.field, snake_case(found.field.removeprefix("recipient."))), found.description)
        for found in error.violations
    ]
    return InvalidInput("; ".join(f"{found.field}: {found.description}" for found in violations), violations=violations)


def _draft(request: pb.RegisterRecipientRequest) -> RecipientDraft:
    given = {"email": request.email, "push": _push(request.push_token)}
    return RecipientDraft(
        id=request.user_id,
        display_name=request.name,
        locale=request.locale,
        time_zone=request.time_zone,
        addresses=[AddressDraft(channel=channel, value=value, state=AddressState.ACTIVE) for channel, value in given.items() if value],
    )


def _push(token: str) -> str:
    """The address of a token, which is Firebase's unless it says otherwise."""
    known = token.startswith((_FIREBASE, "webpush:", "onesignal:"))
    return token if known or not token else _FIREBASE + token


def _unwanted(given: pb.SimplePreferences) -> list[str]:
    return [channel for channel in _CHANNELS if given.HasField(channel) and not getattr(given, channel)]


def _without(before: Preferences, channels: list[str]) -> Preferences:
    kept = tuple(choice for choice in before.choices if choice.channel not in channels)
    choices = (*kept, *(PreferenceChoice(enabled=False, channel=channel) for channel in channels))
    return Preferences(choices=choices, quiet_hours=before.quiet_hours, cap=before.cap)


def _email(made: Recipient) -> str:
    return next((address.value for address in made.addresses if address.channel == "email"), "")
