"""What a message says, as columns."""

from typing import Any

import msgspec

from mailer_svc.domain import NO_ALERT, Content, MessageAction, MessageAlert
from tocsin.stored import NOT_READABLE

_ACTIONS = msgspec.json.Decoder(tuple[MessageAction, ...])


class _Extras(msgspec.Struct, frozen=True):
    """Buttons and an alert, of a message that has one."""

    actions: tuple[MessageAction, ...]
    alert: MessageAlert


_EXTRAS = msgspec.json.Decoder(_Extras)


def stored_extras(content: Content) -> str:
    """The buttons of a message as a JSON list; with the alert that it is about, as an object."""
    if content.alert != NO_ALERT:
        return msgspec.json.encode(_Extras(content.actions, content.alert)).decode()
    return stored_actions(content)


def stored_actions(content: Content) -> str:
    """The buttons of a template as a JSON list."""
    return msgspec.json.encode(content.actions).decode() if content.actions else "[]"


def read_actions(text: str) -> tuple[MessageAction, ...]:
    """The buttons of a stored template.

    Raises:
        msgspec.DecodeError: the text is not such a list.
    """
    return () if text == "[]" else _ACTIONS.decode(text)


def read_content(row: Any) -> Content:
    """The content of a row that has its columns.

    Raises:
        msgspec.DecodeError: the buttons cannot be read.
    """
    text = row.actions or "[]"
    if text.startswith("{"):
        extras = _EXTRAS.decode(text)
        return Content(row.subject, row.text, row.html, extras.actions, extras.alert)
    return Content(row.subject, row.text, row.html, read_actions(text))


def shown_content(row: Any) -> Content:
    """The content of a row, which may have none; without buttons where they cannot be read."""
    try:
        return read_content(row)
    except NOT_READABLE:
        return Content(row.subject, row.text or "", row.html or "")
