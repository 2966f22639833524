"""Which program signs in, and whether it has signed in to the account before."""

from collections.abc import Collection
from dataclasses import dataclass

from auth_svc.domain import ClientFacts, digest
from auth_svc.ports import CredentialStore
from auth_svc.throttle import Guesser
from tocsin.client_network import client_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One sign-in's client.

    Attributes:
        client: what is known of it.
        guesser: it, as the throttle counts it.
        is_new: whether others have signed in to the account before, and neither this device nor anybody at this place.
        place: digest of the place; empty if nobody knows it.
        holder: whom a challenge of this sign-in works for.
    """

    client: ClientFacts
    guesser: Guesser
    is_new: bool
    place: str
    holder: str

    def seen(self, device: str) -> Collection[str]:
        """The digests by which the client is known from now on, with that of its new device token, if it gets one."""
        return [each for each in (self.place, device or self.guesser.device) if each]


class KnownClients:
    """Knows clients again: by a token of an earlier sign-in, or by where they are."""

    def __init__(self, *, store: CredentialStore) -> None:
        self._store = store

    async def visit(self, user: str, client: ClientFacts, device_token: str) -> Visit:
        """The client of a sign-in; ``user`` is empty of an account that does not exist, which costs the same."""
        place = client_network(client.address)
        stored = place_digest(user, place) if place else ""
        device = digest(device_token) if device_token else ""
        history = await self._store.client_history(user, [each for each in (stored, device) if each])
        guesser = Guesser(place=place, device=device if device in history.known else "", known=bool(history.known))
        holder = holder_of(client.address, device_token)
        return Visit(client=client, guesser=guesser, is_new=history.some and not history.known, place=stored, holder=holder)


def place_digest(user: str, place: str) -> str:
    """What is stored of a place from which a user has signed in; of another user, the same place is another text."""
    return digest(f"place {user} {place}")


def holder_of(address: str, device_token: str) -> str:
    """Whom a challenge works for: the device that shows its token, or else everybody at one place."""
    return digest(device_token) if device_token else f"place {client_network(address)}"
