"""Recipients, groups, categories and suppressions as messages of the contract, and back."""

import json
from collections.abc import Iterable
from typing import Final

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct

from mailer_svc.domain import (
    AddressState,
    Category,
    CategoryKind,
    GroupDraft,
    Member,
    MemberKind,
    Recipient,
    RecipientAddress,
    Suppression,
    SuppressionReason,
)
from mailer_svc.domain.personal_rules import PersonalRules, PersonalStep
from mailer_svc.handlers.deliveries import resource, timestamp
from mailer_svc.service import AddressDraft, RecipientDraft
from tocsin.api.mailer.v1 import category_service_pb2, group_service_pb2, recipient_service_pb2, suppression_service_pb2
from tocsin.stored import NOT_READABLE, clamped, int32

_KINDS: Final = {"recipients": MemberKind.RECIPIENT, "groups": MemberKind.GROUP, "rotations": MemberKind.ROTATION}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def recipient_draft(given: recipient_service_pb2.Recipient, *, time_zone: str) -> RecipientDraft:
    """A recipient as a client wrote it; ``time_zone`` is taken unless it names one."""
    return RecipientDraft(
        id=given.name.removeprefix("recipients/"),
        display_name=given.display_name,
        locale=given.locale,
        time_zone=given.time_zone or time_zone,
        attributes=_attributes(given.attributes),
        addresses=[address_draft(address) for address in given.addresses],
        groups=[group.removeprefix("groups/") for group in given.groups],
        rules=personal_rules(given.rules) if given.HasField("rules") else None,
    )


def personal_rules(given: recipient_service_pb2.PersonalRules) -> PersonalRules:
    """Personal rules as a client wrote them."""
    return PersonalRules(_personal_steps(given.urgent), _personal_steps(given.other))


def _personal_steps(given: Iterable[recipient_service_pb2.PersonalRules.Step]) -> tuple[PersonalStep, ...]:
    return tuple(PersonalStep(step.channel, step.address, step.after.ToMicroseconds()) for step in given)


def rules_message(rules: PersonalRules, *, name: str = "") -> recipient_service_pb2.PersonalRules:
    """Personal rules as clients see them."""
    return recipient_service_pb2.PersonalRules(name=name, urgent=map(_step_message, rules.urgent), other=map(_step_message, rules.other))


def _step_message(step: PersonalStep) -> recipient_service_pb2.PersonalRules.Step:
    return recipient_service_pb2.PersonalRules.Step(channel=step.channel, address=step.address, after=duration(step.after))


def _attributes(given: Struct) -> str:
    return json.dumps(json_format.MessageToDict(given), ensure_ascii=False, sort_keys=True) if given.fields else "{}"


def address_draft(given: recipient_service_pb2.Address) -> AddressDraft:
    """An address as a client wrote it."""
    state = AddressState(given.state) if given.state else None
    return AddressDraft(channel=given.channel, value=given.value, state=state, reason=given.reason)


def recipient_message(item: Recipient) -> recipient_service_pb2.Recipient:
    """The recipient as clients see it."""
    message = recipient_service_pb2.Recipient(
        name=f"recipients/{item.id}",
        display_name=item.display_name,
        locale=item.locale,
        time_zone=item.time_zone,
        addresses=[address_message(item.id, address) for address in item.addresses],
        groups=[f"groups/{group}" for group in item.groups],
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if item.attributes != "{}":
        message.attributes.CopyFrom(_stored_attributes(item.attributes))
    if item.rules is not None:
        message.rules.CopyFrom(rules_message(item.rules))
    return message


def _stored_attributes(text: str) -> Struct:
    found = Struct()
    try:
        json_format.Parse(text, found)
    except (json_format.ParseError, *NOT_READABLE):  # what an odd row holds costs itself, not the page
        return Struct()
    return found


def address_message(recipient: str, item: RecipientAddress) -> recipient_service_pb2.Address:
    """The address as clients see it."""
    message = recipient_service_pb2.Address(
        name=f"recipients/{recipient}/addresses/{item.id}",
        channel=item.channel,
        value=item.value,
        state=recipient_service_pb2.Address.State.ValueType(int32(item.state)),
        reason=item.reason,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if item.last_seen:
        message.last_seen_time.CopyFrom(timestamp(item.last_seen))
    return message


def suppression_of(given: suppression_service_pb2.Suppression, *, tenant: str, id: str, source: str, now: int) -> Suppression:  # noqa: A002
    """A suppression as a client wrote it; ``source`` is taken unless it names one."""
    return Suppression(
        tenant=tenant,
        id=id,
        channel=given.channel,
        address=given.address,
        category=given.category.removeprefix("categories/"),
        reason=SuppressionReason(given.reason) if given.reason else SuppressionReason.MANUAL,
        source=given.source or source,
        detail=given.detail,
        until=given.end_time.ToMicroseconds() if given.HasField("end_time") else None,
        created=now,
    )


def suppression_message(item: Suppression) -> suppression_service_pb2.Suppression:
    """The suppression as clients see it."""
    message = suppression_service_pb2.Suppression(
        name=f"suppressions/{item.id}",
        channel=item.channel,
        address=item.address,
        category=resource("categories", item.category),
        reason=suppression_service_pb2.Suppression.Reason.ValueType(int32(item.reason)),
        source=item.source,
        detail=item.detail,
        create_time=timestamp(item.created),
    )
    if item.until is not None:
        message.end_time.CopyFrom(timestamp(item.until))
    return message


def category_of(given: category_service_pb2.Category, *, tenant: str) -> Category:
    """A category as a client wrote it."""
    return Category(
        tenant=tenant,
        id=given.name.removeprefix("categories/"),
        display_name=given.display_name,
        kind=CategoryKind(given.kind) if given.kind else CategoryKind.TRANSACTIONAL,
        channels=tuple(given.channels),
        digest_window=given.digest_window.ToMicroseconds(),
    )


def category_message(item: Category) -> category_service_pb2.Category:
    """The category as clients see it."""
    message = category_service_pb2.Category(
        name=f"categories/{item.id}",
        display_name=item.display_name,
        kind=category_service_pb2.Category.Kind.ValueType(int32(item.kind)),
        channels=item.channels,
        create_time=timestamp(item.created),
        update_time=timestamp(item.updated),
    )
    if item.digest_window:
        message.digest_window.CopyFrom(duration(item.digest_window))
    return message


def duration(micros: int) -> Duration:
    """Microseconds as the contract's Duration; the nearest that it can say."""
    found = Duration()
    found.FromMicroseconds(clamped(micros))
    return found


def members_of(names: Iterable[str]) -> list[Member]:
    """Members of a group by their resource names, each once."""
    found: dict[Member, None] = {}
    for name in names:
        collection, _, identity = name.partition("/")
        found[Member(_KINDS[collection], identity)] = None
    return list(found)


def member_name(item: Member) -> str:
    """The resource name of a member."""
    return f"{_NAMES[item.kind]}/{item.id}"


def group_draft(given: group_service_pb2.GroupLine, *, tenant: str) -> GroupDraft:
    """A group with its members as a line says it."""
    return GroupDraft(
        tenant=tenant,
        id=given.name.removeprefix("groups/"),
        display_name=given.display_name,
        members=tuple(members_of(given.members)),
        partial=given.partial,
    )


def group_line(item: GroupDraft) -> group_service_pb2.GroupLine:
    """A group with its members in the form that an import takes."""
    return group_service_pb2.GroupLine(
        name=f"groups/{item.id}", display_name=item.display_name, members=map(member_name, item.members), partial=item.partial
    )
