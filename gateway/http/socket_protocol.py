"""uvicorn's WebSocket protocol with the bounds that it lacks: what a client sends and does not read never grows in memory."""

from typing import Final

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from gateway.http.connections import refuse
from gateway.transcoding.problems import HeadersInvalid

_MOST_UNREAD_BYTES: Final = 64 * 1024
_MOST_FRAGMENTS: Final = 1000


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """Ends the connection of a client that floods it with pings or fragments, or sends text that is none (RFC 6455, 8.1 and 10.4)."""

    def data_received(self, data: bytes) -> None:
        """Reads on; a head that the library cannot read, such as one with a line of more than 8 KiB, it leaves without any answer."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            refuse(self.transport, HeadersInvalid("The head of the handshake cannot be read: a line has 8 KiB at most."))

    async def send(self, message: ASGISendEvent) -> None:
        """Sends; a handshake that is refused, or whose client has left, is done, which the library reports as an error of ours."""
        await super().send(message)
        if self.close_sent or self.transport.is_closing():
            self.handshake_complete = True

    def handle_ping(self) -> None:
        """Answers; unless the client takes no answers."""
        if self.transport.get_write_buffer_size() > _MOST_UNREAD_BYTES:
            self.transport.abort()  # what says goodbye would wait behind the answers
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Takes a fragment; of nothing, there may be many without the message growing."""
        if len(self.frames) >= _MOST_FRAGMENTS:
            self._break_off(CloseCode.POLICY_VIOLATION, "too many fragments")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hands over a message; text must be UTF-8, which the library would report as an error of ours."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self._break_off(CloseCode.INVALID_DATA, "not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Ends the connection after bytes that are no frame; before the handshake there is nobody to tell."""
        if self.conn.close_sent is None:
            self.transport.close()
            return
        super().handle_parser_exception()

    def _break_off(self, code: CloseCode, reason: str) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()
