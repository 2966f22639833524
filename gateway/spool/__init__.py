"""What the gateway takes on while a service is away, and forwards in order when it is back."""

from gateway.spool.admin import SpoolAdmin
from gateway.spool.file import SpoolFile
from gateway.spool.forwarder import Forwarder
from gateway.spool.methods import SpoolableMethod, spoolable_methods
from gateway.spool.spool import Spool, SpoolFull, SpoolRule, SpoolState
from gateway.spool.spooler import CallSpooler
from gateway.spool.store import OWNERS, IdempotencyStore, SetAsideCall, SpooledCall, SpoolStore, SpoolUse, metadata
from gateway.spool.takeover import SpoolTakeover

__all__ = [
    "OWNERS",
    "CallSpooler",
    "Forwarder",
    "IdempotencyStore",
    "SetAsideCall",
    "Spool",
    "SpoolAdmin",
    "SpoolFile",
    "SpoolFull",
    "SpoolRule",
    "SpoolState",
    "SpoolStore",
    "SpoolTakeover",
    "SpoolUse",
    "SpoolableMethod",
    "SpooledCall",
    "metadata",
    "spoolable_methods",
]
