"""Lateness as a picture: a histogram with logarithmic bars in SVG, which every browser shows."""

from collections import Counter
from collections.abc import Sequence
from math import floor, log10
from typing import Final

from tocsin.loadtest.report import Lateness, percentile

_WIDTH: Final = 860
_HEIGHT: Final = 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 70, 60
_BARS_A_DECADE: Final = 12
_LEAST: Final = 1e-4
_MOST: Final = 1e3
_MARKS: Final = ((50, "p50"), (99, "p99"), (99.9, "p99.9"), (100, "max"))
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1d2733}.title{font-size:17px;font-weight:600}.small{fill:#5b6775;font-size:12px}"
    ".bar{fill:#3b6fb6}.grid{stroke:#dde3ea}.mark{stroke:#c2410c;stroke-dasharray:4 3}.marked{fill:#c2410c;font-size:12px}"
)


def lateness_chart(lateness: Lateness, *, alarms: int) -> str:
    """The SVG document. The horizontal axis is logarithmic, from a tenth of a millisecond on; what is less stands in its first bar."""
    counts = Counter(_bar(each) for each in lateness.seconds)
    first, last = (min(counts), max(counts)) if counts else (0, 1)
    first, last = first // _BARS_A_DECADE * _BARS_A_DECADE, (last // _BARS_A_DECADE + 1) * _BARS_A_DECADE
    scale = _Scale(first, last, max(counts.values(), default=1))
    title = f"Lateness at {lateness.rate:,} fires a second with {alarms:,} stored alarms"
    told = f"{len(lateness.seconds):,} of {lateness.expected:,} fired, {lateness.early:,} early"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="28">{title}</text>',
        f'<text class="small" x="{_LEFT}" y="48">{told}</text>',
        *_axes(scale),
        *(_rectangle(scale, bar, count) for bar, count in sorted(counts.items())),
        *_marks(scale, lateness.seconds),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Scale:
    """From bars and counts to points."""

    def __init__(self, first: int, last: int, most: int) -> None:
        self.first, self.last, self.most = first, last, most

    def x(self, bar: float) -> float:
        """The left edge of a bar."""
        return _LEFT + (bar - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, count: float) -> float:
        """The top of a bar of so many."""
        return _HEIGHT - _BOTTOM - count / (1.3 * self.most) * (_HEIGHT - _TOP - _BOTTOM)  # room for the marks


def _position(seconds: float) -> float:
    return log10(min(max(seconds, _LEAST), _MOST)) * _BARS_A_DECADE


def _bar(seconds: float) -> int:
    return floor(_position(seconds))


def _rectangle(scale: _Scale, bar: int, count: int) -> str:
    left, top = scale.x(bar), scale.y(count)
    return f'<rect class="bar" x="{left:.1f}" y="{top:.1f}" width="{scale.x(bar + 1) - left - 1:.1f}" height="{scale.y(0) - top:.1f}"/>'


def _axes(scale: _Scale) -> list[str]:
    bottom = scale.y(0)
    parts: list[str] = []
    for bar in range(scale.first, scale.last + 1, _BARS_A_DECADE):
        x = scale.x(bar)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom:.1f}"/>')
        parts.append(f'<text text-anchor="middle" x="{x:.1f}" y="{bottom + 20:.1f}">{_length(10 ** (bar / _BARS_A_DECADE))}</text>')
    for share in (0.5, 1.0):
        y = scale.y(scale.most * share)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text class="small" text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">{round(scale.most * share):,}</text>')
    words = "how long after its due time an alarm fired"
    parts.append(f'<text class="small" text-anchor="middle" x="{_WIDTH / 2}" y="{_HEIGHT - 12}">{words}</text>')
    return parts


def _marks(scale: _Scale, ordered: Sequence[float]) -> list[str]:
    parts: list[str] = []
    for number, (percent, name) in enumerate(_MARKS if ordered else ()):
        value = percentile(ordered, percent)
        x, y = scale.x(_position(value)), _TOP + 4 + 15 * number
        end = x > _WIDTH - 160
        parts.append(f'<line class="mark" x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{scale.y(0):.1f}"/>')
        anchor, at = ("end", x - 5) if end else ("start", x + 5)
        parts.append(f'<text class="marked" text-anchor="{anchor}" x="{at:.1f}" y="{y}">{name} {_length(value)}</text>')
    return parts


def _length(seconds: float) -> str:
    if seconds < 0.9995e-3:
        return f"{seconds * 1e6:.3g} µs"
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
