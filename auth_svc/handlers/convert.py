"""What the handlers have in common: who calls, and times."""

from datetime import UTC, datetime

from google.protobuf import timestamp_pb2

from auth_svc.domain import ClientFacts, TokenCaller
from tocsin.errors import InvalidInput
from tocsin.mesh.context import current, principal


def caller() -> TokenCaller:
    """Who asks."""
    who = principal()
    return TokenCaller(tenant=who.tenant, subject=who.subject, scopes=who.scopes, session=who.session)


def client_facts() -> ClientFacts:
    """The program at the other end of the call."""
    call = current()
    return ClientFacts() if call is None else ClientFacts(address=call.client_address, agent=call.user_agent)


def timestamp(instant: datetime) -> timestamp_pb2.Timestamp:
    """The time on the wire."""
    stamp = timestamp_pb2.Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def timestamp_or_none(instant: datetime | None) -> timestamp_pb2.Timestamp | None:
    """The time on the wire, if there is one."""
    return None if instant is None else timestamp(instant)


def instant_of(stamp: timestamp_pb2.Timestamp, field: str) -> datetime:
    """The time of a message.

    Raises:
        InvalidInput: it is none of the calendar.
    """
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput.at(field, "is outside the years 1 to 9999") from None
