"""Whom the gateway believes about a client's address."""

import pytest

from gateway.config import GatewaySettings
from gateway.trusted_proxies import ForwardedHeader, TrustedProxies
from tocsin.config import ConfigError, load

PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1")
PEER = "10.0.0.1"


def client(peer: str, *lines: str, header: ForwardedHeader = "x-forwarded-for", networks: tuple[str, ...] = PROXIES) -> str:
    """The address of a client whose connection comes from ``peer``, over HTTP; gRPC's metadata gives the same."""
    proxies = TrustedProxies(networks=networks, header=header)
    found = proxies.client(peer, [(header.encode(), line.encode("latin-1")) for line in lines])
    assert proxies.client(peer, [(header, line) for line in lines]) == found
    return found


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        (PEER, [], PEER),
        (PEER, ["203.0.113.9"], "203.0.113.9"),
        (PEER, ["203.0.113.9:4711"], "203.0.113.9"),
        (PEER, ["2001:db8::1"], "2001:db8::1"),
        (PEER, ["[2001:DB8::1]:4711"], "2001:db8::1"),
        (PEER, ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.1", ["203.0.113.9"], "203.0.113.9"),
        # Through named proxies alone, from the right.
        (PEER, ["203.0.113.9, 10.2.3.4"], "203.0.113.9"),
        (PEER, ["203.0.113.9 ,\t2001:db8:ffff::7", "10.2.3.4"], "203.0.113.9"),
        (PEER, ["1.2.3.4, 203.0.113.9, 10.2.3.4"], "203.0.113.9"),
        (PEER, ["1.2.3.4", "203.0.113.9"], "203.0.113.9"),
        (PEER, ["10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        # A stranger is not believed, whatever it says.
        ("203.0.113.9", ["1.2.3.4"], "203.0.113.9"),
        ("192.0.2.2", ["10.0.0.1"], "192.0.2.2"),
        # What is no address ends the reading at the proxy that wrote it.
        (PEER, ["1.2.3.4, unknown"], PEER),
        (PEER, ["1.2.3.4, "], PEER),
        (PEER, ["1.2.3.4, 10.2.3.4, _hidden, 10.2.3.5"], "10.2.3.5"),
        (PEER, ["1.2.3.4\x00"], PEER),
        (PEER, ["127.1"], PEER),
        (PEER, ["0x7f.0.0.1"], PEER),
        (PEER, ["٢٠٣.0.113.9".encode().decode("latin-1")], PEER),
        (PEER, ["9" * 70_000], PEER),
        (PEER, ["[2001:db8::1"], PEER),
        (PEER, ["203.0.113.9:471100"], PEER),
        (PEER, [", ".join(["1.2.3.4", *["10.2.3.4"] * 16])], "10.2.3.4"),
        ("", ["1.2.3.4"], ""),
        ("fe80::1%eth0", ["1.2.3.4"], "fe80::1"),
    ],
)
def test_x_forwarded_for(peer: str, lines: list[str], expected: str) -> None:
    """Only what a named proxy wrote counts."""
    assert client(peer, *lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["for=203.0.113.9"], "203.0.113.9"),
        (["For=203.0.113.9;proto=http;by=10.0.0.1"], "203.0.113.9"),
        (['proto=https; for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
        (['for="203.0.113.9:80"'], "203.0.113.9"),
        (["for=1.2.3.4", "for=203.0.113.9, for=10.2.3.4"], "203.0.113.9"),
        # RFC 7239, section 6: nodes that are no addresses.
        (["for=1.2.3.4, for=unknown"], PEER),
        (['for=1.2.3.4, for="_gazonk"'], PEER),
        # A client that begins a text does not swallow what the proxy adds behind it.
        (['for="1.2.3.4, for=203.0.113.9'], "203.0.113.9"),
        (['for=6.6.6.6;host="a,for=203.0.113.9'], "203.0.113.9"),
        # A host with a comma breaks the element of the proxy that wrote it, and nobody is found in it.
        (['for=203.0.113.9;host="a,for=6.6.6.6"'], PEER),
        (["for=1.2.3.4;for=6.6.6.6"], PEER),
        (["proto=https"], PEER),
        (["for"], PEER),
        (["for="], PEER),
        (["for=;;;"], PEER),
        (["for=203.0.113.9" + ";a=b" * 200], PEER),
        ([""], PEER),
    ],
)
def test_forwarded(lines: list[str], expected: str) -> None:
    """RFC 7239, sections 4 to 6."""
    assert client(PEER, *lines, header="forwarded") == expected


def test_without_named_proxies_nobody_is_believed() -> None:
    """The default: a gateway that is reached directly."""
    assert client(PEER, "1.2.3.4", networks=()) == PEER


def test_the_header_that_the_proxies_do_not_write_is_the_clients_own() -> None:
    """A proxy passes on what it does not know: with both read, whoever writes the other one would choose an address."""
    proxies = TrustedProxies(networks=PROXIES, header="x-forwarded-for")
    assert proxies.client(PEER, [(b"forwarded", b"for=6.6.6.6"), (b"x-forwarded-for", b"203.0.113.9")]) == "203.0.113.9"
    assert proxies.client(PEER, [(b"forwarded", b"for=6.6.6.6"), (b"x-real-ip", b"6.6.6.6")]) == PEER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOCSIN_GATEWAY_TRUSTED_PROXIES", "nginx"),
        ("TOCSIN_GATEWAY_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TOCSIN_GATEWAY_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TOCSIN_GATEWAY_FORWARDED_HEADER", "x-real-ip"),
    ],
)
def test_a_proxy_that_cannot_be_one_stops_the_start(name: str, value: str) -> None:
    """The setting is named."""
    with pytest.raises(ConfigError, match=name):
        load(GatewaySettings, {name: value})
