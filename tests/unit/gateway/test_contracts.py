"""Files of operators: descriptor sets and policies, and everything that may be wrong with them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from gateway.config import GatewaySettings
from gateway.contracts.conflicts import overlap
from gateway.contracts.files import ContractRefused, checked
from gateway.contracts.mounts import Mounts, load_mounts
from gateway.contracts.policies import parse_policies
from gateway.transcoding.template import parse
from tests.unit.gateway.contracts import contract, descriptor_set
from tocsin.api.mesh.v1 import policy_pb2
from tocsin.config import ConfigError, load

FILE = "billing/v1/billing.proto"
WHO = "methods: {billing.v1.Invoices: {scope: 'a:b'}}"


def changed(change: Callable[[descriptor_pb2.FileDescriptorSet, descriptor_pb2.FileDescriptorProto], object]) -> bytes:
    """The descriptor set of the service with a change made to it, and to its own file."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set(FILE))
    change(files, next(file for file in files.file if file.name == FILE))
    return files.SerializeToString()


def settings_of(folder: Path, **values: Any) -> GatewaySettings:
    """Settings of a gateway whose state is in ``folder``."""
    given: dict[str, Any] = {"state_dir": folder, **values}
    return GatewaySettings(**given)


def mounts(folder: Path, policies: str = WHO, *, contents: bytes | None = None, name: str = "billing.binpb", target: str = "h:1") -> Mounts:
    """What the two files mean."""
    (folder / name).write_bytes(descriptor_set(FILE) if contents is None else contents)
    (folder / "policies.yaml").write_text(policies)
    settings = settings_of(folder, contracts=(f"{folder / name}@{target}",), policies=folder / "policies.yaml")
    return load_mounts(settings, own=contract)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no descriptor set"),
        (b"syntax = 'proto3';", "no descriptor set"),
        (b"\x1f\x8b\x08\x00", "not compressed"),
        (b"\x00" * 100, "no descriptor set"),
        (changed(lambda files, own: files.file.remove(files.file[0])), "which it imports; make it with --include_imports"),
        (changed(lambda files, own: files.file.add().CopyFrom(own)), f"has {FILE} twice"),
        (changed(lambda files, own: setattr(own, "syntax", "proto4")), "syntax 'proto4'"),
        (changed(lambda files, own: (setattr(own, "syntax", "editions"), setattr(own, "edition", 99997))), "edition that is not known"),
        (changed(lambda files, own: own.message_type.add(name="Invoice")), "does not hold together"),
        (changed(lambda files, own: own.message_type[0].field.add(name="x", number=1, type=9, label=1)), "does not hold together"),
        (changed(lambda files, own: setattr(own.service[0].method[0], "input_type", ".nobody.Knows")), "does not hold together"),
        (changed(lambda files, own: own.dependency.append(FILE)), "in a circle"),
        (changed(lambda files, own: own.ClearField("service")), "has no service"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",
)
def test_a_file_that_is_no_contract_is_refused(raw: bytes, reason: str) -> None:
    """The reason tells what is wrong, and how to make a good one."""
    with pytest.raises(ContractRefused, match=reason):
        checked(raw)


@pytest.mark.parametrize("syntax", ["proto2", "editions"])
def test_other_syntaxes_are_served(tmp_path: Path, syntax: str) -> None:
    """proto2 and the editions that protobuf knows are contracts like any other."""

    def change(files: descriptor_pb2.FileDescriptorSet, own: descriptor_pb2.FileDescriptorProto) -> None:
        own.syntax = syntax
        if syntax == "editions":
            own.edition = descriptor_pb2.EDITION_2023

    assert len(mounts(tmp_path, contents=changed(change)).methods) == 15


def test_files_in_any_order_are_put_in_order() -> None:
    """Some compilers write a file before those that it imports."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set(FILE))
    files.file.reverse()
    assert len(checked(files.SerializeToString()).file) == len(files.file)


def test_options_with_our_numbers_are_not_ours(tmp_path: Path) -> None:
    """Another team may use the numbers of our options for its own; only our file makes them ours."""

    def change(files: descriptor_pb2.FileDescriptorSet, own: descriptor_pb2.FileDescriptorProto) -> None:
        own.service[0].method[0].options.Extensions[policy_pb2.policy].public = True

    with pytest.raises(ConfigError, match="GetInvoice: who may call it"):
        mounts(tmp_path, "", contents=changed(change))


@pytest.mark.parametrize(
    ("policies", "reason"),
    [
        ("", "/billing.v1.Invoices/GetInvoice: who may call it?"),
        ("methods: {x: {scope: 'a:b'}}", "methods.x: it matches no method"),
        ("methods: {billing.v1.Invoices: {scope: everything}}", "methods.billing.v1.Invoices.scope"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', deadline: 5s}}", "deadline: there is no such key"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', timeout: soon}}", "timeout: must be a duration such as"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', timeout: 0}}", "timeout: Input should be greater than 0"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', timeout: 9999d}}", "timeout: Input should be less than"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', rate_class: slow}}", "there is no rate class 'slow'; known are"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', retry: {max_attempts: 99}}}", "retry.max_attempts"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', retry: {initial_backoff: 9s, max_backoff: 1s}}}", "initial_backoff must be"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', http: {status: 404}}}", "http.status"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', public: 'yes'}}", "public: Input should be a valid boolean"),
        ("methods: {billing.v1.Invoices: {scope: 'a:b', public: true}}", "public excludes a scope"),
        ("methods: {billing.v1.Invoices: {exposed: false}}", "none of its methods is served"),
        ("methods: []", "methods: Input should be a valid dictionary"),
        ("- methods", "the file: Input should be a valid dictionary"),
        ("methods: {a: {}, a: {}}", "given twice: a"),
        ("a: &x 1\nb: *x", "aliases"),
        ("methods: {a: [", "not YAML"),
        ("[" * 5000, "not YAML"),
        (f"{WHO}\ncontracts: {{other: {{}}}}", "contracts.other: there is no such contract"),
        (f"{WHO}\ncontracts: {{billing: {{prefix: billing}}}}", "contracts.billing.prefix"),
        (f"{WHO}\ncontracts: {{billing: {{identity: cookie}}}}", "contracts.billing.identity"),
        (f"{WHO}\ncontracts: {{billing: {{request_headers: [authorization]}}}}", "authorization is not passed on; to pass on"),
        (f"{WHO}\ncontracts: {{billing: {{request_headers: [cookie]}}}}", "cookie is not passed on"),
        (f"{WHO}\ncontracts: {{billing: {{request_headers: [x-tocsin-tenant]}}}}", "x-tocsin-tenant is not passed on"),
        (f"{WHO}\ncontracts: {{billing: {{request_headers: [X-Tag]}}}}", "request_headers.0"),
        (f"{WHO}\ncontracts: {{billing: {{response_headers: [set-cookie]}}}}", "set-cookie is not a service's to set"),
        (f"{WHO}\ncontracts: {{billing: {{response_headers: [access-control-allow-origin]}}}}", "is not a service's to set"),
        (f"{WHO}\ncontracts: {{billing: {{tls: {{ca_file: nowhere.pem}}}}}}", "contracts.billing.tls: .*nowhere.pem"),
        (f"{WHO}\ncontracts: {{billing: {{tls: {{ca_file: policies.yaml}}}}}}", "holds no certificate in PEM"),
        (f"{WHO}\ncontracts: {{billing: {{tls: {{cert_file: policies.yaml}}}}}}", "a certificate and its key belong together"),
        (f"{WHO}\ncontracts: {{billing: {{tls: {{ca: x}}}}}}", "contracts.billing.tls.ca: there is no such key"),
    ],
)
def test_a_file_of_policies_is_checked(tmp_path: Path, policies: str, reason: str) -> None:
    """Every key is checked, and named with the reason and the setting."""
    with pytest.raises(ConfigError) as caught:
        mounts(tmp_path, policies)
    assert re.search(reason, "\n".join(caught.value.problems))
    assert all(line.startswith("TOCSIN_GATEWAY_") for line in caught.value.problems)


@pytest.mark.parametrize("raw", [b"\xff", b"x: \x00"])
def test_policies_are_text(raw: bytes) -> None:
    """What is no text is no YAML."""
    with pytest.raises(ContractRefused, match="not"):
        parse_policies(raw)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gateway.binpb", "another name"), ("auth_svc.binpb", "another name"), ("a b.binpb", "another name")],
)
def test_names_of_our_own_services_are_taken(tmp_path: Path, name: str, reason: str) -> None:
    """A contract is called by its file's name."""
    with pytest.raises(ConfigError, match=reason):
        mounts(tmp_path, name=name)


def test_a_setting_without_a_target_or_a_file_is_refused(tmp_path: Path) -> None:
    """Each line names the file."""
    settings = settings_of(tmp_path, contracts=("a.binpb", f"{tmp_path / 'b.binpb'}@h:1", str(tmp_path) + "@h:1"))
    with pytest.raises(ConfigError) as caught:
        load_mounts(settings, own=contract)
    assert "must be FILE@TARGET" in caught.value.problems[0]
    assert "b.binpb: it cannot be read: No such file" in caught.value.problems[1]
    assert "Is a directory" in caught.value.problems[2]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """Its size is looked at first."""
    with (tmp_path / "big.binpb").open("wb") as file:
        file.truncate(51 * 1024 * 1024)
    with pytest.raises(ConfigError, match="the most is 52,428,800"):
        load_mounts(settings_of(tmp_path, contracts=(f"{tmp_path / 'big.binpb'}@h:1",)), own=contract)


def test_a_target_may_have_several_addresses(tmp_path: Path) -> None:
    """The commas between them are none between contracts."""
    settings = load(GatewaySettings, {"TOCSIN_GATEWAY_CONTRACTS": "a.binpb@ipv4:10.0.0.1:1,10.0.0.2:1,b.binpb@dns:///b:2"})
    assert settings.contracts == ("a.binpb@ipv4:10.0.0.1:1,10.0.0.2:1", "b.binpb@dns:///b:2")


@pytest.mark.parametrize(
    ("policies", "changes", "reason"),
    [
        ("{prefix: /v1}", {}, ""),
        ("{}", {"get": "/v1/{name=shelves/*/books/*}"}, r"shelf.v1.ShelfService/GetBook\) and GET .*would take the same requests"),
        ("{}", {"get": "/{name=**}"}, "would take the same requests"),
        ("{}", {"get": "/health"}, "would take a page of the gateway itself"),
        ("{}", {"get": "/docs/{name}"}, "would take a page of the gateway itself"),
        ("{}", {"get": "/v1/{name=customers/*}/invoices"}, "match the same requests"),
        ("{}", {"get": "v1"}, "must start with a slash"),
        ("{}", {"get": "/v1/{nope}"}, "has no field 'nope'"),
        ("{services: ['shelf.*']}", {}, "none of its methods is served"),
    ],
)
def test_paths_that_clash_are_refused_with_both_names(tmp_path: Path, policies: str, changes: dict[str, str], reason: str) -> None:
    """What another route would take stops the start; both are named."""

    def change(files: descriptor_pb2.FileDescriptorSet, own: descriptor_pb2.FileDescriptorProto) -> None:
        rule = own.service[0].method[0].options.Extensions[annotations_pb2.http]  # pyright: ignore[reportArgumentType]
        for name, path in changes.items():
            setattr(rule, name, path)

    text = f"{WHO}\ncontracts: {{billing: {policies}}}"
    if not reason:
        assert mounts(tmp_path, text, contents=changed(change)).methods
        return
    with pytest.raises(ConfigError, match=reason):
        mounts(tmp_path, text, contents=changed(change))


def test_one_service_cannot_be_served_twice(tmp_path: Path) -> None:
    """The same contract under two names is refused with both."""
    for name in ("one.binpb", "two.binpb"):
        (tmp_path / name).write_bytes(descriptor_set(FILE))
    (tmp_path / "policies.yaml").write_text(f"{WHO}\ncontracts: {{two: {{prefix: /two}}}}")
    contracts = (f"{tmp_path / 'one.binpb'}@h:1", f"{tmp_path / 'two.binpb'}@h:2")
    settings = settings_of(tmp_path, contracts=contracts, policies=tmp_path / "policies.yaml")
    with pytest.raises(ConfigError, match=r"one and two both serve /billing\.v1\.Invoices/GetInvoice"):
        load_mounts(settings, own=contract)


def test_two_contracts_with_different_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """Reflection could show only one of them."""
    (tmp_path / "one.binpb").write_bytes(descriptor_set(FILE))
    (tmp_path / "two.binpb").write_bytes(changed(lambda files, own: own.message_type.add(name="More")))
    (tmp_path / "policies.yaml").write_text(f"{WHO}\ncontracts: {{two: {{prefix: /two}}}}")
    contracts = (f"{tmp_path / 'one.binpb'}@h:1", f"{tmp_path / 'two.binpb'}@h:2")
    settings = settings_of(tmp_path, contracts=contracts, policies=tmp_path / "policies.yaml")
    with pytest.raises(ConfigError, match=f"one and two have different files called {FILE}"):
        load_mounts(settings, own=contract)


def test_layers_of_policies(tmp_path: Path) -> None:
    """Defaults, then the contract, then the rules of the file in their order; GET alone is safe to repeat."""
    text = """
contracts: {billing: {http: {unknown_fields: ignore, printing: {names: proto}}}}
methods:
  billing.v1.Invoices: {scope: "billing:write", timeout: 5s, retry: {max_attempts: 2}}
  billing.v1.Invoices/Get*: {scope: "billing:read", http: {status: 201}}
  billing.v1.Invoices/Probe: {public: true, rate_class: compute, criticality: sheddable, idempotency: idempotent}
  billing.v1.Invoices/Report: {exposed: false}
"""
    made = mounts(tmp_path, text)
    get, create, watch, probe = (
        made.methods[f"/billing.v1.Invoices/{name}"] for name in ("GetInvoice", "CreateInvoice", "WatchInvoices", "Probe")
    )
    assert (get.scope, get.timeout, get.rate_class, get.idempotent, get.retry.max_attempts) == ("billing:read", 5.0, "read", True, 2)
    assert (create.scope, create.rate_class, create.idempotent) == ("billing:write", "write", False)
    assert (watch.rate_class, watch.timeout) == ("stream", 5.0)
    assert (probe.public, probe.scope, probe.rate_class, probe.idempotent, probe.side_effect_free) == (True, "", "compute", True, False)
    assert "/billing.v1.Invoices/Report" not in made.methods
    rpcs = {rpc.policy.method: rpc.transcoding for rpc in made.contracts[0].rpcs()}
    assert (rpcs["GetInvoice"].status, rpcs["GetInvoice"].unknown_fields, rpcs["GetInvoice"].printing.proto_names) == (201, True, True)
    assert rpcs["CreateInvoice"].status == 200


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("/a/{x}", "/a/b", True),
        ("/a/{x}", "/b/{x}", False),
        ("/a/**", "/a", True),
        ("/a/**/z", "/a/b/c/z", True),
        ("/a/**/z", "/a/b", False),
        ("/**", "/{x=a/**/b}", True),
        ("/a/{x}", "/a/{x}:run", True),
        ("/a/b", "/a/b:run", False),
        ("/a/{x}:go", "/a/{x}:run", False),
        ("/a/", "/a/{x}", False),
        ("/%61", "/a", True),
    ],
)
def test_whether_two_templates_meet(one: str, other: str, expected: bool) -> None:
    """Some path matches both."""
    assert overlap(parse(one), parse(other)) is overlap(parse(other), parse(one)) is expected
