"""What replies to mails say."""

import pytest

from mailer_svc.domain.mail_replies import MOST_NOTE_BYTES, MailReply, ReplyKind, read_reply
from tocsin.clock import DAY, HOUR, MINUTE

QUOTED = """

On Sun, Nov 29, 2026 at 3:12 AM Tocsin <tocsin@example.org> wrote:
> ack
> resolve
"""


@pytest.mark.parametrize(
    "text", ["ack", "ACK", " Ack! ", "Acknowledged.", "I've got it", "I\u2019ve got it", "Übernehme ich.", "uebernehme", "*ack*"]
)
def test_who_has_it_says_so(text: str) -> None:
    """In a line of its own, with whatever behind it."""
    for whole in (text, f"{text}{QUOTED}", f"\n\n{text}\n\nAnn\n-- \nresolve", f"{QUOTED}\n{text}"):
        assert read_reply(whole) == MailReply(ReplyKind.ACKNOWLEDGE)


@pytest.mark.parametrize("text", ["resolve", "Resolved!", "It's over", "behoben", "Erledigt.", "gelöst", "geloest"])
def test_what_is_over_is_resolved(text: str) -> None:
    """Likewise."""
    assert read_reply(f"{text}\r\n{QUOTED}") == MailReply(ReplyKind.RESOLVE)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("snooze 1h", HOUR),
        ("Snooze for 90 minutes", 90 * MINUTE),
        ("snooze 1 hour 30 min", 90 * MINUTE),
        ("snooze 2 days.", 2 * DAY),
        ("später 1 Stunde", HOUR),
        ("Zurückstellen um 30 Minuten", 30 * MINUTE),
        ("spaeter 2 Tagen", 2 * DAY),
        ("snooze 1h30m", 90 * MINUTE),
    ],
)
def test_it_is_put_off(text: str, length: int) -> None:
    """For a time with a unit."""
    assert read_reply(text) == MailReply(ReplyKind.SNOOZE, snooze=length)


@pytest.mark.parametrize(
    "text",
    [
        "I can't ack this",
        "ack, but I need help",
        "please resolve",
        "snooze",
        "snooze 5",
        "snooze -1h",
        "snooze 0s",
        "snooze 31 days",
        "snooze 99999999999999999999d",
        "snooze a while",
        "thank you",
        "Am Montag sehe ich nach:",
    ],
)
def test_anything_else_is_a_note(text: str) -> None:
    """Of the reader's own words."""
    assert read_reply(f"{text}\nMore.{QUOTED}") == MailReply(ReplyKind.NOTE, note=f"{text}\nMore.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        QUOTED,
        "> ack",
        "-- \nack",
        "-----Original Message-----\nack",
        "________________________________\nFrom: Tocsin\nack",
        "Am 29.11.2026 um 03:12 schrieb Tocsin\n<tocsin@example.org>:\n> ack",
        "...",
    ],
)
def test_what_is_quoted_says_nothing(text: str) -> None:
    """Nor does a signature."""
    assert read_reply(text).kind in (ReplyKind.NOTHING,)


def test_a_note_is_bounded() -> None:
    """In bytes, behind a whole character; and so is the work."""
    note = read_reply("é" * 100_000).note
    assert len(note.encode()) <= MOST_NOTE_BYTES
    assert note.endswith(" …")
    assert read_reply("on " * 50_000 + "\n" + "wrote" * 50_000).kind is ReplyKind.NOTE
    assert read_reply("\udcff what").note == "? what"
