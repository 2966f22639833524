"""The lines of an import of alarms: text, or messages."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from scheduler_svc.domain import Draft
from scheduler_svc.handlers.bulk.reader import AlarmCodecs, AlarmReader
from tocsin.actions import action_kinds
from tocsin.api.scheduler.v1 import alarm_pb2, alarm_service_pb2
from tocsin.bulk.lines import InvalidLine, TextLines, invalid_line
from tocsin.bulk.table import Table, TableForm
from tocsin.errors import InvalidInput, TocsinError

ALARM_TABLE = TableForm(
    noun="an alarm",
    prefixes=("", "trigger.", *(f"action.{kind}." for kind in action_kinds())),
    aliases={"daily": "trigger.daily.time", "trigger.daily": "trigger.daily.time", "recurring": "trigger.daily.recurring"},
)
"""What belongs to the trigger, to the mail or to the task may be named without its prefix."""

Item: TypeAlias = tuple[int, Draft] | InvalidLine | None
"""What became of a line: its number and what it says, or why it is invalid; None of an empty one, or of one that is passed over."""


class ImportLines:
    """The lines of one import, in order."""

    def __init__(self, *, codecs: AlarmCodecs, time_zone: str, skip: int) -> None:
        """Reads nothing yet.

        Args:
            codecs: what reads alarms.
            time_zone: of triggers that name none.
            skip: lines to pass over.
        """
        self._reader = AlarmReader(codecs=codecs, time_zone=time_zone)
        self._text = TextLines[Draft](
            reader=self._reader,
            table=lambda header, delimiter: Table(codecs.alarm.message_type, header, form=ALARM_TABLE, delimiter=delimiter),
            skip=skip,
        )
        self._skip = skip
        self._takes_messages = False
        self._messages = 0

    @property
    def line(self) -> int:
        """Number of the last line that was read."""
        return self._messages or self._text.line

    def feed(self, request: alarm_service_pb2.ImportAlarmsRequest) -> Iterator[Item]:
        """What becomes of the lines that end in a message; the iterator must be used up before the next one.

        Raises:
            InvalidInput: nothing more of the import can be read.
        """
        if request.WhichOneof("kind") == "alarms":
            return self._of_messages(request.alarms.alarms)
        if request.WhichOneof("kind") == "data":
            if self._takes_messages:
                raise InvalidInput.at("data", "cannot be mixed with alarms")
            return self._text.feed(request.data.data, request.data.content_type)
        raise InvalidInput.at("options", "must be in the first message only")

    def end(self) -> Iterator[Item]:
        """What becomes of the text behind the last line."""
        return self._text.end()

    def _of_messages(self, alarms: Any) -> Iterator[Item]:
        if self._text.begun:
            raise InvalidInput.at("alarms", "cannot be mixed with data")
        self._takes_messages = True
        for message in alarms:
            self._messages += 1
            yield None if self._messages <= self._skip else self._message(message)

    def _message(self, message: alarm_pb2.Alarm) -> Item:
        text = b"" if message.key else message.SerializeToString(deterministic=True)
        try:
            return self._messages, self._reader.of_message(self._messages, message, text)
        except TocsinError as error:
            return invalid_line(self._messages, error)
