"""Who is told of security alerts: at once and daily, by severity and kind, and nobody too often; on each database."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from auth_svc.domain import AccountLetter, AlertDelivery, AlertPolicy, AlertReaderUnreached, SecurityEvent, User, alert_lines
from auth_svc.ports import CheckedAlertReader
from auth_svc.service import AlertLog, AlertPolicies, AlertTelling, RegistrationRule
from auth_svc.store.log_tables import alert_policies
from auth_svc.store.tables import users
from tests.integration.auth.office import Office
from tocsin.alerts import SEVERITIES, Alert, AlertKind, Severity
from tocsin.database import Database
from tocsin.errors import FailedPrecondition, InvalidInput, Unavailable
from tocsin.testing.clock import FakeClock
from tocsin.testing.waiting import eventually
from tocsin.wake import Wake

AT_ONCE, DAILY, NEVER = AlertDelivery.AT_ONCE, AlertDelivery.DAILY, AlertDelivery.NEVER
ALERT, DIGEST = "tocsin.security-alert", "tocsin.security-digest"


class PeopleOfTests:
    """A mailer that knows these people; of the others there is none."""

    def __init__(self) -> None:
        self.reached: dict[str, int] = {}
        self.away = False

    async def check(self, tenant: str, names: Sequence[str]) -> Sequence[CheckedAlertReader]:
        """Whom they lead to."""
        if self.away:
            raise Unavailable
        return [CheckedAlertReader(name, name in self.reached, self.reached.get(name, 0)) for name in names]


class Watch:
    """An office, and what tells its people of alerts."""

    def __init__(self, office: Office) -> None:
        self.office = office
        store, clock = office.store, office.clock
        self.log = AlertLog(store=store, clock=clock, window=timedelta(minutes=10), written=())
        self.people = PeopleOfTests()
        self.policies = AlertPolicies(store=store, readers=self.people, log=office.log, clock=clock)
        self.telling = AlertTelling(store=store, mails=office.mails, clock=clock, written=Wake(clock))
        self._batches = 0

    async def member(self, email: str, **columns: Any) -> User:
        """Somebody whose address is confirmed; of the first one's tenant, if ``columns`` say so."""
        user = await self.office.user(email)
        async with self.office.database.transaction() as connection:
            await connection.execute(update(users).where(users.c.id == user.id).values(verified_at=1, **columns))
        return user

    async def raised(self, tenant: str, *kinds: AlertKind, severity: Severity | None = None) -> None:
        """Alerts are raised, and people are told of what is due."""
        now = self.office.clock.micros()
        self._batches += 1
        alerts = [
            Alert(
                kind=kind,
                severity=severity or SEVERITIES[kind],
                tenant=tenant,
                subject="",
                place=f"place {self._batches}",
                latest="",
                detail="",
                count=1,
                first=now,
                last=now,
            )
            for kind in kinds
        ]
        await self.log.report(alerts, f"batch {self._batches}")
        await self.telling.tell()

    async def letters(self, count: int) -> Sequence[AccountLetter]:
        """What was mailed, once there are so many letters."""
        await self.office.sender.start()
        await eventually(lambda: len(self.office.box.letters) >= count, what=f"{count} letters")
        assert len(self.office.box.letters) == count
        return self.office.box.letters

    async def set(self, user: User, **values: Any) -> int:
        """Sets a policy; how many addresses it leads to."""
        return (await self.policies.put(self.office.caller(user), AlertPolicy(**values))).reached


@pytest.fixture
async def watch(database_url: str, clock: FakeClock) -> AsyncGenerator[Watch]:
    """One, on each database."""
    database = Database(url=database_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    office = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield Watch(office)
    await office.sender.stop()
    await database.stop()


async def test_owners_are_told_of_what_is_high_at_once_and_of_the_rest_daily(watch: Watch) -> None:
    """Unless their tenant says otherwise; of a tenant that is told, nobody else is."""
    ann, _ = await watch.member("ann@example.com", locale="de"), await watch.member("zoe@example.com")
    await watch.raised(ann.tenant, AlertKind.REFRESH_TOKEN_REUSED, AlertKind.NEW_CLIENT, AlertKind.CALLBACK_FORGED)
    (letter,) = await watch.letters(1)
    assert (letter.template, letter.address, letter.locale, letter.variables["count"]) == (ALERT, "ann@example.com", "de", "2")
    assert "HIGH  Gestohlene Sitzung? (REFRESH_TOKEN_REUSED) x1  place 1" in letter.variables["lines"]
    await watch.raised(ann.tenant, AlertKind.SCOPE_REFUSED)
    await watch.office.clock.advance(86400)
    await watch.telling.tell()
    digest = (await watch.letters(2))[1]
    assert (digest.template, digest.variables["count"]) == (DIGEST, "2")
    assert "NEW_CLIENT" in digest.variables["lines"]
    await watch.office.clock.advance(86400)
    await watch.telling.tell()
    await watch.letters(2)


async def test_the_same_alert_is_told_once(watch: Watch) -> None:
    """However often it is counted within its window, and whichever replica looks."""
    ann = await watch.member("ann@example.com")
    await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    now = watch.office.clock.micros()
    same = Alert(
        kind=AlertKind.CALLBACK_FORGED,
        severity=Severity.HIGH,
        tenant=ann.tenant,
        subject="",
        place="place 1",
        latest="",
        detail="",
        count=7,
        first=now,
        last=now,
    )
    await watch.log.report([same], "again")
    for _ in range(3):
        await watch.telling.tell()
    await watch.letters(1)


async def test_whom_a_policy_leads_to(watch: Watch) -> None:
    """Administrators, users and addresses, each once; not who is deactivated, has confirmed no address, or is of another tenant."""
    ann = await watch.member("ann@example.com")
    bob = await watch.member("bob@example.com", tenant_id=ann.tenant, role="admin")
    await watch.member("cid@example.com", tenant_id=ann.tenant, role="admin", deactivated_at=1)
    dan = await watch.member("dan@example.com", tenant_id=ann.tenant, role="viewer")
    zoe = await watch.member("zoe@example.com")
    assert await watch.set(ann, to=("admins", bob.name, dan.name, "Ops@Example.com", "ops@example.com", "BOB@example.com")) == 3
    with pytest.raises(InvalidInput) as refused:
        await watch.set(ann, to=("owners", zoe.name))
    assert [violation.field for violation in refused.value.violations] == ["policy.to[1]"]
    async with watch.office.database.transaction() as connection:
        await connection.execute(update(users).where(users.c.id == dan.id).values(verified_at=None))
    await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    letters = await watch.letters(2)
    assert sorted(letter.address for letter in letters) == ["Ops@example.com", "bob@example.com"]
    assert watch.office.log.of(SecurityEvent.ALERT_POLICY_SET)[0]["by"] == ann.name


@pytest.mark.parametrize("who", ["", "everybody", "users/", "users/nobody", "apiKeys/k1", "ann@", "x@y\r\nBcc: z@y.test"], ids=ascii)
async def test_what_is_nobody_names_the_field(watch: Watch, who: str) -> None:
    """And the policy of before stays."""
    ann = await watch.member("ann@example.com")
    await watch.set(ann, to=("admins",))
    with pytest.raises(InvalidInput) as refused:
        await watch.set(ann, to=(who,))
    assert [violation.field for violation in refused.value.violations] == ["policy.to[0]"]
    assert (await watch.policies.get(ann.tenant)).policy.to == ("admins",)


async def test_kinds_win_over_severities_and_nobody_may_be_told(watch: Watch) -> None:
    """NEVER is not by mail: the alerts are there."""
    ann = await watch.member("ann@example.com")
    rules = {AlertKind.NEW_CLIENT: AT_ONCE, AlertKind.CALLBACK_FORGED: NEVER}
    await watch.set(ann, severities={Severity.HIGH: DAILY, Severity.MEDIUM: NEVER}, kinds=rules)
    await watch.raised(ann.tenant, AlertKind.NEW_CLIENT, AlertKind.CALLBACK_FORGED, AlertKind.REFRESH_TOKEN_REUSED, AlertKind.PII_FOUND)
    (letter,) = await watch.letters(1)
    assert "Sign-in from a new client (NEW_CLIENT) x1" in letter.variables["lines"]
    await watch.set(ann, to=())
    await watch.office.clock.advance(86400)
    await watch.raised(ann.tenant, AlertKind.NEW_CLIENT)
    await watch.letters(1)
    assert len(await watch.log.page(ann.tenant, conditions=(), before=None, limit=10)) == 5


async def test_a_flood_is_a_digest(watch: Watch) -> None:
    """What an address gets too much of at once is told daily, so that nothing is forgotten and nobody is flooded."""
    ann = await watch.member("ann@example.com")
    for _ in range(30):
        await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    await watch.letters(5)
    await watch.office.clock.advance(86400)
    await watch.telling.tell()
    digest = (await watch.letters(6))[-1]
    assert (digest.template, digest.variables["count"]) == (DIGEST, "25")
    assert digest.variables["lines"].endswith("\n+ 5")


async def test_alerts_of_a_tenant_that_is_gone_are_told_to_nobody(watch: Watch) -> None:
    """And hold up nobody else's."""
    ann = await watch.member("ann@example.com")
    await watch.raised("no such tenant", *AlertKind)
    await watch.office.clock.advance(86400)
    await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    await watch.letters(1)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"recipients": "["},
        {"recipients": '"owners"'},
        {"deliveries": "[]"},
        {"deliveries": '{"HIGH": "LATER"}'},
        {"deliveries": '{"HIGH": []}'},
        {"digest_hour": 99},
    ],
    ids=str,
)
async def test_a_policy_that_cannot_be_read_is_the_one_of_the_house(watch: Watch, spoilt: dict[str, Any]) -> None:
    """Owners are told, so that nobody can silence alerts by a damaged row; setting it anew mends it."""
    ann = await watch.member("ann@example.com")
    await watch.set(ann, to=())
    async with watch.office.database.transaction() as connection:
        await connection.execute(update(alert_policies).values(spoilt))
    await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    await watch.letters(1)
    await watch.set(ann, to=("admins",))
    assert (await watch.policies.get(ann.tenant)).policy.to == ("admins",)


@pytest.mark.parametrize(
    ("zone", "now", "due"),
    [
        ("UTC", "2026-05-08T07:59:59", "2026-05-08T08:00:00"),
        ("UTC", "2026-05-08T08:00:00", "2026-05-09T08:00:00"),
        ("America/New_York", "2026-05-08T11:59:00", "2026-05-08T12:00:00"),
        ("Pacific/Kiritimati", "2026-05-08T17:59:00", "2026-05-08T18:00:00"),
        ("Europe/Berlin", "2026-03-28T08:00:00", "2026-03-29T06:00:00"),
    ],
)
def test_the_daily_mail_comes_at_its_hour_in_the_tenants_zone(zone: str, now: str, due: str) -> None:
    """Also on the day on which clocks change."""
    instants = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, due)]
    assert AlertPolicy().next_digest(instants[0], ZoneInfo(zone)) == instants[1]


async def test_recipients_groups_and_rotations_are_told(watch: Watch) -> None:
    """Beside owners, each once, with how soon they should look; the mailer does the rest. Those of nobody are named."""
    ann = await watch.member("ann@example.com", locale="de")
    watch.people.reached = {"recipients/ops": 1, "groups/oncall": 3, "rotations/night": 0}
    names = ("owners", "recipients/ops", "groups/oncall", "groups/oncall", "rotations/night")
    assert await watch.set(ann, to=names) == 5
    view = await watch.policies.get(ann.tenant)
    assert (view.policy.to, view.reached, list(view.unreached)) == (tuple(dict.fromkeys(names)), 5, ["rotations/night"])
    await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    letters = {letter.address: letter for letter in await watch.letters(4)}
    assert {letter.urgent for name, letter in letters.items() if "/" in name} == {True}
    assert (letters["ann@example.com"].urgent, letters["groups/oncall"].tenant) == (False, ann.tenant)
    assert set(letters["groups/oncall"].variables) == {"count", "lines", "tenant", "zone"}, "what the template knows"
    await watch.set(ann, to=("groups/oncall",), severities={Severity.MEDIUM: AT_ONCE})
    await watch.raised(ann.tenant, AlertKind.NEW_CLIENT)
    assert not (await watch.letters(5))[-1].urgent, "quiet hours hold what is not of severity HIGH"


@pytest.mark.parametrize(
    "error",
    [AlertReaderUnreached(), InvalidInput("It cannot be made."), FailedPrecondition("Later.")],
    ids=lambda error: type(error).__name__,
)
async def test_owners_are_told_in_the_place_of_nobody(watch: Watch, error: Exception) -> None:
    """A group that is empty by now, or was deleted: owners read why they get it. What may work later waits."""
    ann = await watch.member("ann@example.com", locale="de-CH")
    watch.people.reached = {"groups/oncall": 1}
    await watch.set(ann, to=("groups/oncall",))
    watch.office.box.errors.append(error)
    await watch.raised(ann.tenant, AlertKind.CALLBACK_FORGED)
    if isinstance(error, FailedPrecondition) and not isinstance(error, AlertReaderUnreached):
        await watch.office.sender.start()

        async def sent() -> bool:
            await watch.office.clock.advance(10)  # again and again: when the next attempt is due is stored after the error was raised
            return bool(watch.office.box.letters)

        await eventually(sent)
        (letter,) = await watch.letters(1)
        assert letter.address == "groups/oncall"
        return
    (letter,) = await watch.letters(1)
    assert letter.address == "ann@example.com"
    assert letter.variables["lines"].startswith("groups/oncall erreicht niemanden: ")
    assert "CALLBACK_FORGED" in letter.variables["lines"]


@pytest.mark.parametrize("who", ["groups/of-another-tenant", "recipients/deleted", "rotations/none", "groups/", "groups/a@b.example"])
async def test_people_whom_the_tenant_does_not_have_name_the_field(watch: Watch, who: str) -> None:
    """Whatever they are called; and the policy of before stays."""
    ann = await watch.member("ann@example.com")
    with pytest.raises(InvalidInput) as refused:
        await watch.set(ann, to=("owners", who))
    assert [violation.field for violation in refused.value.violations] == ["policy.to[1]"]
    assert (await watch.policies.get(ann.tenant)).policy.to == ("owners",)


async def test_a_policy_is_shown_while_the_mailer_is_away(watch: Watch) -> None:
    """Without people that it knows; one that names them is not taken, for nobody can say whether there are any."""
    ann = await watch.member("ann@example.com")
    watch.people.reached = {"groups/oncall": 2}
    await watch.set(ann, to=("owners", "groups/oncall"))
    watch.people.away = True
    view = await watch.policies.get(ann.tenant)
    assert (view.reached, list(view.unreached)) == (1, [])
    with pytest.raises(Unavailable):
        await watch.set(ann, to=("groups/oncall",))
    assert await watch.set(ann, to=("owners",)) == 1


def test_lines_find_room_in_what_the_mailer_takes() -> None:
    """However long the places are that callers make up; what finds no room is counted."""
    long = Alert(
        kind=AlertKind.CALLBACK_FORGED,
        severity=Severity.HIGH,
        tenant="t",
        subject="s" * 200,
        place="p" * 200,
        latest="",
        detail="d" * 200,
        count=1,
        first=0,
        last=0,
    )
    lines = alert_lines([long] * 30, zone=ZoneInfo("UTC")).split("\n")
    assert len("\n".join(lines)) < 2000
    assert lines[-1] == f"+ {30 - len(lines) + 1}"
