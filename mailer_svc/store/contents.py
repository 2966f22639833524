"""What a message says, as columns."""

import msgspec

from mailer_svc.domain import Content, MessageAction

_ACTIONS = msgspec.json.Decoder(tuple[MessageAction, ...])


def stored_actions(content: Content) -> str:
    """The buttons of a message as a JSON list."""
    return msgspec.json.encode(content.actions).decode() if content.actions else "[]"


def read_actions(text: str) -> tuple[MessageAction, ...]:
    """The buttons of a stored message.

    Raises:
        msgspec.DecodeError: the text is not such a list.
    """
    return () if text == "[]" else _ACTIONS.decode(text)


def shown_actions(text: str | None) -> tuple[MessageAction, ...]:
    """The buttons of a stored message; none where they cannot be read."""
    try:
        return read_actions(text or "[]")
    except msgspec.DecodeError:
        return ()
