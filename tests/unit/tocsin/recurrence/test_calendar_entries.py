"""Events of a calendar one by one, with what they are about."""

import pytest

from tocsin.recurrence.errors import BadRule
from tocsin.recurrence.ical.entries import calendar_entries
from tocsin.recurrence.ical.events import read_events


def calendar(*lines: str) -> str:
    """A calendar of these lines."""
    return "\n".join(("BEGIN:VCALENDAR", *lines, "END:VCALENDAR"))


def event(*lines: str) -> tuple[str, ...]:
    """The lines of an event."""
    return ("BEGIN:VEVENT", *lines, "END:VEVENT")


def test_words_are_unfolded_and_unescaped() -> None:
    """Titles are one line, declined people are left out, and each text is a calendar of its own."""
    lines = event(
        "DTSTART:20270101T080000Z",
        "SUMMARY:A\\, b\\; c",
        " d\\n e",
        "DESCRIPTION:x\\ny",
        "ATTENDEE;CN=A:MAILTO:a@x.org",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:b@x.org",
    )
    (entry,) = calendar_entries(calendar(*lines)).entries
    assert (entry.summary, entry.description, entry.attendees, entry.line) == ("A, b; cd e", "x\ny", ("a@x.org",), 2)
    assert len(read_events(entry.text).sets) == 1


@pytest.mark.parametrize(
    ("other", "entries"),
    [
        (("SUMMARY:bob",), ["ann", "bob"]),
        (("SUMMARY:ann",), ["ann"]),
        (("SUMMARY:ann", "ATTENDEE:b@x.org"), ["ann", "ann"]),
        (("SUMMARY:bob", "STATUS:CANCELLED"), ["ann"]),
    ],
)
def test_an_occurrence_about_something_else_is_its_own(other: tuple[str, ...], entries: list[str]) -> None:
    """And taken out of its series; a cancelled one, or one that is about the same, stays with it."""
    series = event("UID:1", "DTSTART:20270101T080000Z", "DTEND:20270101T090000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:ann")
    moved = event("UID:1", "RECURRENCE-ID:20270102T080000Z", "DTSTART:20270102T100000Z", "DTEND:20270102T110000Z", *other)
    found = calendar_entries(calendar(*series, *moved)).entries
    assert [entry.summary for entry in found] == entries
    assert ("EXDATE:20270102T080000Z" in found[0].text) is (len(entries) > 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "BEGIN:VCALENDAR",
        "BEGIN:VCALENDAR\nEND:VEVENT",
        calendar(*["BEGIN:X"] * 20),
        calendar(*event("DTSTART")),
        calendar(*event("DTSTART:20270101T080000Z") * 4),
    ],
)
def test_what_is_no_calendar_is_refused(text: str) -> None:
    """With the line; so are more events than may be."""
    with pytest.raises(BadRule):
        calendar_entries(text, most=3)


def test_components_of_other_kinds_are_told() -> None:
    """With their lines."""
    assert calendar_entries(calendar("BEGIN:VTODO", "SUMMARY:x", "END:VTODO")).others == (("VTODO", 2),)
