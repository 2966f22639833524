"""Where calendar feeds are kept, and what they are made of."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol


class FeedKey(NamedTuple):
    """Whose feed it is: "rotations/{id}" or "recipients/{id}" of a tenant."""

    tenant: str
    subject: str


class FeedStore(Protocol):
    """Keeps calendar feeds by a hash of their token; a subject has one at most. Times in microseconds since the epoch."""

    async def put(self, key: FeedKey, *, token_hash: str, now: int) -> None:
        """Stores a feed in place of the one that the subject has."""
        ...

    async def created(self, key: FeedKey) -> int | None:
        """When the feed of a subject was made. None: there is none."""
        ...

    async def remove(self, key: FeedKey) -> None:
        """Removes the feed of a subject, if there is one."""
        ...

    async def find(self, token_hash: str) -> FeedKey | None:
        """Whose feed has a token. None: nobody's."""
        ...

    async def rotations_of(self, *, tenant: str, recipient: str, since: int, most: int) -> Sequence[str]:
        """Ids of rotations that name a recipient in a layer, or in an override that ends after ``since``; ``most`` at most."""
        ...

    async def names(self, *, tenant: str, recipients: Collection[str]) -> Mapping[str, str]:
        """Names for people of those of the recipients who have one."""
        ...
