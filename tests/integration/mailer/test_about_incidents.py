"""Messages about incidents: who hears of them, what is held back, and the pages behind their links."""

from typing import Any

import pytest
from google.api import httpbody_pb2

from mailer_svc.domain import Content, MessageAction
from mailer_svc.domain.answers import LASTING, AnswerLink, AnswerTokens
from mailer_svc.domain.preferences import Preferences as Wants
from mailer_svc.domain.preferences import QuietHours
from mailer_svc.domain.weeks import WeeklyWindow
from mailer_svc.handlers.answering import AnswerHandlers
from mailer_svc.ports.incidents import IncidentKey, IncidentStanding
from mailer_svc.service.answering import Answering
from tests.integration.mailer.engine import Engine, make_engine
from tests.integration.mailer.incidents import KEY, KnownIncidents
from tests.integration.mailer.stored import Store
from tocsin.api.mailer.v1 import answer_service_pb2 as pb
from tocsin.mesh.context import Call, CallNote, enter
from tocsin.testing.clock import FakeClock

DAY_LONG = Wants(quiet_hours=QuietHours(times=tuple(WeeklyWindow(day, 0, 23 * 60) for day in range(1, 8))))
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def engine(store: Store) -> Engine:
    """What makes deliveries, on each database."""
    return make_engine(store)


async def test_everybody_who_was_told_hears_how_it_stands(engine: Engine) -> None:
    """Whom quiet hours or a missing address kept from being told does not, and each hears it once."""
    await engine.people("ann", "bea")
    await engine.people("cid", wants=DAY_LONG)
    await engine.people("dot", channels=())
    await engine.send("first", recipients=("recipients/ann", "recipients/cid"), incident="i")
    await engine.send("second", recipients=("recipients/ann", "recipients/bea", "recipients/dot"), incident="i")
    await engine.send("other", recipients=("recipients/cid",), incident="other")
    await engine.send("news", recipients=("incidents/i",), content=Content("Ann has it", "text"))
    told = [item.recipient_id for item in await engine.deliveries() if item.subject == "Ann has it"]
    assert told == ["ann", "bea"]


async def test_how_it_stands_is_told_when_all_are_told_who_are_being_told(engine: Engine) -> None:
    """A step on its way from the scheduler is waited for, and so is a scheduler that is away; for ten minutes at most."""
    clock = engine.store.clock
    assert isinstance(clock, FakeClock)
    await engine.people("ann", "bea")
    await engine.send("first", recipients=("recipients/ann",), incident="i")
    engine.incidents.going = {IncidentKey("t1", "i")}
    await engine.send("news", recipients=("incidents/i",), content=Content("Ann has it", "text"))
    await engine.send("second", recipients=("recipients/bea",), incident="i")
    engine.incidents.away = True
    await clock.advance(2)
    await engine.expand()
    assert await heard(engine, "Ann has it") == []
    engine.incidents.going, engine.incidents.away = set(), False
    await clock.advance(2)
    await engine.expand()
    assert await heard(engine, "Ann has it") == ["ann", "bea"]
    engine.incidents.away = True
    await engine.send("over", recipients=("incidents/i",), content=Content("It is over", "text"))
    await clock.advance(601)
    await engine.expand()
    assert await heard(engine, "It is over") == ["ann", "bea"]


async def heard(engine: Engine, subject: str) -> list[str]:
    """Who got a message."""
    return [item.recipient_id for item in await engine.deliveries() if item.subject == subject]


@pytest.mark.parametrize(("answered", "state", "reason"), [(False, "ACCEPTED", ""), (True, "SUPPRESSED", "INCIDENT_ANSWERED")])
async def test_what_was_held_is_sent_only_if_nobody_has_answered(engine: Engine, answered: bool, state: str, reason: str) -> None:
    """And a message of the same hours that is about nothing of the kind is sent in any case."""
    key = engine.incidents.open("i")
    await engine.people("ann", wants=DAY_LONG)
    await engine.send("held", recipients=("recipients/ann",), incident="i")
    await engine.send("plain", recipients=("recipients/ann",), content=Content("plain", "text"))
    if answered:
        engine.incidents.standing[key] = engine.incidents.standing[key]._replace(standing=IncidentStanding.ACKNOWLEDGED)
    await end_of_quiet(engine)
    await engine.releaser.release_due()
    found = {item.subject: (item.state.name, item.reason) for item in await engine.deliveries()}
    assert found == {"Hello": (state, reason), "plain": ("ACCEPTED", "")}


async def test_while_nobody_knows_it_stays_held_and_the_rest_goes_on(engine: Engine) -> None:
    """It is asked again when the claim has ended."""
    engine.incidents.open("i")
    await engine.people("ann", wants=DAY_LONG)
    await engine.send("held", recipients=("recipients/ann",), incident="i")
    await engine.send("plain", recipients=("recipients/ann",), content=Content("plain", "text"))
    await end_of_quiet(engine)
    engine.incidents.away = True
    await engine.releaser.release_due()
    assert {item.subject: item.state.name for item in await engine.deliveries()} == {"Hello": "HELD", "plain": "ACCEPTED"}
    engine.incidents.away = False
    clock = engine.store.clock
    assert isinstance(clock, FakeClock)
    await clock.advance(61)
    await engine.releaser.release_due()
    assert {item.state.name for item in await engine.deliveries()} == {"ACCEPTED"}


async def end_of_quiet(engine: Engine) -> None:
    """Moves the clock to behind 23:00, when the quiet hours of `DAY_LONG` end."""
    clock = engine.store.clock
    assert isinstance(clock, FakeClock)
    await clock.advance(86_400 - (clock.micros() // 1_000_000) % 86_400 - 1800)


class Links:
    """The pages behind links, and whom they ask."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.incidents = KnownIncidents()
        self.gone: set[str] = set()
        self.answering = Answering(
            tokens=AnswerTokens(KEY),
            incidents=self.incidents,
            base="https://tocsin.example.org/i/",
            clock=clock,
            serves=lambda tenant: tenant not in self.gone,
        )
        self._handlers = AnswerHandlers(answering=self.answering)

    def token(self, incident: str = "i") -> str:
        """Of Ann's link."""
        return self.answering.link(tenant="t1", incident=incident, recipient="ann").removeprefix("https://tocsin.example.org/i/")

    async def get(self, token: str, language: str = "en") -> tuple[int, str]:
        """Status and page."""
        context: Any = None
        answer = await self._handlers.ShowAnswerPage(pb.ShowAnswerPageRequest(token=token, headers={"accept-language": language}), context)
        return answer.status, answer.page.data.decode()

    async def post(self, token: str, data: bytes = b"answer=acknowledge", kind: str = FORM) -> tuple[int, str]:
        """Likewise."""
        context: Any = None
        form = httpbody_pb2.HttpBody(content_type=kind, data=data)
        answer = await self._handlers.AnswerByLink(pb.AnswerByLinkRequest(token=token, form=form), context)
        return answer.status, answer.page.data.decode()


@pytest.fixture
def links(clock: FakeClock) -> Links:
    """Without a database."""
    return Links(clock)


async def test_only_buttons_that_lead_to_our_pages_answer(links: Links) -> None:
    """What a template's author wrote does not."""
    ours = links.answering.link(tenant="t1", incident="i", recipient="ann")
    content = Content("s", "t", "", (MessageAction("Ack", ours), MessageAction("Open", "https://tocsin.example.org/intranet")))
    assert [action.answers for action in links.answering.marked(content).actions] == [True, False]
    assert links.answering.marked(Content("s")) == Content("s")
    status, page = await links.post(ours.removeprefix("https://tocsin.example.org/i/"), b"", "")
    assert status == 404, "of an incident that is not there"
    links.incidents.open("i")
    status, page = await links.post(ours.removeprefix("https://tocsin.example.org/i/"), b"", "")
    assert (status, "<b>ann</b> has it" in page) == (200, True), "an empty POST is what such a button sends"


async def test_a_link_shows_a_button_and_only_the_button_acts(links: Links) -> None:
    """Programs follow links; a second answer changes nothing, and the page says who has it."""
    key = links.incidents.open("i")
    token = links.token()
    status, page = await links.get(token)
    assert status == 200
    assert "Disk &lt;full&gt;" in page
    assert '<button type="submit" name="answer" value="acknowledge">' in page
    assert links.incidents.standing[key].standing is IncidentStanding.WAITING
    status, page = await links.post(token)
    assert (status, links.incidents.standing[key].actor) == (200, "recipients/ann")
    assert "<b>ann</b> has it" in page
    assert 'value="acknowledge"' not in page
    assert (await links.post(token, b"answer=resolve"))[0] == 200
    assert links.incidents.standing[key].standing is IncidentStanding.RESOLVED
    assert "Es ist vorbei" in (await links.get(token, "de-CH, en;q=0.5"))[1]


async def test_an_empty_post_acknowledges(links: Links) -> None:
    """As the button of a push message sends it."""
    key = links.incidents.open("i")
    assert (await links.post(links.token(), b"", ""))[0] == 200
    assert links.incidents.standing[key].standing is IncidentStanding.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"answer=maybe", FORM), (b"{}", "application/json"), (b"\xff=\xfe", FORM), (b"&".join([b"a=b"] * 100), FORM)],
)
async def test_a_form_that_says_something_else_changes_nothing(links: Links, data: bytes, kind: str) -> None:
    """It is refused with 400."""
    key = links.incidents.open("i")
    assert (await links.post(links.token(), data, kind))[0] == 400
    assert links.incidents.standing[key].standing is IncidentStanding.WAITING


async def test_forged_and_expired_links_do_nothing(links: Links) -> None:
    """404 and 410, with a page for people; so does the link of an incident that is forgotten."""
    key = links.incidents.open("i")
    token = links.token()
    foreign = AnswerTokens(bytes(64)).seal(AnswerLink("t1", "i", "ann", links.clock.micros() + LASTING))
    for bad in (token[:-2], token[:-1] + ("A" if token[-1] != "A" else "B"), "x" * 1000, "", "1", foreign, "ä" * 10):
        assert (await links.post(bad))[0] == 404
        assert (await links.get(bad))[0] == 404
    assert (await links.post(links.token("forgotten")))[0] == 404
    await links.clock.advance(LASTING / 1_000_000)
    status, page = await links.post(token)
    assert (status, links.incidents.standing[key].standing) == (410, IncidentStanding.WAITING)
    assert "expired" in page


async def test_the_audit_log_learns_whose_answer_it_is(links: Links) -> None:
    """No token says it: the link does."""
    links.incidents.open("i")
    call = Call()
    call.note = CallNote()
    enter(call)
    assert (await links.post(links.token()))[0] == 200
    assert (call.note.tenant, call.note.subject, call.note.resource) == ("t1", "recipients/ann", "incidents/i")


async def test_links_of_a_deleted_tenant_are_none(links: Links) -> None:
    """They show nothing, and do nothing."""
    links.incidents.open("i")
    links.gone.add("t1")
    assert [(await links.get(links.token()))[0], (await links.post(links.token()))[0]] == [404, 404]
