"""What everybody may see: a status page as HTML and JSON, badges as SVG and JSON."""

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any, Final, TypeGuard

from scheduler_svc.contexts import rfc3339
from scheduler_svc.domain.standings import Standing, StandingState, WatchKind, worst
from scheduler_svc.service.standings import ShownBadge
from tocsin.html_page import html_page, mark
from tocsin.recurrence import END_OF_TIME, Micros

_WORDS: Final = {
    StandingState.NEW: "new",
    StandingState.UP: "up",
    StandingState.STARTED: "started",
    StandingState.LATE: "late",
    StandingState.DOWN: "down",
    StandingState.PAUSED: "paused",
}
_OVERALL: Final = {
    StandingState.NEW: "Nothing was heard so far",
    StandingState.UP: "All is well",
    StandingState.STARTED: "All is well",
    StandingState.LATE: "Something is late",
    StandingState.DOWN: "Something is down",
    StandingState.PAUSED: "Nothing is watched now",
}
_TONES: Final = {
    StandingState.NEW: "idle",
    StandingState.UP: "good",
    StandingState.STARTED: "busy",
    StandingState.LATE: "warn",
    StandingState.DOWN: "bad",
    StandingState.PAUSED: "idle",
}
# Of badges. White upon each of them can be read: a contrast of at least 4.5 (WCAG 2.2, 1.4.3).
_COLOURS: Final = {
    StandingState.NEW: "#5f6368",
    StandingState.UP: "#1e7b34",
    StandingState.STARTED: "#1e7b34",
    StandingState.LATE: "#9a5b00",
    StandingState.DOWN: "#c62828",
    StandingState.PAUSED: "#5f6368",
}
_STYLE: Final = """
body { margin-block: 8vh; }
ul { list-style: none; margin: 1.5rem 0; padding: 0; }
li { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between; padding: .5rem 0; }
li { border-bottom: 1px solid var(--line); }
small { display: block; color: var(--dim); font-size: var(--small); }
b { white-space: nowrap; font-weight: 400; }
p b { font-weight: 600; }
.mark { width: .75rem; height: .75rem; margin-inline-end: .25rem; }
"""
_REFRESH: Final = '\n<meta http-equiv="refresh" content="60">'
# What XML cannot hold (XML 1.0, 2.2).
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST: Final = 60
_WIDE: Final = 0x2E80
# Without any id: several may stand in one document.
_SVG: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{label}: {word}">'
    '<title>{label}: {word}</title><rect width="{width}" height="20" rx="3" fill="{colour}"/>'
    '<path d="M3 0H{left}V20H3A3 3 0 0 1 0 17V3A3 3 0 0 1 3 0Z" fill="#444"/>'
    '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
    '<text x="{left_middle}" y="14" textLength="{left_text}">{label}</text>'
    '<text x="{right_middle}" y="14" textLength="{right_text}">{word}</text></g></svg>'
)


def status_html(title: str, shown: Sequence[Standing], *, now: Micros) -> str:
    """The page as HTML."""
    state = worst(each.state for each in shown)
    items = "\n".join(_item(each) for each in shown)
    content = (
        f'<p role="status"><b>{mark(_TONES[state])} {_OVERALL[state]}</b></p>\n<ul>\n{items}\n</ul>\n'
        f"<p><small>As of {_time(now)}. The page is read anew every minute.</small></p>"
    )
    name = title or "Status"
    return html_page(language="en", title=escape(name), heading=_bdi(name), content=content, style=_STYLE, head=_REFRESH)


def _item(each: Standing) -> str:
    notes: list[str] = []
    if _sayable(each.seen):
        notes.append(f"{'last ping' if each.kind is WatchKind.HEARTBEAT else 'last reading'} {_time(each.seen)}")
    if each.state is StandingState.DOWN and _sayable(each.since):
        notes.insert(0, f"since {_time(each.since)}")
    small = f"<small>{', '.join(notes)}</small>" if notes else ""
    return f"<li><span>{_bdi(each.name)}{small}</span><b>{mark(_TONES[each.state])} {_WORDS[each.state]}</b></li>"


def _bdi(text: str) -> str:
    """Somebody's text, which cannot turn what stands around it (Unicode UAX #9)."""
    return f"<bdi>{escape(text)}</bdi>"


def _time(instant: Micros) -> str:
    text = rfc3339(instant // 1_000_000 * 1_000_000)
    return f'<time datetime="{text}">{text[:10]} {text[11:16]} UTC</time>'


def status_json(title: str, shown: Sequence[Standing]) -> str:
    """The same as JSON."""
    items = [
        {
            "name": each.name,
            "kind": each.kind.name,
            "state": each.state.name,
            "since": _or_none(each.since),
            "seenTime": _or_none(each.seen),
            "expectedTime": _or_none(each.expected),
        }
        for each in shown
    ]
    return json.dumps({"title": title, "state": worst(each.state for each in shown).name, "items": items})


def _or_none(instant: Micros | None) -> str | None:
    return rfc3339(instant) if _sayable(instant) else None


def _sayable(instant: Micros | None) -> TypeGuard[Micros]:
    """Whether there is an instant, in years that a calendar has: a stored one may be any number."""
    return instant is not None and 0 <= instant <= END_OF_TIME


def badge_json(badge: ShownBadge) -> str:
    """An endpoint badge of shields.io (https://shields.io/badges/endpoint-badge)."""
    said: dict[str, Any] = {
        "schemaVersion": 1,
        "label": _short(badge.label),
        "message": _WORDS[badge.state],
        "color": _COLOURS[badge.state],
        "isError": badge.state is StandingState.DOWN,
    }
    return json.dumps(said)


def badge_svg(badge: ShownBadge) -> str:
    """A badge as SVG, in the form that those of shields.io have."""
    label, word = _short(badge.label), _WORDS[badge.state]
    left_text, right_text = _width(label), _width(word)
    left, right = left_text + 10, right_text + 10
    return _SVG.format(
        label=escape(label),
        word=word,
        colour=_COLOURS[badge.state],
        width=left + right,
        left=left,
        left_middle=left / 2,
        right_middle=left + right / 2,
        left_text=left_text,
        right_text=right_text,
    )


def _short(text: str) -> str:
    text = _NO_XML.sub("\ufffd", text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _width(text: str) -> int:
    """How wide a text is about, in pixels: the letters of the far East are twice as wide."""
    return max(10, round(sum(11.0 if ord(letter) >= _WIDE else 6.6 for letter in text)))
