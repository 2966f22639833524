"""What second factors need: a store, and what speaks WebAuthn."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from auth_svc.domain import AccountMail, Factor, FactorUse, NewPasskey, PasskeyAssertion, TokenPurpose, User


class FactorStore(Protocol):
    """Second factors, and recovery codes, which are stored as digests. Every method is one transaction."""

    async def list_factors(self, tenant: str, user: str) -> Sequence[Factor]:
        """The factors of a user, the oldest first; none that waits to be confirmed."""
        ...

    async def waiting_factor(self, tenant: str, user: str, factor: str, *, since: datetime) -> Factor:
        """An app that waits since ``since`` or later to be confirmed.

        Raises:
            FactorNotFound: the user has none.
        """
        ...

    async def find_passkey(self, credential: str) -> Factor | None:
        """The passkey with this credential id."""
        ...

    async def add_factor(
        self,
        factor: Factor,
        *,
        codes: Collection[str] = (),
        mail: AccountMail | None = None,
        session: str = "",
        challenge: tuple[TokenPurpose, str] | None = None,
    ) -> bool:
        """Stores a factor; one that has to be confirmed takes the place of an earlier such one.

        A confirmed one: ``codes`` become the recovery codes if there are none (says whether so), ``mail`` is sent, ``session`` has
        shown it, and ``challenge`` is used up.

        Raises:
            TooManyFactors: the user has as many as one may have.
            PasskeyTaken: the passkey is somebody's.
            ChallengeVoid: the challenge may not be used.
        """
        ...

    async def confirm_factor(
        self, factor: Factor, *, step: int, codes: Collection[str], mail: AccountMail | None, session: str, now: datetime
    ) -> bool:
        """An app that waits is one from now on; says whether ``codes`` have become the recovery codes, as there were none.

        Raises:
            FactorNotFound: it does not wait any more.
        """
        ...

    async def rename_factor(self, tenant: str, user: str, factor: str, *, display_name: str) -> Factor:
        """Gives a factor another name.

        Raises:
            FactorNotFound: the user has no such factor.
        """
        ...

    async def remove_factor(
        self, tenant: str, user: str, factor: str, *, keep_one: bool, notice: Callable[[Factor], AccountMail | None]
    ) -> Factor:
        """Removes a factor; with the last one go the recovery codes.

        Raises:
            FactorNotFound: the user has no such factor.
            LastFactor: ``keep_one``, and it is the last one.
        """
        ...

    async def reset_factors(self, tenant: str, user: str, *, mail: AccountMail | None) -> int:
        """Removes every factor and recovery code of a user; how many factors. ``mail`` is sent if there was one."""
        ...

    async def replace_recovery_codes(self, tenant: str, user: str, codes: Collection[str], *, now: datetime) -> None:
        """These are the recovery codes from now on.

        Raises:
            FactorNotFound: the user has no factor whose place they could take.
        """
        ...

    async def count_recovery_codes(self, tenant: str, user: str) -> int:
        """How many of them were not used yet."""
        ...

    async def use_factor(
        self, use: FactorUse, *, challenge: tuple[TokenPurpose, str] | None, mail: AccountMail | None, now: datetime
    ) -> bool:
        """Uses a factor, and the challenge with it; False, and neither is used, if the same use or a later one has been made.

        Raises:
            ChallengeVoid: the challenge may not be used.
        """
        ...


class Passkeys(Protocol):
    """The relying party of WebAuthn. The challenge of a ceremony is made of a one-time token; what browsers take and give is JSON."""

    def creation_options(self, user: User, *, token: str, known: Sequence[Factor]) -> str:
        """What ``navigator.credentials.create()`` takes (PublicKeyCredentialCreationOptionsJSON).

        Raises:
            PasskeysUnavailable: there is no relying party.
        """
        ...

    def request_options(self, *, token: str, known: Sequence[Factor]) -> str:
        """What ``navigator.credentials.get()`` takes (PublicKeyCredentialRequestOptionsJSON).

        Without passkeys that are ``known``, the browser offers those that it has, and has to verify the user.

        Raises:
            PasskeysUnavailable: there is no relying party.
        """
        ...

    def created(self, response: str, *, token: str, field: str) -> NewPasskey:
        """The passkey that a browser has made.

        Raises:
            InvalidInput: at ``field``: this is no answer to the challenge of ``token``.
            PasskeysUnavailable: there is no relying party.
        """
        ...

    def named(self, response: str, *, field: str) -> PasskeyAssertion:
        """Which passkey an answer says to be of; nothing of it is verified.

        Raises:
            InvalidInput: at ``field``: this is no answer.
        """
        ...

    def verified(self, response: str, passkey: Factor, *, token: str, verify_user: bool) -> PasskeyAssertion | None:
        """What a passkey has signed for the challenge of ``token``; None unless it has.

        Raises:
            PasskeysUnavailable: there is no relying party.
        """
        ...
