"""What the gateway takes on while a service is away, and forwards in order when it is back."""

from gateway.spool.forwarder import Forwarder
from gateway.spool.keeper import CallKeeper
from gateway.spool.spool import Spool, SpoolFull
from gateway.spool.stamps import Stamp, stamps
from gateway.spool.store import Entry, SpoolStore, metadata

__all__ = ["CallKeeper", "Entry", "Forwarder", "Spool", "SpoolFull", "SpoolStore", "Stamp", "metadata", "stamps"]
