"""Matchers between protobuf and the domain."""

from collections.abc import Iterable

from scheduler_svc.domain.matchers import SilenceMatcher
from tocsin.api.scheduler.v1 import silence_service_pb2 as pb


def matchers_of(messages: Iterable[pb.SilenceMatcher]) -> tuple[SilenceMatcher, ...]:
    """The matchers of a list."""
    return tuple(SilenceMatcher(each.label, each.value, each.negate) for each in messages)


def matcher_messages(matchers: Iterable[SilenceMatcher]) -> list[pb.SilenceMatcher]:
    """The matchers as clients see them."""
    return [pb.SilenceMatcher(label=each.label, value=each.value, negate=each.negate) for each in matchers]
