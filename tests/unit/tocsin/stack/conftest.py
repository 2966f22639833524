"""Plans and runs stacks of fake services."""

import asyncio
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.unit.tocsin.stack.support import FAKE, REPOSITORY, Running
from tocsin.stack.commands import Stack, stack_of
from tocsin.stack.layout import SERVICES


@pytest.fixture
def make_stack(tmp_path: Path) -> Callable[..., Stack]:
    """Plans a stack of fake services on free ports."""
    program = tmp_path / "fake.py"
    program.write_text(textwrap.dedent(FAKE), encoding="utf-8")

    def make(**modes: str) -> Stack:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "FAKE_TRACE": str(tmp_path / "trace")}
        env.update({f"FAKE_{name.upper()}": mode for name, mode in modes.items()})
        programs = {name: (sys.executable, "-S", str(program), name) for name in SERVICES}
        return stack_of(state=tmp_path / "var", base=0, env=env, programs=programs)

    return make


@pytest.fixture
async def run(make_stack: Callable[..., Stack]) -> AsyncIterator[Callable[..., Running]]:
    """Runs stacks of fake services, and stops them at the end."""
    started: list[Running] = []

    def begin(**modes: str) -> Running:
        started.append(Running(make_stack(**modes)))
        return started[-1]

    yield begin
    for running in started:
        if not running.task.done():
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)
