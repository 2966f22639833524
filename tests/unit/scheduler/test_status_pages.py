"""Status pages and badges: whatever a name is, it stands there as a text."""

import asyncio
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from scheduler_svc.domain.standings import Standing, StandingState, WatchKind
from scheduler_svc.handlers.status_pages import badge_json, badge_svg, status_html, status_json
from scheduler_svc.ports.status import StatusPage
from scheduler_svc.service.standings import BadgeNotFound, ShownBadge, StatusPageNotFound, StatusPages
from tocsin.testing.clock import FakeClock

NOW = 1_790_000_000_000_000
NAMES = [
    "Backup",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "</title></svg>",
    "&amp;&#60;",
    "\u202eevil\u2066",
    "{word}{0}%s",
    "日本語",
    "\ufffe\uffff\x0b\x1b",
    "x" * 5000,
    "",
]


def standing(name: str, state: StandingState = StandingState.UP) -> Standing:
    """Something of this name."""
    return Standing(alarm="a", name=name, labels={}, kind=WatchKind.HEARTBEAT, state=state, seen=NOW)


class _Tags(HTMLParser):
    """Remembers tags, and what stands in <bdi>."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes it."""
        assert not any(name.startswith("on") for name, _ in attrs)
        self.tags.add(tag)
        if tag == "bdi":
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        """Notes the end of a name."""
        self._inside = self._inside and tag != "bdi"

    def handle_data(self, data: str) -> None:
        """Notes a name."""
        if self._inside:
            self.texts[-1] += data


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_text(name: str) -> None:
    """In the title, in the list, in a badge; it makes no tag and no attribute."""
    read = _Tags()
    read.feed(status_html(name, [standing(name)], now=NOW))
    assert read.tags <= {
        "html", "head", "meta", "title", "style", "body", "main", "h1", "bdi", "p", "b", "ul", "li", "span", "small", "time", "svg", "path",
    }  # fmt: skip
    assert read.texts == [name or "Status", name]
    badge = ShownBadge(name, StandingState.LATE)
    root = ET.fromstring(badge_svg(badge))  # noqa: S314  our own
    assert {each.tag.rpartition("}")[2] for each in root.iter()} == {"svg", "title", "rect", "path", "g", "text"}
    assert not any(key.startswith("on") or key == "id" for each in root.iter() for key in each.attrib)
    label, word = (each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text"))
    assert (len(label) <= 60, word) == (True, "late")
    assert json.loads(badge_json(badge))["label"] == label
    assert json.loads(status_json(name, [standing(name)]))["items"][0]["name"] == name


@pytest.mark.parametrize("state", list(StandingState))
def test_every_state_has_a_word_and_a_colour(state: StandingState) -> None:
    """On the page and in a badge."""
    assert re.search(rf"<b><svg [^>]*><path [^>]*/></svg> {state.name.lower()}</b>", status_html("x", [standing("x", state)], now=NOW))
    assert state.name.lower() in badge_svg(ShownBadge("x", state))
    assert json.loads(badge_json(ShownBadge("x", state)))["isError"] == (state is StandingState.DOWN)


class _Standings:
    """Two that are watched, and how often that was read."""

    reads = 0

    async def first(self, tenant: str) -> list[Standing]:
        """Both."""
        self.reads += 1
        await asyncio.sleep(0)
        return [replace(standing("a"), labels={"team": "web"}), replace(standing("b", StandingState.DOWN), alarm="b")]

    async def find(self, tenant: str, name: str) -> None:
        """Nothing has a name."""


class _Pages:
    """One page."""

    page = StatusPage(tenant="t1", enabled=True, slug="acme", labels={"team": "web"}, badge_secret="s1")

    async def page_at(self, slug: str) -> StatusPage | None:
        """It, by its name."""
        return self.page if slug == "acme" else None

    async def page_with_badges(self, secret: str) -> StatusPage | None:
        """It, by its key."""
        return self.page if secret == "s1" else None


async def test_a_flood_of_looks_reads_once() -> None:
    """Whatever labels a stranger makes up, the tenant's alarms are read once in ten seconds."""
    clock, standings = FakeClock(), _Standings()
    pages = StatusPages(store=_Pages(), standings=standings, clock=clock)  # pyright: ignore[reportArgumentType]  what it needs of them
    names = ["all", "team=web", *(f"team={number}" for number in range(100))]
    found = await asyncio.gather(*(pages.badge("s1", name) for name in names), pages.shown("acme"), return_exceptions=True)
    assert found[0] == ShownBadge("all", StandingState.DOWN)
    assert found[1] == ShownBadge("web", StandingState.UP)
    assert {type(each) for each in found[2:-1]} == {BadgeNotFound}
    assert standings.reads == 1
    await clock.advance(11)
    await pages.badge("s1", "all")
    assert standings.reads == 2
    for unknown in (pages.badge("s2", "all"), pages.badge("s1", "nobody")):
        with pytest.raises(BadgeNotFound):
            await unknown
    with pytest.raises(StatusPageNotFound):
        await pages.shown("nobody")


@pytest.mark.parametrize("instant", [-1, 2**62, -(2**62)])
def test_a_stored_time_that_is_none_is_left_out(instant: int) -> None:
    """It costs neither the page nor what stands beside it."""
    odd = replace(standing("odd", StandingState.DOWN), since=instant, seen=instant, expected=instant)
    assert status_html("x", [odd, standing("b")], now=NOW).count("<li>") == 2
    assert json.loads(status_json("x", [odd]))["items"][0]["seenTime"] is None


async def test_a_deleted_tenant_shows_nothing() -> None:
    """Neither its page nor its badges."""
    served = StatusPages(store=_Pages(), standings=_Standings(), clock=FakeClock(), serves=lambda _: False)  # pyright: ignore[reportArgumentType]  what it needs of them
    with pytest.raises(StatusPageNotFound):
        await served.shown("acme")
    with pytest.raises(BadgeNotFound):
        await served.badge("s1", "all")
