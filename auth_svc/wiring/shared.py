"""What many use cases have in common."""

from typing import TypedDict

from auth_svc.journal import SecurityJournal
from auth_svc.service import Authorizer
from auth_svc.store import AuthStore
from tocsin.clock import Clock


class OwnAccountParts(TypedDict):
    """What use cases of one's own account take."""

    store: AuthStore
    log: SecurityJournal
    clock: Clock


class Shared(OwnAccountParts):
    """What use cases take that ask what a caller may do."""

    authorizer: Authorizer


def own_account(shared: Shared) -> OwnAccountParts:
    """What of it needs no authorizer."""
    return {"store": shared["store"], "log": shared["log"], "clock": shared["clock"]}
