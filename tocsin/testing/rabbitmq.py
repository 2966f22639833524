"""A private RabbitMQ for tests: Debian's, or one on PATH, run by whoever runs the tests."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tocsin.testing.process import MissingServer, ServerProcess, accepts, free_port

INSTALL = "apt-get install --yes --no-install-recommends rabbitmq-server"
_PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_HELLO = b"AMQP\x00\x07\x07\x07"


class RabbitServer(ServerProcess):
    """One broker on 127.0.0.1, with the user guest, whose queues and messages outlive a kill."""

    def __init__(self) -> None:
        """Finds the program.

        Raises:
            MissingServer: there is none.
        """
        self._program = _find()
        super().__init__(prefix="rabbitmq", start_seconds=90.0)
        self._distribution, self._names = free_port(), free_port()
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nlog.console.level = warning\n"
            "vm_memory_high_watermark.relative = 0.9\ndisk_free_limit.absolute = 10MB\n",
            encoding="utf-8",
        )
        (self.folder / "plugins").write_text("[].\n", encoding="utf-8")

    @property
    def url(self) -> str:
        """Its URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """The command line that runs the broker in the foreground; `env` gives it a folder and a name of its own."""
        folder = self.folder
        words = {
            "HOME": folder,
            "RABBITMQ_NODENAME": f"tocsin{self.port}@localhost",
            "RABBITMQ_DIST_PORT": self._distribution,
            "RABBITMQ_MNESIA_BASE": folder / "data",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "plugins",
            "RABBITMQ_PID_FILE": folder / "pid",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._names,
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +A 4",
        }
        return ["env", *(f"{name}={value}" for name, value in words.items()), str(self._program)]

    def answers(self) -> bool:
        """Whether it takes connections: to a version of the protocol that nobody knows it answers with its own."""
        return accepts(self.port, _HELLO, b"AMQP")

    def _end(self, how: signal.Signals) -> None:
        """Ends the script and the machine that it runs, which are a session of their own."""
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
        super()._end(how)

    def close(self) -> None:
        """Ends the broker, and the daemon of names that it began."""
        super().close()
        epmd = shutil.which("epmd")
        if epmd is not None:
            subprocess.run([epmd, "-port", str(self._names), "-kill"], capture_output=True, check=False)


def _find() -> Path:
    on_path = shutil.which("rabbitmq-server")
    if _PROGRAM.exists():
        return _PROGRAM
    if on_path is None:
        raise MissingServer(f"rabbitmq-server is not installed; install it with: {INSTALL}")
    return Path(on_path)
