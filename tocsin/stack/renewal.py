"""Certificates of a stack: made at its start, renewed while it runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tocsin.clock import Clock
from tocsin.stack.layout import SERVICES

LOOK_SECONDS: Final = 3600.0
"""Between two looks; a certificate is replaced when a third of its life is left, which is months."""


class Certificates:
    """The authority and the certificates in ``<state>/pki``."""

    def __init__(self, *, state: Path, trust_domain: str, clock: Clock) -> None:
        """Touches nothing.

        Args:
            state: the state folder.
            trust_domain: of the SPIFFE identities.
            clock: the machine's.
        """
        self._folder = state / "pki"
        self._trust_domain = trust_domain
        self._clock = clock

    def ensure(self) -> None:
        """Makes what is missing or ends soon; services read it again by themselves.

        Raises:
            OSError: the folder cannot be read or written.
            ValueError: a file there is not what its name says.
        """
        from tocsin.mesh.identity import ensure_pki  # gRPC takes long to import, and the commands of every day do without

        ensure_pki(folder=self._folder, services=SERVICES, trust_domain=self._trust_domain, clock=self._clock)

    async def keep(self, say: Callable[[str], None]) -> None:
        """Ensures again and again, for ever. A disk that is full is told to ``say``, and the next look tries again."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            try:
                self.ensure()
            except (OSError, ValueError) as error:
                say(f"certificates cannot be renewed: {error}")
