"""Passkeys whose library is loaded by the first ceremony: it is 140 modules, a thirtieth of what a start of all services computes."""

from collections.abc import Sequence
from functools import cached_property

from auth_svc.domain import Factor, NewPasskey, PasskeyAssertion, User
from auth_svc.ports import Passkeys


class LazyPasskeys:
    """`auth_svc.passkeys.WebAuthnPasskeys`, once there is something to do (`auth_svc.ports.Passkeys`)."""

    def __init__(self, *, rp_id: str, origins: Sequence[str]) -> None:
        """The relying party as there; nothing is loaded."""
        self._rp_id = rp_id
        self._origins = origins

    @cached_property
    def _loaded(self) -> Passkeys:
        from auth_svc.passkeys import WebAuthnPasskeys

        return WebAuthnPasskeys(rp_id=self._rp_id, origins=self._origins)

    def creation_options(self, user: User, *, token: str, known: Sequence[Factor]) -> str:
        """What ``navigator.credentials.create()`` takes."""
        return self._loaded.creation_options(user, token=token, known=known)

    def request_options(self, *, token: str, known: Sequence[Factor]) -> str:
        """What ``navigator.credentials.get()`` takes."""
        return self._loaded.request_options(token=token, known=known)

    def created(self, response: str, *, token: str, field: str) -> NewPasskey:
        """The passkey that a browser has made."""
        return self._loaded.created(response, token=token, field=field)

    def named(self, response: str, *, field: str) -> PasskeyAssertion:
        """Which passkey an answer says to be of."""
        return self._loaded.named(response, field=field)

    def verified(self, response: str, passkey: Factor, *, token: str, verify_user: bool) -> PasskeyAssertion | None:
        """What a passkey has signed; None unless it has."""
        return self._loaded.verified(response, passkey, token=token, verify_user=verify_user)
