"""Keys in time: when they were used, and who is warned that they end."""

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from auth_svc.domain import OPERATOR, ServiceAccount, User
from auth_svc.service import ApiKeys, KeyUses, KeyWarnings, RegistrationRule, ServiceAccounts
from tests.integration.auth.members import user_of
from tests.integration.auth.office import Office
from tocsin.alerts import Alert, Severity
from tocsin.database import Database
from tocsin.errors import Unavailable
from tocsin.testing.clock import FakeClock

DAY = timedelta(days=1)


class Workshop:
    """Keys of an office, with alerts that are kept."""

    def __init__(self, office: Office, owner: User) -> None:
        self.office = office
        self.owner = owner
        self.told: dict[str, Alert] = {}
        self.fail = False
        shared: Any = {"store": office.store, "log": office.log, "clock": office.clock}
        self.uses = KeyUses(store=office.store, clock=office.clock)
        self.accounts = ServiceAccounts(**shared, authorizer=office.authorizer)
        self.keys = ApiKeys(
            **shared, signer=office.signer, authorizer=office.authorizer, uses=self.uses, access_lifetime=timedelta(minutes=15)
        )
        self.warnings = KeyWarnings(**shared, mails=office.mails, report=self._report)

    async def _report(self, alerts: Sequence[Alert], batch: str) -> None:
        if self.fail:
            raise Unavailable
        assert len(batch) <= 64
        self.told.setdefault(batch, alerts[0])

    async def key(self, lives: timedelta | None, owner: str = "") -> tuple[str, str]:
        """The id and the secret of a new key."""
        expires = None if lives is None else self.office.clock.now() + lives
        caller = self.office.caller(self.owner)
        key, secret = await self.keys.create(caller, display_name="ci", scopes=["alarms:read"], expires=expires, owner=owner)
        return key.id, secret

    async def account(self, role: str = OPERATOR.name) -> ServiceAccount:
        """A service account."""
        return await self.accounts.create(self.office.caller(self.owner), display_name="ci", description="", role=role)

    async def pass_days(self, days: float) -> None:
        """Time goes by, then somebody looks."""
        await self.office.clock.advance(days * 86400)
        await self.warnings.warn()


@pytest.fixture
async def workshop(sqlite_url: str, clock: FakeClock) -> AsyncGenerator[Workshop]:
    """It."""
    database = Database(url=sqlite_url, clock=clock, schema="auth_svc", migrations="auth_svc")
    await database.start()
    office = Office(database, clock, registration=RegistrationRule.UNCONFIRMED)
    yield Workshop(office, await office.user())
    await office.sender.stop()
    await database.stop()


async def test_key_is_warned_of_a_week_and_a_day_before(workshop: Workshop) -> None:
    """Once each, however often somebody looks: a mail to its owner and an alert; what has ended is not warned of."""
    await workshop.key(10 * DAY)
    letters = []
    for days, count in ((2, 0), (1.5, 1), (0.1, 1), (3, 1), (2.9, 2), (0.1, 2), (5, 2)):
        await workshop.pass_days(days)
        letters = await workshop.office.letters(count)
    assert [(letter.template, letter.address) for letter in letters] == [("tocsin.key-expiry", "ann@example.com")] * 2
    assert letters[0].variables["key"] == "ci"
    assert [(alert.detail, alert.severity) for alert in workshop.told.values()] == [("7 d", Severity.MEDIUM), ("1 d", Severity.HIGH)]


@pytest.mark.parametrize(
    ("lives", "warned"), [(0.5, []), (1, []), (3, ["1 d"]), (7, ["1 d"]), (8, ["7 d", "1 d"])], ids=["12h", "1d", "3d", "7d", "8d"]
)
async def test_short_lived_key_is_not_warned_of_as_soon_as_it_is_made(workshop: Workshop, lives: float, warned: list[str]) -> None:
    """Only of what comes later."""
    await workshop.key(lives * DAY)
    for _ in range(10):
        await workshop.pass_days(0.95)
    assert [alert.detail for alert in workshop.told.values()] == warned


async def test_one_warning_after_a_long_sleep(workshop: Workshop) -> None:
    """Of two that are due, the later one; an alert that cannot be told is told the next time, with its mail."""
    await workshop.key(30 * DAY)
    workshop.fail = True
    with pytest.raises(Unavailable):
        await workshop.pass_days(29.5)
    workshop.fail = False
    await workshop.pass_days(0.01)
    assert [alert.detail for alert in workshop.told.values()] == ["1 d"]
    assert len(await workshop.office.letters(1)) == 1


async def test_rotation_with_a_later_end_is_warned_of_anew(workshop: Workshop) -> None:
    """And one without does not repeat what was said."""
    key, _ = await workshop.key(8 * DAY)
    caller = workshop.office.caller(workshop.owner)
    await workshop.pass_days(2)
    await workshop.keys.rotate(caller, key, overlap=DAY, expires=None)
    await workshop.pass_days(1)
    assert len(workshop.told) == 1
    await workshop.keys.rotate(caller, key, overlap=DAY, expires=workshop.office.clock.now() + 20 * DAY)
    await workshop.pass_days(14)
    assert [alert.detail for alert in workshop.told.values()] == ["7 d", "7 d"]


async def test_keys_of_a_service_account_outlive_their_maker(workshop: Workshop) -> None:
    """They work on; who is warned is the maker while there, and the owners of the tenant then. Those of the person are gone."""
    office, account = workshop.office, await workshop.account()
    second = user_of(workshop.owner.tenant, "second@example.com")
    await office.store.add_user(second, "h")
    _, own = await workshop.key(None)
    _, secret = await workshop.key(7.5 * DAY, owner=account.name)
    await workshop.pass_days(1)
    assert (await office.letters(1))[0].address == "ann@example.com"
    await office.store.remove_user(workshop.owner.tenant, workshop.owner.id, owners=True)
    await workshop.keys.exchange(secret)
    assert await office.store.find_key(own, now=office.clock.now()) is None
    assert [key.owner for key in await office.store.list_keys(account.tenant, owner="", after="", limit=9)] == [account.name]
    await workshop.pass_days(6)
    assert (await office.letters(2))[1].address == "second@example.com"


async def test_deactivated_owner_is_not_warned(workshop: Workshop) -> None:
    """Nor is anybody else: the key does not work."""
    account = await workshop.account()
    await workshop.key(8 * DAY, owner=account.name)
    await workshop.accounts.deactivate(workshop.office.caller(workshop.owner), account.id)
    await workshop.pass_days(3)
    assert workshop.told == {}


async def test_last_use_is_stored_in_batches(workshop: Workshop) -> None:
    """With its address, at the latest when the process stops."""
    office = workshop.office
    key, secret = await workshop.key(None)
    await workshop.keys.exchange(secret, address="198.51.100.7")
    assert (await office.store.get_key(workshop.owner.tenant, key)).last_used is None
    await workshop.uses.start()
    await workshop.uses.stop()
    found = await office.store.get_key(workshop.owner.tenant, key)
    assert (found.last_used, found.last_address) == (office.clock.now(), "198.51.100.7")


async def test_uses_wait_for_the_database_within_bounds(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not take is stored later; what came meanwhile is not lost, and a flood of keys takes no more room than it may."""
    office = workshop.office
    key, secret = await workshop.key(None)
    await workshop.keys.exchange(secret, address="198.51.100.7")
    store = office.store.note_uses

    async def refuse(_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(office.store, "note_uses", refuse)
    with pytest.raises(Unavailable):
        await workshop.uses.store()
    monkeypatch.setattr("auth_svc.service.key_uses._MOST", 1)
    workshop.uses.note("another", time=office.clock.now(), address="")
    later = office.clock.now() + DAY
    workshop.uses.note(key, time=later, address="203.0.113.9")
    monkeypatch.setattr(office.store, "note_uses", store)
    await workshop.uses.store()
    found = await office.store.get_key(workshop.owner.tenant, key)
    assert (found.last_used, found.last_address) == (later, "203.0.113.9")
