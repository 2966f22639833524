"""TLS towards brokers."""

import ssl
from collections.abc import Sequence

from processor_svc.brokers.spec import BrokerAddress


def tls_context(address: BrokerAddress) -> ssl.SSLContext | None:
    """Verifies the broker's name and its certificate, by the authorities of the system or those of the URL; None without TLS."""
    return ssl.create_default_context(cafile=address.ca_file or None) if address.tls else None


def tls_arguments(address: BrokerAddress) -> dict[str, object]:
    """The same as redis-py takes it."""
    if not address.tls:
        return {}
    authorities = {"ssl_ca_certs": address.ca_file} if address.ca_file else {}
    return {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True, **authorities}


def endpoints(address: BrokerAddress) -> Sequence[str]:
    """``host:port`` of each host; an IPv6 address in brackets."""
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in address.hosts]
