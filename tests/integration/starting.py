"""How tests start a service: without the waits of a real stop, and on tables that are there already."""

from pathlib import Path
from typing import TypeVar

from tests.databases import prepare_file
from tocsin.config import ServiceSettings

Settings = TypeVar("Settings", bound=ServiceSettings)


def no_lame_duck(settings: Settings) -> Settings:
    """``settings`` that stop at once, unless a test asked for a lame duck: no caller has to be told to move on.

    They do not let that time fall to zero themselves.
    """
    return settings if "drain_seconds" in settings.model_fields_set else settings.model_copy(update={"drain_seconds": 0.0})


async def prepare_state(folder: Path, service: str) -> None:
    """Puts the SQLite file of ``service`` into its state folder, unless there is one already."""
    await prepare_file(folder / ("gateway-spool.db" if service == "gateway" else f"{service}.db"), service)
