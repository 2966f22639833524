"""Lines of text as recipients, groups, categories and suppressions, and back: in one place for REST, the command line and gRPC."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from functools import cache, cached_property
from typing import Any, Final, Generic, TypeVar, cast

from google.protobuf.message import Message

from mailer_svc.domain import Category, GroupDraft, Recipient, Suppression
from mailer_svc.handlers.people_messages import (
    category_message,
    category_of,
    group_draft,
    recipient_draft,
    recipient_message,
    suppression_message,
    suppression_of,
)
from mailer_svc.service import PeopleImports, RecipientDraft
from tocsin.api.mailer.v1 import category_service_pb2, group_service_pb2, recipient_service_pb2, suppression_service_pb2
from tocsin.api.mailer.v1 import import_pb2 as pb
from tocsin.bulk.lines import InvalidLine, TextLines
from tocsin.bulk.session import BatchWork, ImportSession, ImportState
from tocsin.bulk.table import Put, Table, TableForm
from tocsin.channels import CHANNELS
from tocsin.errors import InvalidInput
from tocsin.mesh.context import principal
from tocsin.mesh.policy import contract
from tocsin.mesh.tokens import Principal
from tocsin.mesh.validation import RequestValidator
from tocsin.pages import BatchSizer, split_into_messages
from tocsin.protojson.codec import Codec, Codecs, NotJson, load_json
from tocsin.protojson.converters import JsonCodec
from tocsin.protojson.fields import JsonValue, as_object
from tocsin.stored import readable

Draft = TypeVar("Draft")
Row = TypeVar("Row")
Item = TypeVar("Item", bound=Message)
_VERIFIED: Final = "\0verified"
_YES: Final = frozenset({"true", "yes", "1"})
_LEFT_OUT_OF_RECIPIENTS: Final[Any] = ("create_time", "update_time")
_LEFT_OUT_OF_ADDRESSES: Final[Any] = ("name", "create_time", "update_time", "last_seen_time")
_LEFT_OUT_OF_SUPPRESSIONS: Final[Any] = ("name", "create_time")
_LEFT_OUT_OF_CATEGORIES: Final[Any] = ("create_time", "update_time")


@cache
def _codecs_of_contract(codec: JsonCodec) -> Codecs:
    """Made once a process: it takes a third of a second."""
    return Codecs(descriptor_set=contract().SerializeToString(), codec=codec)


class PeopleCodecs:
    """What reads lines; made once, because compiling the contract takes a moment."""

    def __init__(self, validator: RequestValidator, *, codec: JsonCodec = "protobuf-py") -> None:
        """Takes what checks messages, and what converts them; nothing is compiled before the first import."""
        self.validator = validator
        self._codec: JsonCodec = codec

    @cached_property
    def recipient(self) -> Codec:
        """Of recipients."""
        return self._codecs.of(recipient_service_pb2.Recipient.DESCRIPTOR)

    @cached_property
    def suppression(self) -> Codec:
        """Of suppressions."""
        return self._codecs.of(suppression_service_pb2.Suppression.DESCRIPTOR)

    @cached_property
    def group(self) -> Codec:
        """Of groups with their members."""
        return self._codecs.of(group_service_pb2.GroupLine.DESCRIPTOR)

    @cached_property
    def category(self) -> Codec:
        """Of categories."""
        return self._codecs.of(category_service_pb2.Category.DESCRIPTOR)

    @cached_property
    def _codecs(self) -> Codecs:
        return _codecs_of_contract(self._codec)


class _LineReader(Generic[Draft]):
    """Reads lines of one kind of resource."""

    def __init__(self, *, codec: Codec, validator: RequestValidator, kind: type[Message], draft: Callable[[Any], Draft]) -> None:
        self._codec = codec
        self._validator = validator
        self._kind = kind
        self._draft = draft

    def of_text(self, line: int, text: bytes, *, whole: bool) -> Draft:
        """What a line of JSON says; it may have been cut off unless it is ``whole``."""
        del line
        try:
            value = as_object(load_json(text, name="The line"))
        except NotJson as error:
            if whole:
                raise
            raise InvalidInput(f"The data ends in the middle of this line. {error.message}") from error
        if value is None:
            raise InvalidInput("The line is not a JSON object.")
        return self._read(value)

    def of_value(self, line: int, value: dict[str, JsonValue], text: bytes) -> Draft:
        """What the JSON object of a row says; its column of confirmed addresses is none of the resource's fields."""
        del line, text
        if value.pop(_VERIFIED, False):
            for address in cast("list[dict[str, JsonValue]]", value.get("addresses", [])):
                address["state"] = "ACTIVE"
        return self._read(value)

    def _read(self, value: dict[str, JsonValue]) -> Draft:
        message = self._kind.FromString(self._codec.to_wire(value))
        self._validator.check(message)
        return self._draft(message)


class _ImportedLines(Generic[Draft]):
    """The lines of one import."""

    def __init__(self, lines: TextLines[Draft]) -> None:
        self._lines = lines

    @property
    def line(self) -> int:
        """Number of the last line that was read."""
        return self._lines.line

    def feed(self, request: Any) -> Iterator[tuple[int, Draft] | InvalidLine | None]:
        """What becomes of the lines that end in a message."""
        if request.WhichOneof("kind") != "data":
            raise InvalidInput.at("options", "must be in the first message only")
        return self._lines.feed(request.data.data, request.data.content_type)

    def end(self) -> Iterator[tuple[int, Draft] | InvalidLine | None]:
        """What becomes of the text behind the last line."""
        return self._lines.end()


def recipient_lines(codecs: PeopleCodecs, who: Principal, *, skip: int) -> _ImportedLines[RecipientDraft]:
    """The lines of an import of recipients."""
    reader = _LineReader[RecipientDraft](
        codec=codecs.recipient,
        validator=codecs.validator,
        kind=recipient_service_pb2.Recipient,
        draft=lambda given: recipient_draft(given, time_zone=who.time_zone),
    )
    return _ImportedLines(TextLines(reader=reader, table=_table(codecs.recipient, RECIPIENT_TABLE), skip=skip))


def suppression_lines(
    codecs: PeopleCodecs, who: Principal, *, skip: int, now: Callable[[], int], new_id: Callable[[], str]
) -> _ImportedLines[Suppression]:
    """The lines of an import of suppressions."""
    reader = _LineReader[Suppression](
        codec=codecs.suppression,
        validator=codecs.validator,
        kind=suppression_service_pb2.Suppression,
        draft=lambda given: suppression_of(given, tenant=who.tenant, id=new_id(), source=who.subject, now=now()),
    )
    return _ImportedLines(TextLines(reader=reader, table=_table(codecs.suppression, TableForm(noun="a suppression")), skip=skip))


def group_lines(codecs: PeopleCodecs, who: Principal, *, skip: int) -> _ImportedLines[GroupDraft]:
    """The lines of an import of groups."""
    reader = _LineReader[GroupDraft](
        codec=codecs.group,
        validator=codecs.validator,
        kind=group_service_pb2.GroupLine,
        draft=lambda given: group_draft(given, tenant=who.tenant),
    )
    return _ImportedLines(TextLines(reader=reader, table=_table(codecs.group, TableForm(noun="a group")), skip=skip))


def category_lines(codecs: PeopleCodecs, who: Principal, *, skip: int) -> _ImportedLines[Category]:
    """The lines of an import of categories."""
    reader = _LineReader[Category](
        codec=codecs.category,
        validator=codecs.validator,
        kind=category_service_pb2.Category,
        draft=lambda given: category_of(given, tenant=who.tenant),
    )
    return _ImportedLines(TextLines(reader=reader, table=_table(codecs.category, TableForm(noun="a category")), skip=skip))


def _table(codec: Codec, form: TableForm) -> Callable[[str, str], Table]:
    return lambda header, delimiter: Table(codec.message_type, header, form=form, delimiter=delimiter)


def _addresses(channel: str) -> Put:
    """Cells of a column that is named as a channel: addresses, parted by semicolons."""

    def put(into: dict[str, JsonValue], text: str) -> None:
        found = cast("list[JsonValue]", into.setdefault("addresses", []))
        found.extend({"channel": channel, "value": part.strip()} for part in text.split(";") if part.strip())

    return put


def _vouch(into: dict[str, JsonValue], text: str) -> None:
    into[_VERIFIED] = text.strip().lower() in _YES


RECIPIENT_TABLE: Final = TableForm(noun="a recipient", own={**{name: _addresses(name) for name in CHANNELS}, "verified": _vouch})


def _progress(state: ImportState[str]) -> pb.ImportProgress:
    progress = pb.ImportProgress(
        lines=state.lines,
        created=state.created,
        updated=state.updated,
        unchanged=state.unchanged,
        refused=state.refused,
        done=state.done,
    )
    for line, name, reason in state.refusals:
        progress.refusals.add(line=line, field=name, reason=reason)
    return progress


async def imported(
    imports: PeopleImports,
    requests: AsyncIterator[Any],
    begin: Callable[[Principal, pb.ImportOptions], tuple[BatchWork[Draft, Any, str], _ImportedLines[Draft]]],
    *,
    weight: Callable[[Any], int] = lambda _: 1,
) -> AsyncGenerator[pb.ImportProgress]:
    """One import of the caller's, from its first message on; ``begin`` says of what, and ``weight`` is that of an `ImportSession`."""
    who = principal()
    options, first = await _options_of(requests)
    with imports.slots.slot():
        work, source = begin(who, options)
        session = ImportSession[Any, Draft, Any, str](work=work, lines=source, draining=imports.slots.is_draining, weight=weight)
        async with aclosing(session.run(first, requests)) as states:
            async for state in states:
                yield _progress(state)


async def _options_of(requests: AsyncIterator[Any]) -> tuple[pb.ImportOptions, Any]:
    """The options of an import, and its first message if that is not the options."""
    first = await anext(requests, None)
    if first is not None and first.HasField("options"):
        return first.options, None
    return pb.ImportOptions(), first


async def exported(
    read: Callable[[str, int], Awaitable[Sequence[Row]]], *, show: Callable[[Row], Item], place: Callable[[Row], str]
) -> AsyncGenerator[list[Item]]:
    """Everything behind a cursor, as many at a time as one message of a stream may hold; each page is as of when it is read."""
    step, after = BatchSizer(), ""
    while True:
        rows = step.take()
        page = await read(after, rows)
        for items in split_into_messages(readable(page, show), step=step):
            yield items
        if len(page) < rows:
            return
        after = place(page[-1])


def exported_recipient(item: Recipient) -> recipient_service_pb2.Recipient:
    """A recipient in the form that an import takes: what a client can set."""
    message = recipient_message(item)
    for name in _LEFT_OUT_OF_RECIPIENTS:
        message.ClearField(name)
    for address in message.addresses:
        for name in _LEFT_OUT_OF_ADDRESSES:
            address.ClearField(name)
        if address.state == recipient_service_pb2.Address.PENDING:
            address.ClearField("state")
    return message


def exported_suppression(item: Suppression) -> suppression_service_pb2.Suppression:
    """A suppression in the form that an import takes: what a client can set."""
    message = suppression_message(item)
    for name in _LEFT_OUT_OF_SUPPRESSIONS:
        message.ClearField(name)
    return message


def exported_category(item: Category) -> category_service_pb2.Category:
    """A category in the form that an import takes: what a client can set."""
    message = category_message(item)
    for name in _LEFT_OUT_OF_CATEGORIES:
        message.ClearField(name)
    return message
