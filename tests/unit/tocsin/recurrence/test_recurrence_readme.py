"""The examples of the README."""

import doctest
from pathlib import Path

import tocsin.recurrence

_README = Path(tocsin.recurrence.__file__).with_name("README.md")


def test_the_examples_say_what_is_so() -> None:
    """Each is run, and answers what stands there."""
    found = doctest.testfile(str(_README), module_relative=False)
    assert found.attempted >= 10
    assert found.failed == 0
