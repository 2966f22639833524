"""What comes from outside: the implementation of `scheduler_svc.service.signals.SignalStore`."""

from scheduler_svc.store.events import EventStore
from scheduler_svc.store.inbound import InboundLog
from scheduler_svc.store.pings import PingStore
from scheduler_svc.store.readings import ReadingStore


class SqlSignalStore(EventStore, ReadingStore, PingStore, InboundLog):
    """Events, readings and pings, and the log of them."""
