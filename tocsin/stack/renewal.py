"""Certificates of a stack: made at its start, renewed while it runs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tocsin.background import Background
from tocsin.clock import Clock
from tocsin.stack.layout import SERVICES

CHECK_SECONDS: Final = 2.0
"""Between two looks whether the files are there: a service that starts without them would not come up."""
RENEW_SECONDS: Final = 3600.0
"""Between two looks into them; a certificate is replaced when a third of its life is left, which is months."""


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
        self._ensured = float("-inf")
        self._background = Background(clock)
        self._failed = ""

    def ensure(self) -> None:
        """Makes what is missing or ends soon; services read it again by themselves.

        Raises:
            OSError: the folder cannot be read or written.
            ValueError: a file there is not what its name says.
        """
        from tocsin.mesh.authority import ensure_pki  # gRPC takes long to import, and the commands of every day do without

        ensure_pki(folder=self._folder, services=SERVICES, trust_domain=self._trust_domain, clock=self._clock)
        self._ensured = self._clock.monotonic()

    def keep(self, say: Callable[[str], None]) -> None:
        """Ensures again and again, until `stop`. A disk that is full is told to ``say`` once, and the next look tries again."""
        self._background.periodic("certificates", CHECK_SECONDS, partial(self._look, say), at_once=False)

    async def stop(self) -> None:
        """Looks no more."""
        await self._background.stop()

    async def _look(self, say: Callable[[str], None]) -> None:
        missing = [path.name for path in self._files if not path.exists()]
        if not missing and self._clock.monotonic() - self._ensured < RENEW_SECONDS:
            return
        try:
            self.ensure()
        except (OSError, ValueError) as error:
            if str(error) != self._failed:
                say(f"certificates cannot be renewed: {error}")
            self._failed = str(error)
            return
        self._failed = ""
        if missing:
            say(f"certificates were missing and are made again: {', '.join(missing)}")

    @property
    def _files(self) -> list[Path]:
        pairs = [name for service in SERVICES for name in (f"{service}.pem", f"{service}-key.pem")]
        return [self._folder / name for name in ("ca.pem", "ca-key.pem", *pairs)]
