"""Which targets a process starts with, and what it says about the others."""

import pytest

from tocsin.mesh.client.targets import problems


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1:9001",
        "localhost:9001",
        "[::1]:9001",
        "dns:auth:9001",
        "dns:///auth.example:9001",
        "dns://8.8.8.8/auth.example:9001",
        "ipv4:127.0.0.1:1,127.0.0.2:2",
        "ipv4:///127.0.0.1:1",
        "ipv6:[::1]:1,[::2]:2",
        "unix:/run/auth.sock",
        "unix:///run/auth.sock",
        "unix-abstract:auth",
    ],
)
def test_good_targets_pass(target: str) -> None:
    """Every form that gRPC knows."""
    assert list(problems({"auth_svc": target}, {})) == []


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "is not host:port"),
        ("auth", "is not host:port"),
        ("auth:", "is no port"),
        ("auth:http", "is no port"),
        ("auth:70000", "is no port"),
        ("http://auth:80", "http is an unknown scheme"),
        ("ipv4:127.0.0.1", "is no ipv4 address with a port"),
        ("ipv4:127.0.0.1:1,auth:2", "'auth:2' is no ipv4 address"),
        ("ipv6:127.0.0.1:1", "is no ipv6 address"),
        ("unix:", "names no socket"),
        ("xds:///auth", "set GRPC_XDS_BOOTSTRAP or GRPC_XDS_BOOTSTRAP_CONFIG"),
    ],
)
def test_a_mistake_is_named_with_its_service(target: str, reason: str) -> None:
    """The line says whose target it is, what stands there, and why it cannot be."""
    (line,) = problems({"auth_svc": target}, {})
    assert line.startswith(f"the target of auth_svc, {target!r}: ")
    assert reason in line


@pytest.mark.parametrize("name", ["GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG"])
def test_xds_needs_a_control_plane(name: str) -> None:
    """With one, the target is gRPC's own affair."""
    assert list(problems({"auth_svc": "xds:///auth"}, {name: "something"})) == []
