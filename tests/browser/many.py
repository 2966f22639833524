"""More than a small stack has: ten thousand firings, and a thousand changes of them."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

ROWS: Final = 10_000
ROW_PIXELS: Final = 32
_A_PAGE: Final = 1000
_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)

TO_THE_END: Final = (
    "(() => { const box = document.querySelector('.rows'); box.scrollTop = box.scrollHeight; "
    f"return box.scrollHeight >= {ROWS} * {ROW_PIXELS}; }})()"
)
"""Scrolls to the last row that is loaded; true once that is the last one of all."""


def name(number: int) -> str:
    """Of a firing; the greater, the older."""
    return f"firings/{10**9 + number}"


def firing(number: int) -> dict[str, Any]:
    """A firing as the API tells it: one a second, ``number`` seconds before 2026."""
    due = _BEGIN - timedelta(seconds=number)
    times = {"dueTime": f"{due:%Y-%m-%dT%H:%M:%SZ}", "fireTime": f"{due:%Y-%m-%dT%H:%M:%S}.012Z"}
    states = {"outcome": "FIRED", "state": "SUCCEEDED", "origin": "SCHEDULE"}
    return {"name": name(number), "alarm": "alarms/1", **times, **states}


def event(number: int) -> bytes:
    """The change that the firing ``-number`` is, as the gateway sends it; newer ones have greater numbers."""
    return f"data: {json.dumps({'firing': firing(-number), 'resumeToken': str(number)})}\n\n".encode()


def pages(newest: Callable[[], int] = lambda: 0) -> Callable[[str], Iterator[bytes]]:
    """Answers of the list: ten thousand firings from the newest on, a thousand a page whatever is asked for."""

    def answer(path: str) -> Iterator[bytes]:
        start = int(parse_qs(urlsplit(path).query).get("pageToken", [str(-newest())])[0])
        following = start + _A_PAGE
        rows = [firing(number) for number in range(start, following)]
        yield json.dumps({"firings": rows, "nextPageToken": str(following) if following < ROWS else ""}).encode()

    return answer
