"""What the gateway takes on while a service is away, and forwards in order when it is back."""

from gateway.spool.desk import SpoolDesk
from gateway.spool.file import SpoolFile
from gateway.spool.forwarder import Forwarder
from gateway.spool.heir import Heir
from gateway.spool.keeper import CallKeeper
from gateway.spool.spool import Spool, SpoolFull, SpoolRule, SpoolState
from gateway.spool.stamps import Stamp, stamps
from gateway.spool.store import Aside, Entry, SpoolStore, Tally, metadata

__all__ = [
    "Aside",
    "CallKeeper",
    "Entry",
    "Forwarder",
    "Heir",
    "Spool",
    "SpoolDesk",
    "SpoolFile",
    "SpoolFull",
    "SpoolRule",
    "SpoolState",
    "SpoolStore",
    "Stamp",
    "Tally",
    "metadata",
    "stamps",
]
