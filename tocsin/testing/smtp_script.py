"""What an SMTP server of tests does, and when: replies, silences, and what no server should say."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

_AHEAD = 256 * 1024


class Stage(StrEnum):
    """The points of a session at which a script can step in; BODY is the first part of the content, END the final dot."""

    CONNECT = "CONNECT"
    EHLO = "EHLO"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    BODY = "BODY"
    END = "END"


class SmtpFault(Enum):
    """What a server can do instead of replying. At END it has taken the message all the same: the client cannot know."""

    HANG = "say nothing more"
    CUT = "close the connection"


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """A reply line; at CONNECT and END, and for every command, a code from 400 on means that nothing was taken."""

    code: int
    text: str

    def encode(self) -> bytes:
        """The line on the wire."""
        return f"{self.code} {self.text}\r\n".encode()


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, whatever they say. Like a `SmtpFault`, at END the message is taken all the same.

    Attributes:
        data: what is written.
        times: how often; None: for ever, as fast as the client takes it.
        pause: seconds between two bytes; 0: all at once.
        close: closes the connection behind it.
        goes_on: listens to what the client says next, as after a reply.
    """

    data: bytes
    times: int | None = 1
    pause: float = 0.0
    close: bool = False
    goes_on: bool = False

    def say(self, transport: asyncio.Transport) -> bool:
        """Writes it at once, in its place among the replies; False if that cannot be done at once."""
        if self.times != 1 or self.pause:
            return False
        transport.write(self.data)
        if self.close:
            transport.close()
        return True

    async def speak(self, transport: asyncio.Transport) -> None:
        """Writes it, and waits whenever the client does not read."""
        said = 0
        while (self.times is None or said < self.times) and not transport.is_closing():
            for piece in [self.data[at : at + 1] for at in range(len(self.data))] if self.pause else [self.data]:
                transport.write(piece)
                await asyncio.sleep(self.pause)
            said += 1
            while transport.get_write_buffer_size() > _AHEAD and not transport.is_closing():  # noqa: ASYNC110 - no event tells of a size
                await asyncio.sleep(0.01)
        if self.close:
            transport.close()


Action = ScriptedReply | SmtpFault | Raw


@dataclass(slots=True)
class ScriptRule:
    """When a script steps in, and what it does."""

    stage: Stage
    action: Action
    times: int | None
    when: Callable[[str], bool]


def label(stage: Stage, action: Action) -> str:
    """How a script is counted."""
    return f"{stage.value} {_name(action)}"


def _name(action: Action) -> str:
    if isinstance(action, ScriptedReply):
        return str(action.code)
    return action.name if isinstance(action, SmtpFault) else "RAW"
