"""Groups, categories, preferences and suppressions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from mailer_svc.domain import (
    Category,
    CategoryNotFound,
    Channels,
    GroupDraft,
    GroupNotFound,
    Member,
    Preferences,
    RecipientGroup,
    Suppression,
    SuppressionNotFound,
    UnsupportedChannel,
    comparable_address,
)
from mailer_svc.domain.preferences import ANY, checked_quiet_times
from mailer_svc.ports import CategoryStore, GroupStore, PreferenceStore, StoredPreferences, SuppressionQuery, Suppressions
from tocsin.clock import Clock
from tocsin.errors import InvalidInput
from tocsin.searching import mentions, search

MEMBERS_A_LINE: Final = 10_000
"""Most members in a line of an export, as in the contract."""


class Groups:
    """The groups of all tenants."""

    def __init__(self, *, store: GroupStore, clock: Clock, new_id: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id

    async def create(self, *, tenant: str, id: str, display_name: str) -> RecipientGroup:  # noqa: A002 - the word of the contract
        """Stores a new group; an empty id: one is made.

        Raises:
            GroupExists: the id is in use.
        """
        now = self._clock.micros()
        group = RecipientGroup(tenant=tenant, id=id or self._new_id(), display_name=display_name, created=now, updated=now)
        await self._store.create(group)
        return group

    async def get(self, *, tenant: str, id: str) -> RecipientGroup:  # noqa: A002 - the word of the contract
        """One group.

        Raises:
            GroupNotFound: there is none.
        """
        return _group(await self._store.get(tenant=tenant, id=id), id)

    async def page(self, *, tenant: str, after: str, limit: int, text: str = "") -> tuple[list[RecipientGroup], str | None]:
        """Groups by id, those behind the id ``after``, with ``text`` in their ids or names.

        With fewer than ``limit`` comes where to go on; None: they were the last.
        """
        if not text:
            return await self._store.page(tenant=tenant, after=after, limit=limit), None
        return await search(
            lambda behind, most: self._store.page(tenant=tenant, after=behind, limit=most),
            meets=lambda group: mentions(text, group.id, group.display_name),
            place=lambda group: group.id,
            after=after,
            limit=limit,
        )

    async def update(self, *, tenant: str, id: str, display_name: str | None) -> RecipientGroup:  # noqa: A002
        """Sets what is not None.

        Raises:
            GroupNotFound: there is none.
        """
        return _group(await self._store.update(tenant=tenant, id=id, display_name=display_name, now=self._clock.micros()), id)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Removes a group, also from others.

        Raises:
            GroupNotFound: there is none.
        """
        if not await self._store.delete(tenant=tenant, id=id):
            _group(None, id)

    async def add_members(self, *, tenant: str, id: str, members: Sequence[Member]) -> RecipientGroup:  # noqa: A002
        """Adds members, all or none; see `mailer_svc.ports.GroupStore`."""
        return await self._store.add_members(tenant=tenant, id=id, members=members, now=self._clock.micros())

    async def remove_members(self, *, tenant: str, id: str, members: Sequence[Member]) -> RecipientGroup:  # noqa: A002
        """Removes those of the members that are in the group.

        Raises:
            GroupNotFound: there is no such group.
        """
        return await self._store.remove_members(tenant=tenant, id=id, members=members, now=self._clock.micros())

    async def members(self, *, tenant: str, id: str, after: tuple[int, str], limit: int) -> list[Member]:  # noqa: A002
        """What is in a group itself, by kind and id, behind ``after``."""
        return await self._store.members(tenant=tenant, id=id, after=after, limit=limit)

    async def called(self, *, tenant: str, members: Sequence[Member]) -> list[tuple[Member, str]]:
        """The members, each with its name for people; empty: it has none, or is gone."""
        names = await self._store.names(tenant=tenant, members=members)
        return [(member, names.get(member, "")) for member in members]

    async def drafts(self, *, tenant: str, after: str, limit: int) -> list[tuple[str, GroupDraft]]:
        """Groups with their members, each with its place, behind the place ``after``; one with many members as several, each partial."""
        found: list[tuple[str, GroupDraft]] = []
        begun, _, behind = after.partition(" ")
        while len(found) < limit:
            kind, _, member = behind.partition(" ")
            group = await self._group_at(tenant, begun, inside=bool(behind))
            if group is None:
                if not behind:
                    break
                behind = ""
                continue
            members = await self._store.members(tenant=tenant, id=group.id, after=(int(kind or 0), member), limit=MEMBERS_A_LINE)
            full = len(members) == MEMBERS_A_LINE
            behind, begun = f"{int(members[-1].kind)} {members[-1].id}" if full else "", group.id
            if members or not kind:
                draft = GroupDraft(
                    tenant=tenant, id=group.id, display_name=group.display_name, members=tuple(members), partial=full or bool(kind)
                )
                found.append((f"{begun} {behind}".rstrip(), draft))
        return found

    async def _group_at(self, tenant: str, identity: str, *, inside: bool) -> RecipientGroup | None:
        """The group itself if it is ``inside`` of it that something goes on; otherwise the one behind it."""
        if inside:
            return await self._store.get(tenant=tenant, id=identity)
        return next(iter(await self._store.page(tenant=tenant, after=identity, limit=1)), None)


def _group(found: RecipientGroup | None, identity: str) -> RecipientGroup:
    if found is None:
        raise GroupNotFound(f"There is no group groups/{identity}")
    return found


class Categories:
    """The categories of all tenants."""

    def __init__(self, *, store: CategoryStore, channels: Channels, clock: Clock) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock

    async def create(self, category: Category) -> Category:
        """Stores a new category.

        Raises:
            InvalidInput: this mailer does not know a channel.
            CategoryExists: the id is in use.
        """
        now = self._clock.micros()
        made = replace(self.checked(category), created=now, updated=now)
        await self._store.create(made)
        return made

    async def get(self, *, tenant: str, id: str) -> Category:  # noqa: A002 - the word of the contract
        """One category.

        Raises:
            CategoryNotFound: there is none.
        """
        return _category(await self._store.get(tenant=tenant, id=id), id)

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Category]:
        """Categories by id, those behind the id ``after``."""
        return await self._store.page(tenant=tenant, after=after, limit=limit)

    async def update(self, *, tenant: str, id: str, change: Callable[[Category], Category]) -> Category:  # noqa: A002
        """Stores what ``change`` makes of a category.

        Raises:
            InvalidInput: this mailer does not know a channel.
            CategoryNotFound: there is none.
        """

        def revise(category: Category) -> Category:
            return replace(self.checked(change(category)), updated=self._clock.micros())

        return _category(await self._store.revise(tenant=tenant, id=id, revise=revise), id)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Removes a category.

        Raises:
            CategoryNotFound: there is none.
        """
        if not await self._store.delete(tenant=tenant, id=id):
            _category(None, id)

    def checked(self, category: Category, *, prefix: str = "category.") -> Category:
        """The category, if this mailer knows its channels.

        Raises:
            InvalidInput: it does not; the field is named behind ``prefix``.
        """
        for place, name in enumerate(category.channels):
            check_channel(self._channels, name, field=f"{prefix}channels[{place}]")
        return category


def _category(found: Category | None, identity: str) -> Category:
    if found is None:
        raise CategoryNotFound(f"There is no category categories/{identity}")
    return found


def check_channel(channels: Channels, name: str, *, field: str) -> None:
    """Refuses a channel that this mailer does not know.

    Raises:
        InvalidInput: it does not.
    """
    try:
        channels.find(name)
    except UnsupportedChannel as error:
        raise InvalidInput.at(field, error.message) from None


class RecipientPreferences:
    """What the recipients of all tenants want; what a tenant wants is that of the recipient with an empty id."""

    def __init__(self, *, store: PreferenceStore, channels: Channels, clock: Clock) -> None:
        self._store = store
        self._channels = channels
        self._clock = clock

    async def get(self, *, tenant: str, recipient: str) -> StoredPreferences:
        """What a recipient wants.

        Raises:
            RecipientNotFound: there is no such recipient.
        """
        return await self._store.get(tenant=tenant, recipient=recipient)

    async def revise(self, *, tenant: str, recipient: str, change: Callable[[Preferences], Preferences]) -> StoredPreferences:
        """Stores what ``change`` makes of them.

        Raises:
            InvalidInput: this mailer does not know a channel, or the quiet hours leave no minute of the week.
            RecipientNotFound: there is no such recipient.
        """
        return await self._store.revise(
            tenant=tenant, recipient=recipient, revise=lambda stored: self._checked(change(stored)), now=self._clock.micros()
        )

    def _checked(self, preferences: Preferences) -> Preferences:
        for place, choice in enumerate(preferences.choices):
            if choice.channel != ANY:
                check_channel(self._channels, choice.channel, field=f"preferences.choices[{place}].channel")
        if preferences.quiet_hours is not None:
            checked_quiet_times(preferences.quiet_hours.times, field="preferences.quietHours.times")
        return preferences


class SuppressionRules:
    """What a suppression has to be before it is stored."""

    def __init__(self, *, channels: Channels) -> None:
        self._channels = channels

    def checked(self, suppression: Suppression, *, prefix: str = "") -> Suppression:
        """The suppression with its address in its normal form; ``prefix`` stands before its fields in errors.

        Raises:
            InvalidInput: this mailer does not know the channel, or the channel could not deliver to the address.
        """
        check_channel(self._channels, suppression.channel, field=f"{prefix}channel")
        channel = self._channels.find(suppression.channel)
        try:
            address = comparable_address(channel.name, channel.normal_address(suppression.address))
        except InvalidInput as error:
            raise InvalidInput.at(f"{prefix}address", error.violations[0].description if error.violations else error.message) from None
        return replace(suppression, channel=channel.address_channel, address=address)


class SuppressionList:
    """The suppressions of all tenants."""

    def __init__(self, *, store: Suppressions, rules: SuppressionRules) -> None:
        self._store = store
        self._rules = rules

    async def put(self, suppression: Suppression) -> Suppression:
        """Adds a suppression; one that is there for the same address and category gets the new reason, source, detail and end.

        Raises:
            InvalidInput: it is not valid.
        """
        return await self._store.put(self._rules.checked(suppression, prefix="suppression."))

    async def get(self, *, tenant: str, id: str) -> Suppression:  # noqa: A002 - the word of the contract
        """One suppression.

        Raises:
            SuppressionNotFound: there is none.
        """
        found = await self._store.get(tenant=tenant, id=id)
        if found is None:
            raise SuppressionNotFound(f"There is no suppression suppressions/{id}")
        return found

    async def page(self, query: SuppressionQuery, *, after: str, limit: int) -> list[Suppression]:
        """Suppressions by id, those behind the id ``after``."""
        return await self._store.page(query, after=after, limit=limit)

    async def delete(self, *, tenant: str, id: str) -> None:  # noqa: A002 - the word of the contract
        """Ends a suppression.

        Raises:
            SuppressionNotFound: there is none.
        """
        if not await self._store.delete(tenant=tenant, id=id):
            raise SuppressionNotFound(f"There is no suppression suppressions/{id}")
