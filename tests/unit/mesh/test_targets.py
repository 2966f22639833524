"""Which targets a process starts with, and what it says about the others."""

import pytest

from tocsin.mesh.client.endpoints import NotResolved, ServiceEndpoints
from tocsin.mesh.client.targets import dialled, fixed_endpoints, parts, problems


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
        "auth:9001;zone=eu-central-1a",
        "auth.a:9001;zone=a,auth.b:9001;zone=b",
        "dns:///auth.a:9001;zone=a, dns:///auth:9001",
        "ipv4:127.0.0.1:1;zone=a,127.0.0.2:2;zone=b",
        "ipv6:[::1]:1;zone=a,[::2]:2",
        "auth:1;version=1,auth-new:1;version=2.0-rc_1;zone=a",
        "unix:/run/a;zone=b",
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
        ("auth:1;zone=", "the zone '' is no name: letters"),
        ("auth:1;zone=a b", "the zone 'a b' is no name"),
        ("auth:1;zone=a\n;zone=b", "is no name"),
        ("auth:1;zone=\u00fc", "is no name"),
        ("auth:1;zone=-a", "is no name"),
        (f"auth:1;zone={'a' * 64}", "63 at most"),
        ("auth:1;zone=a;zone=b", "the zone 'b' is given twice"),
        ("auth:1;version=v 2", "the version 'v 2' is no name"),
        ("auth:1;Zone=a", "'Zone=a' is no label; there is zone=NAME and version=NAME"),
        ("auth:1;", "'' is no label"),
        ("auth:1,", "'' is not host:port"),
        ("auth:1;zone=a,auth:1;zone=b", "'auth:1' stands there twice, with different labels"),
        ("auth:1;zone=a,unix:/run/auth", "'unix:/run/auth' cannot stand in a list"),
        ("ipv4:127.0.0.1:1;zone=a,auth:2;zone=b", "'auth:2' is no ipv4 address"),
        ("auth:1;zone=a,auth;zone=b", "'auth' is not host:port"),
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


def test_a_list_names_the_zone_of_each_address() -> None:
    """gRPC's own target is the whole list where gRPC has lists."""
    found = ServiceEndpoints(service="auth_svc", target="ipv4:127.0.0.2:2;zone=b, 127.0.0.1:1;zone=a,127.0.0.3:3")
    assert (found.fixed, found.whole) == (["127.0.0.1:1", "127.0.0.2:2", "127.0.0.3:3"], True)
    assert found.dialled == found.uri == "ipv4:127.0.0.2:2,127.0.0.1:1,127.0.0.3:3"
    assert [found.labels[each].zone for each in found.fixed or ()] == ["a", "b", ""]
    assert found.zones == {"a", "b"}


def test_targets_without_labels_are_grpcs_as_before() -> None:
    """One part each, dialled as it is."""
    for target in ("localhost:1", "ipv4:127.0.0.1:1,127.0.0.2:2", "unix:/run/a,b;c", "dns://8.8.8.8/auth:1", "xds:///auth"):
        assert [part.target for part in parts(target)] == [target]
        assert dialled(target) == target
    assert fixed_endpoints("unix:/run/a;zone=b") == ["unix:/run/a;zone=b"]


async def test_names_of_a_list_are_resolved_each_and_the_last_one_wins() -> None:
    """An address in two of them has the labels of both; a name that nobody has stands for none."""
    found = ServiceEndpoints(
        service="auth_svc", target="localhost:1;zone=a;version=2,127.0.0.1:1;zone=b,nobody.invalid:2;zone=c,127.0.0.9:1"
    )
    assert found.fixed is None
    assert not found.whole
    known = await found.resolve()
    assert {"127.0.0.1:1", "127.0.0.9:1"} <= set(known)
    assert (found.labels["127.0.0.1:1"].version, found.versions) == ("2", {"2"})
    assert (found.labels["127.0.0.1:1"].zone, found.labels["127.0.0.9:1"].zone) == ("b", "")
    assert (found.dialled, found.server_name("127.0.0.9:1")) == ("localhost:1", "localhost")


async def test_a_list_of_which_no_name_is_known_is_not_resolved() -> None:
    """As a single one."""
    with pytest.raises(NotResolved, match="cannot be resolved"):
        await ServiceEndpoints(service="auth_svc", target="one.invalid:1;zone=a,two.invalid:1").resolve()
