"""Brokers and sources as the operator writes them, and which destinations they let a tenant have."""

import pytest

from processor_svc.brokers import parse_brokers, parse_sources
from processor_svc.config import ProcessorSettings
from tocsin.config import ConfigError, load

SOURCE = "tenant=t1&event=orders.paid"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("redis://h/0", "item 1 must be name=url"),
        ("Orders=redis://h", "item 1 must be name=url"),
        ("a=redis://h a=redis://h", "a is named twice"),
        ("a=http://h", "must begin with redis://"),
        ("a=redis://", "must name a host"),
        ("a=redis://h:0x1", "must name a host"),
        ("a=redis://h:99999", "must name a host"),
        ("a=redis://h/x", "number of the database"),
        ("a=redis://h/0/1", "too many parts"),
        ("a=redis://h1,h2", "only kafka:// takes several"),
        ("a=kafka://h/topic", "too many parts"),
        ("a=redis://h?maxlen=0", "maxlen must be a whole number"),
        ("a=redis://h?maxlen=-1", "maxlen must be a whole number"),
        ("a=amqp://h?maxlen=5", "no option 'maxlen'"),
        ("a=redis://h?size=1", "no option 'size'"),
        ("a=redis://h?prefix=a&prefix=b", "given twice"),
        ("a=redis://h?prefix", "option=value"),
        ("a=redis://h?prefix={user}.", "prefix must be"),
        ("a=kafka://u:p@h?sasl=GSSAPI", "sasl must be one of"),
        ("a=redis://[::1", "malformed"),
    ],
)
def test_a_broker_that_is_none_is_told_without_its_url(text: str, words: str) -> None:
    """By its name or its place, for the URL may hold a password."""
    with pytest.raises(ValueError, match=words) as refused:
        parse_brokers(text)
    assert "://h" not in f"{refused.value}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"a=redis://h/0?{SOURCE}", None),
        ("a=redis://h/orders?event=orders.paid", "tenant must be given"),
        ("a=redis://h/orders?tenant=t1", "event must be given"),
        ("a=redis://h/orders?tenant=t1&event=a..b", "event must be given"),
        (f"a=redis://h?{SOURCE}", "path must end with"),
        (f"a=redis://h/tocsin:x?{SOURCE}", "Tocsin's own"),
        (f"a=kafka://h/a:b?{SOURCE}", "topic must be"),
        (f"a=redis://h/orders?{SOURCE}&group=", "group and id must be names"),
        (f"a=redis://h/orders?{SOURCE}&claim=0", "claim must be"),
        (f"a=amqp://h/a/b/c?{SOURCE}", "too many parts"),
    ],
)
def test_a_source_that_is_none_is_told(text: str, words: str | None) -> None:
    """A stream may be named like a number; what is missing is named."""
    if words is None:
        assert parse_sources(text)[0].queue == "0"
        return
    with pytest.raises(ValueError, match=words):
        parse_sources(text)


def test_the_parts_of_a_url() -> None:
    """Hosts, credentials, the virtual host, options; nothing secret in what is printed."""
    brokers = parse_brokers("k=kafkas://us%40er:p%2Fw@h1,h2:9193?sasl=SCRAM-SHA-512&ca=/ca.pem  r=amqp://h/%2Fv?tenants=t1,t2")
    kafka, rabbit = brokers["k"].address, brokers["r"]
    assert (kafka.hosts, kafka.username, kafka.password) == ([("h1", 9093), ("h2", 9193)], "us@er", "p/w")
    assert (kafka.sasl, kafka.ca_file, kafka.tls) == ("SCRAM-SHA-512", "/ca.pem", True)
    assert (rabbit.address.path, rabbit.tenants, rabbit.prefix) == (["/v"], {"t1", "t2"}, "")
    assert "p/w" not in f"{brokers}"
    (source,) = parse_sources(f"o=redis://h/2/orders?{SOURCE}&group=g&id=order")
    assert (source.queue, source.dead, source.group, source.identity, source.address.path) == (
        "orders",
        "orders.dead",
        "g",
        "order",
        ["2", "orders"],
    )


@pytest.mark.parametrize(
    ("options", "tenant", "to", "exchange", "field"),
    [
        ("", "t1", "t1.orders", "", None),
        ("", "t1", "orders", "", "to"),
        ("", "t1", "t2.orders", "", "to"),
        ("", "", "orders", "", None),
        ("?tenants=t1", "t1", "orders", "", None),
        ("?tenants=t1", "t2", "orders", "", "broker"),
        ("?prefix=", "t2", "orders", "", None),
        ("?prefix=x.", "t2", "orders", "", "to"),
        ("?prefix=x.", "", "orders", "", "to"),
        ("?prefix=", "t1", "tocsin:events:x", "", "to"),
        ("?prefix=", "t1", "orders", "ex", "exchange"),
    ],
)
def test_what_a_tenant_may_write_to(options: str, tenant: str, to: str, exchange: str, field: str | None) -> None:
    """Without a word of the operator a tenant has what begins with its id; never what is Tocsin's own."""
    refusal = parse_brokers(f"a=redis://h{options}")["a"].refusal(tenant, to=to, exchange=exchange)
    assert (refusal[0] if refusal else None) == field


@pytest.mark.parametrize(("exchange", "field"), [("t1.ex", None), ("amq.topic", "exchange")])
def test_the_rule_on_names_is_of_the_exchange_when_there_is_one(exchange: str, field: str | None) -> None:
    """A routing key may be anything then."""
    refusal = parse_brokers("a=amqp://h")["a"].refusal("t1", to="anything", exchange=exchange)
    assert (refusal[0] if refusal else None) == field


def test_a_setting_that_is_wrong_stops_the_start_without_its_password() -> None:
    """The line names the variable."""
    with pytest.raises(ConfigError) as refused:
        load(ProcessorSettings, {"TOCSIN_PROCESSOR_BROKERS": "a=redis://u:secret@h/x", "TOCSIN_PROCESSOR_SOURCES": "b=amqp://u:secret@h"})
    assert "TOCSIN_PROCESSOR_BROKERS: a: the path must begin" in refused.value.message
    assert "TOCSIN_PROCESSOR_SOURCES: b: tenant must be given" in refused.value.message
    assert "secret" not in refused.value.message


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs it."""
    monkeypatch.setattr("processor_svc.brokers.spec.find_spec", lambda name: None)
    for url, extra in (("amqp://h", "rabbitmq"), ("kafka://h", "kafka")):
        with pytest.raises(ValueError, match=rf"pip install 'tocsin\[{extra}\]'"):
            parse_brokers(f"a={url}")
    assert parse_brokers("a=redis://h")
