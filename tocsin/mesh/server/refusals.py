"""What the callers of calls that are refused for load are told, before the messages of those are read."""

from typing import Final

from tocsin.errors import ResourceExhausted
from tocsin.mesh import status
from tocsin.mesh.server.acceptor import Refusal
from tocsin.mesh.shedding import RETRY_SECONDS, DependencyOverloaded, Overloaded


def _told(error: ResourceExhausted) -> Refusal:
    return Refusal(status.number_of(error), error.message, status.trailing_metadata(error))


OVERLOADED: Final = _told(Overloaded(retry_after=RETRY_SECONDS))
DEPENDENCY_OVERLOADED: Final = _told(DependencyOverloaded(retry_after=RETRY_SECONDS))
