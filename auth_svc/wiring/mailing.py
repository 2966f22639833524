"""What sends mails about accounts."""

from collections.abc import Sequence

from auth_svc.clients import MailerPostman
from auth_svc.config import AuthSettings
from auth_svc.service import AccountHousekeeper, AccountMails, AccountMailSender, OneTimeTokens
from auth_svc.store import AuthStore
from tocsin.clock import Clock
from tocsin.lifecycle import Component
from tocsin.mesh.client import Mesh
from tocsin.wake import Wake


class Mailing:
    """Takes mails and sends them; `tokens` are those of their links, and of everything else that works once; `readers` knows people."""

    def __init__(self, settings: AuthSettings, clock: Clock, store: AuthStore, mesh: Mesh) -> None:
        written = Wake(clock)
        self.readers = MailerPostman(mesh=mesh)
        self.tokens = OneTimeTokens(store=store, clock=clock)
        self.mails = AccountMails(store=store, clock=clock, written=written)
        self._sender = AccountMailSender(
            store=store,
            accounts=store,
            owners=store,
            tokens=self.tokens,
            postman=self.readers,
            link=settings.public_link,
            clock=clock,
            written=written,
        )
        self._housekeeper = AccountHousekeeper(
            tokens=store, mails=store, credentials=store, invitations=store, addresses=store, clock=clock
        )

    @property
    def parts(self) -> Sequence[Component]:
        """What runs, in the order of its start."""
        return (self._sender, self._housekeeper)
