"""What all integration tests have in common."""

from collections.abc import Generator

import pytest

from tocsin.mesh import health


@pytest.fixture(scope="session", autouse=True)
def patient_health() -> Generator[None]:
    """A check of health may take as long as it likes: on a machine that others use as well, five seconds say nothing of a database."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(health, "_CHECK_SECONDS", 120.0)
        yield
