"""What a gRPC target may look like, so that a mistake is told at the start and not by calls that fail.

Source: gRPC Name Resolution (doc/naming.md), and for xds gRFC A27.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final

_ADDRESSES: Final = {"ipv4": ipaddress.IPv4Address, "ipv6": ipaddress.IPv6Address}
_PATHS: Final = ("unix", "unix-abstract")
BOOTSTRAP: Final = ("GRPC_XDS_BOOTSTRAP", "GRPC_XDS_BOOTSTRAP_CONFIG")
"""The environment variables that tell gRPC where its xDS control plane is: a file, or its content."""


def problems(targets: Mapping[str, str], env: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the targets, by service name; each line names the service and the reason."""
    for service, target in targets.items():
        reason = _problem(target, env)
        if reason:
            yield f"the target of {service}, {target!r}: {reason}"


def fixed_endpoints(target: str) -> list[str] | None:
    """The addresses that a target names itself, in order; None when its name has to be resolved."""
    scheme, separator, rest = target.partition(":")
    if separator and scheme in _ADDRESSES:
        return sorted({part.strip() for part in rest.removeprefix("//").lstrip("/").split(",") if part.strip()})
    if separator and scheme in (*_PATHS, "xds"):
        return [target]
    name = target.removeprefix("dns:").rpartition("/")[2]
    host = name.rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None
    return [name]


def canonical(target: str) -> str:
    """The URI of a target: gRPC reads one without a scheme as a name to resolve."""
    scheme, separator, rest = target.partition(":")
    known = separator and (rest.startswith("//") or scheme in (*_ADDRESSES, *_PATHS, "dns", "xds"))
    return target if known else f"dns:///{target}"


def resolved_name(target: str) -> str:
    """The host name of a target that has to be resolved, for which its certificates are whatever address is dialled; else empty."""
    return "" if fixed_endpoints(target) is not None else target.removeprefix("dns:").rpartition("/")[2].rpartition(":")[0]


def _problem(target: str, env: Mapping[str, str]) -> str:
    scheme, separator, rest = target.partition(":")
    if separator and scheme in _ADDRESSES:
        return next((reason for part in rest.removeprefix("//").lstrip("/").split(",") if (reason := _address(scheme, part))), "")
    if separator and scheme in _PATHS:
        return "" if rest else "it names no socket"
    if separator and scheme == "xds":
        return "" if any(env.get(name) for name in BOOTSTRAP) else f"xds needs a control plane: set {' or '.join(BOOTSTRAP)}"
    if "://" in target and scheme != "dns":
        return f"{scheme} is an unknown scheme; use dns, ipv4, ipv6, unix, unix-abstract and xds"
    return _name(target.removeprefix("dns:").rpartition("/")[2])


def _address(scheme: str, part: str) -> str:
    host, _, port = part.strip().rpartition(":")
    try:
        _ADDRESSES[scheme](host.strip("[]"))
    except ValueError:
        return f"{part.strip()!r} is no {scheme} address with a port"
    return _port(port)


def _name(text: str) -> str:
    host, separator, port = text.rpartition(":")
    return _port(port) if separator and host else f"{text!r} is not host:port"


def _port(text: str) -> str:
    return "" if text.isascii() and text.isdigit() and 0 < int(text) <= 65535 else f"{text!r} is no port"
