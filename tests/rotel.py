"""Rotel: a collector of traces that somebody else has written, as a child process."""

from pathlib import Path

from tocsin.testing.process import ServerProcess, accepts, free_port, missing, packaged


class Rotel(ServerProcess):
    """Takes spans by OTLP/gRPC and OTLP/HTTP, and sends them on by OTLP to where they can be read."""

    def __init__(self, *, onwards: str) -> None:
        """Finds the program.

        Args:
            onwards: the endpoint that it sends spans to.

        Raises:
            MissingServer: there is none.
        """
        found: list[Path] = packaged("rotel", "rotel-agent")
        if not found:
            raise missing("rotel-agent", "rotel")
        super().__init__(prefix="rotel")
        self._program = found[0]
        self._onwards = onwards
        self._http_port = free_port()

    @property
    def endpoint(self) -> str:
        """Its OTLP/gRPC endpoint."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def http_endpoint(self) -> str:
        """Its OTLP/HTTP endpoint."""
        return f"http://127.0.0.1:{self._http_port}"

    def command(self) -> list[str]:
        """The command line that runs it in the foreground."""
        options = {
            "otlp-grpc-endpoint": f"127.0.0.1:{self.port}",
            "otlp-http-endpoint": f"127.0.0.1:{self._http_port}",
            "otlp-exporter-endpoint": self._onwards,
            "otlp-exporter-retry-initial-backoff": "100ms",
            "pid-file": str(self.folder / "pid"),
        }
        return [str(self._program), "start", *(word for name, value in options.items() for word in (f"--{name}", value))]

    def answers(self) -> bool:
        """Whether it takes connections."""
        return accepts(self.port) and accepts(self._http_port)
