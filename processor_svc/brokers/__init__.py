"""Brokers: messages that go to them, and messages that come from them and become events."""

from processor_svc.brokers.kinds import reserved_headers, source_of
from processor_svc.brokers.messages import BrokerAway, BrokerMessage, MessageRefused, Publisher, SourceMessage, SourceStream
from processor_svc.brokers.pool import Brokers
from processor_svc.brokers.reader import SourceReader
from processor_svc.brokers.spec import BrokerSpec, SourceSpec, parse_brokers, parse_sources

__all__ = [
    "BrokerAway",
    "BrokerMessage",
    "BrokerSpec",
    "Brokers",
    "MessageRefused",
    "Publisher",
    "SourceMessage",
    "SourceReader",
    "SourceSpec",
    "SourceStream",
    "parse_brokers",
    "parse_sources",
    "reserved_headers",
    "source_of",
]
