"""Which URLs and addresses a user's request may go to."""

from ipaddress import ip_address

import pytest

from tocsin.config import ConfigError, EgressSettings, load
from tocsin.egress.addresses import AllowedTargets, why_not_public
from tocsin.egress.client import HttpAnswer
from tocsin.egress.urls import UrlRefused, parse_url, why_never

NOTHING = AllowedTargets()

FORBIDDEN = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.0.171", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.19.255.255",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1",
    "::ffff:10.1.2.3", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1ff::1",
    "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "fc00::1", "fd12:3456::1",
    "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "2a00:1450::5efe:a00:1", "2a00:1450::200:5efe:127.0.0.1",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8",
          "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255", "::ffff:8.8.4.4",
          "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1", "2a00:1450::5efe:808:808", "3ffe::1"]  # fmt: skip


@pytest.mark.parametrize("text", FORBIDDEN)
def test_an_address_that_is_not_public_is_forbidden(text: str) -> None:
    """Whatever its form, and whatever it carries inside."""
    assert why_not_public(ip_address(text), NOTHING)


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_is_not(text: str) -> None:
    """The neighbours of the blocks, too."""
    assert why_not_public(ip_address(text), NOTHING) == ""


@pytest.mark.parametrize(
    ("entry", "opened", "still_closed"),
    [
        ("10.1.0.0/16", ["10.1.2.3", "::ffff:10.1.2.3"], ["10.2.0.1", "64:ff9b::10.1.2.3"]),
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.2", "::1"]),
        ("fd00::/8", ["fd12::1"], ["fc00::1", "fd12::5efe:10.0.0.1"]),
        ("64:ff9b::/96", ["64:ff9b::8.8.8.8"], ["64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8"]),
        ("2002::/16", ["2002:808:808::1"], ["2002:a00:1::1"]),
        ("2001::/32", ["2001:0:808:808::f7f7:f7f7"], ["2001:0:808:808::f5ff:fffe"]),
    ],
)
def test_an_operator_opens_networks(entry: str, opened: list[str], still_closed: list[str]) -> None:
    """What an opened network carries inside is judged by itself."""
    allowed = AllowedTargets.parse([entry])
    assert [text for text in opened if why_not_public(ip_address(text), allowed)] == []
    assert [text for text in still_closed if not why_not_public(ip_address(text), allowed)] == []


def test_an_operator_opens_names() -> None:
    """A name means itself, with a dot before it what is below it."""
    allowed = AllowedTargets.parse(["hooks", ".corp.example", "Ntfy.Local"])
    assert [host for host in ("hooks", "HOOKS", "a.corp.example", "b.a.corp.example", "ntfy.local") if not allowed.has_name(host)] == []
    assert [host for host in ("corp.example", "xcorp.example", "a.hooks", "other") if allowed.has_name(host)] == []


@pytest.mark.parametrize("entry", ["10.1.0.0/33", "10.1.2.3/16", "a b", "http://x", "::g", "*", "10.0.0.0-10.0.0.9/8"])
def test_an_odd_entry_stops_the_start(entry: str) -> None:
    """A typing error must not open less, or more, than was meant."""
    with pytest.raises(ConfigError, match="TOCSIN_EGRESS_ALLOW"):
        load(EgressSettings, {"TOCSIN_EGRESS_ALLOW": entry})


def test_the_setting_is_a_list() -> None:
    """With commas between."""
    settings = load(EgressSettings, {"TOCSIN_EGRESS_ALLOW": "10.0.0.0/8, hooks.local"})
    assert settings.allowed_targets == AllowedTargets.parse(["10.0.0.0/8", "hooks.local"])


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "//example.com", "/path", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "http://", "http:///x",
        "http://user@example.com/", "http://user:secret@example.com/", "http://@example.com/", "http://example.com:0/",
        "http://example.com:99999/", "http://example.com:8o/", "http://exa mple.com/", "http://example.com/a b", "http://example.com/ä",
        "http://example.com/\r\nHost: x", "http://exam\nple.com/", "http://example.com/\x00", "http://example.com\\@evil.example/",
        "http://127.1/", "http://0x7f.1/", "http://0x7f000001/", "http://2130706433/", "http://017700000001/", "http://0177.0.0.1/",
        "http://1.2.3.4.5/", "http://256.1.1.1/", "http://0x/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/x", "http://[::1/", "http://[127.0.0.1]/",
        "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[::1]x/", "http://a..b/", "http://-a.example/", "http://a-.example/",
        f"http://{'a' * 64}.example/", f"http://{'a.' * 127}example/", f"http://example.com/{'a' * 2048}", " http://example.com/",
        "http://ex%61mple.com/", "http://example.com:80:80/", "http://\u202eexample.com/", "http://example.com?{x}",
    ],
)  # fmt: skip
def test_a_url_that_could_be_read_in_two_ways_is_refused(text: str) -> None:
    """Numbers in odd notations, names that only some resolvers know, user and password, breaks; the words never show it."""
    with pytest.raises(UrlRefused) as refusal:
        parse_url(text)
    assert len(text) < 9 or text not in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "whole", "authority"),
    [
        ("HTTPS://Hooks.Example.COM", "https://hooks.example.com/", "hooks.example.com"),
        ("https://hooks.example.com./x?a=b#frag", "https://hooks.example.com/x?a=b", "hooks.example.com"),
        ("https://hooks.example.com:443/", "https://hooks.example.com/", "hooks.example.com"),
        ("http://hooks.example.com:443/", "http://hooks.example.com:443/", "hooks.example.com:443"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://[2A00:1450:0::1]:8080/", "http://[2a00:1450::1]:8080/", "[2a00:1450::1]:8080"),
        ("http://[::ffff:8.8.8.8]/", "http://[::ffff:808:808]/", "[::ffff:808:808]"),
        ("http://8.8.8.8/%2e%2e/", "http://8.8.8.8/%2e%2e/", "8.8.8.8"),
        ("https://_dmarc.a_b.example/", "https://_dmarc.a_b.example/", "_dmarc.a_b.example"),
    ],
)
def test_a_good_url_is_taken_apart(text: str, whole: str, authority: str) -> None:
    """In its normal form; a fragment is for nobody but the one who wrote it."""
    url = parse_url(text)
    assert (str(url), url.authority) == (whole, authority)
    assert parse_url(whole) == url


@pytest.mark.parametrize(
    ("text", "allow", "refused"),
    [
        ("http://localhost/", (), True),
        ("http://LOCALHOST./", (), True),
        ("http://metadata/", (), True),
        ("http://metadata/", ("metadata",), False),
        ("http://[::ffff:127.0.0.1]/", (), True),
        ("http://169.254.169.254/latest", (), True),
        ("http://10.1.2.3:8080/", ("10.1.0.0/16",), False),
        ("http://8.8.8.8/", (), False),
        ("https://hooks.example.com:8443/", (), False),
        ("http://hooks.example.com:25/", (), True),
        ("http://hooks.example.com:25/", ("hooks.example.com",), False),
    ],
)
def test_what_can_never_be_reached_is_known_before(text: str, allow: tuple[str, ...], refused: bool) -> None:
    """Without asking for an address."""
    assert bool(why_never(parse_url(text), AllowedTargets.parse(allow))) is refused


NOW = "Mon, 01 Jan 2029 00:00:00 GMT"


@pytest.mark.parametrize(
    ("asked", "date", "seconds"),
    [
        ("0", "", 0.0),
        ("7", "", 7.0),
        ("1" + "0" * 12, "", 86_400.0),
        ("9" * 5000, "", 86_400.0),
        ("Mon, 01 Jan 2029 00:00:09 GMT", NOW, 9.0),
        ("Sun, 31 Dec 2028 00:00:00 GMT", NOW, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW, 86_400.0),
        ("Mon, 01 Jan 2029 00:00:09 GMT", "", None),
        *((text, NOW, None) for text in ("", "-5", "1e5", "1.5", "NaN", "٣", "soon", "Mon, 31 Feb 2029 00:00:00 GMT")),
        *((f"Mon, 01 Jan {year} 00:00:00 GMT", NOW, None) for year in ("99999", "9" * 30, "9" * 5000)),
        *((f"Mon, 01 Jan 2029 00:00:00 +{zone}", NOW, None) for zone in ("9999", "9" * 30, "9" * 5000)),
        (NOW, f"Mon, 01 Jan {'9' * 30} 00:00:00 GMT", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_how_long_a_far_end_asks_to_wait(asked: str, date: str, seconds: float | None) -> None:
    """A day at most; what says nothing, or a time of no calendar, asks for nothing."""
    assert HttpAnswer(status=503, headers={"retry-after": asked, "date": date}, body=b"").retry_after == seconds
