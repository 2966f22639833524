"""What a browser needs before it can be notified."""

from collections.abc import Callable

from mailer_svc.domain import NoProvider


class PushKeys:
    """The key by which push services know this installation."""

    def __init__(self, *, public_key: Callable[[], str], missing: str) -> None:
        """Asks for nothing yet.

        Args:
            public_key: gives it.
            missing: what an operator has to set before browsers can be notified; empty: they can be.
        """
        self._public_key = public_key
        self._missing = missing

    async def get(self) -> str:
        """The public key in base64url.

        Raises:
            NoProvider: this installation sends nothing to browsers.
        """
        if self._missing:
            raise NoProvider(self._missing)
        return self._public_key()
