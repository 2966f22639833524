"""A RabbitMQ, and running neighbours."""

from collections.abc import Generator

import pytest

from tests.integration.processor.conftest import neighbours
from tocsin.testing.rabbitmq import RabbitServer

__all__ = ["neighbours"]


@pytest.fixture(scope="module")
def rabbit() -> Generator[RabbitServer]:
    """One broker for all tests, for it takes ten seconds to start."""
    server = RabbitServer()
    server.start()
    yield server
    server.close()
