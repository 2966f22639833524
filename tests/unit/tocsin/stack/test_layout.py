"""Ports, environments and addresses of a stack."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.config import ConfigError
from tocsin.stack.layout import Layout, plan, ports_in_use


def ports(layout: Layout) -> dict[tuple[str, str], int]:
    """Every port by service and kind."""
    return {(port.service, port.kind): port.number for port in layout.ports}


def test_the_usual_ports() -> None:
    """HTTP 8000, edge 8001, services 9001 to 9004, metrics 9100 to 9104."""
    assert ports(plan(state=Path("var"), base=None, env={})) == {
        ("gateway", "http"): 8000,
        ("gateway", "grpc"): 8001,
        ("auth_svc", "grpc"): 9001,
        ("scheduler_svc", "grpc"): 9002,
        ("processor_svc", "grpc"): 9003,
        ("mailer_svc", "grpc"): 9004,
        ("gateway", "metrics"): 9100,
        ("auth_svc", "metrics"): 9101,
        ("scheduler_svc", "metrics"): 9102,
        ("processor_svc", "metrics"): 9103,
        ("mailer_svc", "metrics"): 9104,
    }


@given(st.integers(min_value=1, max_value=65535 - 24))
def test_a_base_moves_all_ports_together(base: int) -> None:
    """N, N+1, N+11 to N+14, N+20 to N+24; it goes before the environment."""
    layout = plan(state=Path("var"), base=base, env={"TOCSIN_AUTH_PORT": "7"})
    assert sorted(port.number - base for port in layout.ports) == [0, 1, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert layout.http_url == f"http://127.0.0.1:{base}"
    assert layout.address("mailer_svc") == f"127.0.0.1:{base + 14}"


def test_base_zero_takes_free_ports_below_the_ephemeral_range() -> None:
    """A restarted service finds its port again: no outgoing connection can have taken it."""
    layout = plan(state=Path("var"), base=0, env={})
    numbers = [port.number for port in layout.ports]
    assert len(set(numbers)) == 11
    assert all(20_000 <= number < 32_000 for number in numbers)
    assert ports_in_use(layout) == []


def test_the_environment_moves_single_ports() -> None:
    """The user's own settings win over the usual ports."""
    layout = plan(state=Path("var"), base=None, env={"TOCSIN_GATEWAY_HTTP_PORT": "8080", "TOCSIN_SCHEDULER_METRICS_PORT": "7000"})
    assert layout.http_url == "http://127.0.0.1:8080"
    assert layout.metrics_url("scheduler_svc") == "http://127.0.0.1:7000/metrics"


@pytest.mark.parametrize(
    ("base", "env", "words"),
    [
        (None, {"TOCSIN_AUTH_PORT": "x"}, "TOCSIN_AUTH_PORT: must be a port number (got 'x')"),
        (None, {"TOCSIN_AUTH_PORT": "-1"}, "TOCSIN_AUTH_PORT: must be a port number"),
        (None, {"TOCSIN_AUTH_PORT": "70000"}, "TOCSIN_AUTH_PORT: port 70000 is not between 0 and 65535"),
        (65520, {}, "--port-base 65520: must be a port between 0 and 65511"),
        (-5, {}, "--port-base -5: must be a port"),
        (None, {"TOCSIN_AUTH_PORT": "9002"}, "scheduler_svc (gRPC) and auth_svc (gRPC) (TOCSIN_AUTH_PORT) both use port 9002"),
    ],
)
def test_ports_that_cannot_be_are_refused(base: int | None, env: Mapping[str, str], words: str) -> None:
    """Before anything starts, by the name of the flag or the setting."""
    with pytest.raises(ConfigError) as caught:
        plan(state=Path("var"), base=base, env=env)
    assert words in str(caught.value)


def test_a_port_in_use_names_who_needs_it_and_what_moves_it() -> None:
    """The person can act on the message."""
    layout = plan(state=Path("var"), base=0, env={})
    port = next(port for port in layout.ports if (port.service, port.kind) == ("scheduler_svc", "grpc"))
    with socket.create_server(("127.0.0.1", port.number)):
        assert ports_in_use(layout) == [
            f"port {port.number} is in use: scheduler_svc (gRPC) needs it; set TOCSIN_SCHEDULER_PORT or --port-base"
        ]


def test_the_environment_of_a_child() -> None:
    """The user's settings pass through and win, the client's and other services' do not pass, the ports and the folder are the stack's."""
    layout = plan(state=Path("var"), base=100, env={})
    user = {
        "HOME": "/h",
        "TOCSIN_CLIENT_API_KEY": "k",
        "TOCSIN_DRAIN_SECONDS": "9",
        "TOCSIN_MAILER_SMTP_PASSWORD": "secret",
        "tocsin_mailer_smtp_host": "mx",
        "TOCSIN_MAILER_TARGET": "dns:///mailer:1",
        "TOCSIN_DATABASE_URL": "postgresql://ann:secret@db/tocsin",
        "TOCSIN_AUTH_PORT": "7",
    }
    env = layout.environment("auth_svc", user)
    assert env["HOME"] == "/h"
    assert "TOCSIN_CLIENT_API_KEY" not in env
    assert env["TOCSIN_DRAIN_SECONDS"] == "9"
    assert env["TOCSIN_PUBLIC_URL"] == "http://127.0.0.1:100", "links in messages lead to this machine, unless the user knows better"
    assert layout.environment("auth_svc", {"TOCSIN_PUBLIC_URL": "https://a.example"})["TOCSIN_PUBLIC_URL"] == "https://a.example"
    assert not {"TOCSIN_MAILER_SMTP_PASSWORD", "tocsin_mailer_smtp_host"} & set(env)
    assert {"TOCSIN_MAILER_SMTP_PASSWORD", "tocsin_mailer_smtp_host"} <= set(layout.environment("mailer_svc", user))
    assert env["TOCSIN_MAILER_TARGET"] == "dns:///mailer:1", "where another service is, is no secret"
    assert "TOCSIN_DATABASE_URL" in env
    assert "TOCSIN_DATABASE_URL" not in layout.environment("gateway", user)
    assert (env["TOCSIN_AUTH_PORT"], env["TOCSIN_AUTH_METRICS_PORT"]) == ("111", "121")
    assert env["TOCSIN_SCHEDULER_TARGET"] == "127.0.0.1:112"
    assert env["TOCSIN_STATE_DIR"] == str(Path("var").resolve())


@pytest.mark.parametrize(
    ("user", "cache"),
    [
        ({"HOME": "/home/ann"}, "/home/ann/.cache/tocsin/pycache"),
        ({"HOME": "/home/ann", "XDG_CACHE_HOME": "/cache"}, "/cache/tocsin/pycache"),
        ({}, str(Path("var").resolve() / "pycache")),
    ],
)
def test_compiled_code_is_cached_where_the_source_tree_must_stay_clean(user: dict[str, str], cache: str) -> None:
    """PYTHONDONTWRITEBYTECODE would make every restart compile every library."""
    layout = plan(state=Path("var"), base=100, env={})
    env = layout.environment("auth_svc", {"PYTHONDONTWRITEBYTECODE": "1", **user})
    assert "PYTHONDONTWRITEBYTECODE" not in env
    assert env["PYTHONPYCACHEPREFIX"] == cache
    assert "PYTHONPYCACHEPREFIX" not in layout.environment("auth_svc", user)


@pytest.mark.parametrize(("host", "reached"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")])
def test_addresses_are_reachable_whatever_the_host_is(host: str, reached: str) -> None:
    """A wildcard is for listening, not for connecting."""
    assert plan(state=Path("var"), base=100, env={"TOCSIN_HOST": host}).http_url == f"http://{reached}:100"
