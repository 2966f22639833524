"""Fixtures that unit tests share."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.gateway.contracts import CODECS, converted_by


@pytest.fixture(scope="module", params=CODECS)
def each_codec(request: Any) -> Iterator[None]:
    """Runs the tests of a module once for each library that converts JSON."""
    with converted_by(request.param):
        yield
