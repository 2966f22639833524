"""Asks a service of this machine whether it can work: `python healthcheck.py [SERVICE]`; exit code 0 means yes.

Without a name it asks the service that process 1 runs, as in a container. The address and the certificate come from the same settings as
the service's own. A gateway is healthy when it answers: what stands behind it may be away, and it goes on.
"""

import importlib
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from tocsin.config import ConfigError, ServiceSettings, load
from tocsin.mesh.identity import Identity

SERVICES = ("gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc")
TIMEOUT_SECONDS = 8.0


def service_in(command: bytes) -> str | None:
    """The service that a command line runs, as /proc/<pid>/cmdline shows it: NUL after each argument."""
    words = command.decode(errors="replace").split("\0")
    return next((word for word in words if word in SERVICES), None)


def settings_kind(service: str) -> type[ServiceSettings]:
    """The type of the settings of ``service``."""
    module = importlib.import_module(f"{service}.config")
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, ServiceSettings) and kind.service]
    return kinds[0]


def ask_grpc(service: str, settings: ServiceSettings, *, host: str = "127.0.0.1") -> str | None:
    """What is wrong with a service of the mesh by its own account (grpc.health.v1), or None."""
    credentials = Identity.of(settings, service=service).channel_credentials()
    options = [("grpc.ssl_target_name_override", service)]
    with grpc.secure_channel(f"{host}:{settings.port}", credentials, options) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return str(error)
    serving = health_pb2.HealthCheckResponse.SERVING
    return None if answer.status == serving else health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def ask_http(url: str) -> str | None:
    """What keeps a gateway from answering, or None."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS):  # noqa: S310 - the URL is http://, made below
            return None
    except OSError as error:  # an HTTP error is one too; a gateway whose services are away answers 200 and says so in the body
        return str(error)


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code."""
    service = arguments[0] if arguments else service_in(Path("/proc/1/cmdline").read_bytes())
    if service not in SERVICES:
        print(f"healthcheck: name one of {', '.join(SERVICES)}", file=sys.stderr)
        return 2
    try:
        settings = load(settings_kind(service))
        if service == "gateway":
            problem = ask_http(f"http://127.0.0.1:{getattr(settings, 'http_port', settings.port)}/health")
        else:
            problem = ask_grpc(service, settings)
    except (ConfigError, OSError) as error:
        problem = str(error)
    if problem:
        print(f"healthcheck: {service}: {problem}", file=sys.stderr)
    return bool(problem)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
