"""Providers that tenants configure, through a running mailer."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from tests.integration.mailer.support import SCOPES, Rig, State, message
from tocsin.api.mailer.v1 import provider_service_pb2 as pb
from tocsin.api.mailer.v1 import provider_service_pb2_grpc as rpc
from tocsin.errors import FailedPrecondition, InvalidInput, NotFound
from tocsin.testing.smtp import SmtpSink

ALL = (*SCOPES, "providers:read", "providers:write")


class Providers:
    """The service as a tenant calls it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.stub: Any = rpc.ProviderServiceStub(rig.mesh_of("gateway").channel("mailer_svc"))

    async def call(self, method: str, request: Any, tenant: str = "t1") -> Any:
        with self.rig.user(tenant, scopes=ALL):
            return await getattr(self.stub, method)(request)

    async def own(self, tenant: str = "t1") -> list[pb.Provider]:
        """The tenant's own providers."""
        listed = (await self.call("ListProviders", pb.ListProvidersRequest(), tenant)).providers
        return [one for one in listed if one.source != pb.Provider.SETTINGS]

    async def add(self, sink: SmtpSink, tenant: str = "t1", **fields: Any) -> pb.Provider:
        return await self.call("CreateProvider", pb.CreateProviderRequest(provider=smtp(sink.port, **fields)), tenant)


def struct(values: dict[str, Any]) -> Struct:
    """Free-form JSON."""
    made = Struct()
    made.update(values)
    return made


def smtp(port: int, **config: Any) -> pb.Provider:
    """A server of the tenant's own, without encryption; ``config`` adds to it."""
    return pb.Provider(kind="smtp", config=struct({"host": "127.0.0.1", "port": port, "tls": "none", "sender": "t1@example.com", **config}))


@pytest.fixture
async def providers(tmp_path: Path) -> AsyncIterator[Providers]:
    """A mailer without a provider of the installation, which lets tenants reach this machine."""
    rig = Rig(folder=tmp_path, egress_allow=("127.0.0.0/8",))
    await rig.start()
    yield Providers(rig)
    await rig.stop()


async def test_a_tenant_sends_by_its_own_provider_and_no_other_tenant_does(providers: Providers, smtp_sink: SmtpSink) -> None:
    """From the next message on; for others the channel stays without one."""
    rig = providers.rig
    (before,) = await rig.deliver(message(1, channel="email"))
    assert before.reason == "NO_PROVIDER"
    made = await providers.add(smtp_sink)
    assert (made.channel, made.position, pb.Provider.Source.Name(made.source)) == ("email", 1, "TENANT")
    own, other = await rig.deliver(message(2, channel="email"), message(3, channel="email", tenant="t2"))
    assert (own.reason, other.reason) == ("", "NO_PROVIDER")
    await rig.settled(own.delivery, State.SENT)
    assert [mail.sender for mail in smtp_sink.messages] == ["t1@example.com"]


async def test_secrets_go_in_and_never_come_out(providers: Providers, smtp_sink: SmtpSink) -> None:
    """What is shown is given back and changes nothing; a secret that is given anew replaces the old one."""
    made = await providers.add(smtp_sink, tls="starttls", username="ann", password="hunter2-secret")
    shown = MessageToDict(made)
    assert shown["config"]["password"] == "********"
    assert "hunter2" not in str(shown)
    back = pb.Provider(name=made.name, config=made.config, display_name="renamed")
    again = await providers.call("UpdateProvider", pb.UpdateProviderRequest(provider=back))
    assert again.display_name == "renamed"
    assert again.config == made.config
    cleared = struct({**MessageToDict(made.config), "username": "", "password": ""})
    last = await providers.call("UpdateProvider", pb.UpdateProviderRequest(provider=pb.Provider(name=made.name, config=cleared)))
    assert "password" not in MessageToDict(last.config)
    listed = await providers.call("ListProviders", pb.ListProvidersRequest())
    assert "hunter2" not in str(listed)


async def test_a_provider_is_tried_alone(providers: Providers, smtp_sink: SmtpSink) -> None:
    """It tells what came of it; the message is in no queue."""
    made = await providers.add(smtp_sink)
    good = await providers.call("TestProvider", pb.TestProviderRequest(name=made.name, to="ann@example.com"))
    assert (good.sent, good.outcome) == (True, "sent")
    assert len(smtp_sink.messages) == 1
    with pytest.raises(InvalidInput):
        await providers.call("TestProvider", pb.TestProviderRequest(name=made.name, to="not an address"))
    await smtp_sink.stop()
    bad = await providers.call("TestProvider", pb.TestProviderRequest(name=made.name, to="ann@example.com"))
    assert (bad.sent, bad.outcome) == (False, "provider_down")


async def test_walls_between_tenants(providers: Providers, smtp_sink: SmtpSink) -> None:
    """Nobody reads, changes, tries or removes another's."""
    made = await providers.add(smtp_sink)
    for method, request in (
        ("GetProvider", pb.GetProviderRequest(name=made.name)),
        ("UpdateProvider", pb.UpdateProviderRequest(provider=pb.Provider(name=made.name, disabled=True))),
        ("DeleteProvider", pb.DeleteProviderRequest(name=made.name)),
        ("TestProvider", pb.TestProviderRequest(name=made.name, to="ann@example.com")),
    ):
        with pytest.raises(NotFound):
            await providers.call(method, request, "t2")
    assert not await providers.own("t2")


BAD = (
    (pb.Provider(), "kind"),
    (pb.Provider(kind="pigeon"), "kind"),
    (pb.Provider(kind="smtp"), "config.host"),
    (smtp(25, pigeons=3), "config.pigeons"),
    (smtp(99_999), "config.port"),
    (smtp(25, username="ann", password="x"), "config"),
    (smtp(25, ca_file="/etc/passwd"), "config.ca_file"),
    (smtp(25, sender="nobody"), "config.sender"),
    (smtp(25, concurrency=0), "config.concurrency"),
)


async def test_bad_configurations_are_named(providers: Providers) -> None:
    """Nothing is kept of them."""
    for provider, field in BAD:
        with pytest.raises(InvalidInput) as caught:
            await providers.call("CreateProvider", pb.CreateProviderRequest(provider=provider))
        assert field in [violation.field for violation in caught.value.violations]
    assert not await providers.own()


async def test_a_server_inside_is_out_of_a_tenants_reach(tmp_path: Path, smtp_sink: SmtpSink) -> None:
    """Unless the operator opens it; nothing connects to it."""
    rig = Rig(folder=tmp_path)
    await rig.start()
    providers = Providers(rig)
    made = await providers.add(smtp_sink)
    tried = await providers.call("TestProvider", pb.TestProviderRequest(name=made.name, to="ann@example.com"))
    assert (tried.sent, tried.outcome) == (False, "provider_down")
    assert "not a public one" in tried.detail
    assert not smtp_sink.messages
    await rig.stop()


async def test_what_settings_configure_is_shown_and_not_changed(mailing: Rig) -> None:
    """Its configuration stays the operator's."""
    providers = Providers(mailing)
    listed = (await providers.call("ListProviders", pb.ListProvidersRequest())).providers
    (installed,) = (one for one in listed if one.channel == "email")
    assert (installed.name, pb.Provider.Source.Name(installed.source), installed.circuit) == ("providers/smtp", "SETTINGS", "CLOSED")
    assert not installed.config.fields
    with pytest.raises(FailedPrecondition):
        await providers.call("DeleteProvider", pb.DeleteProviderRequest(name=installed.name))
    with pytest.raises(FailedPrecondition):
        await providers.call("UpdateProvider", pb.UpdateProviderRequest(provider=pb.Provider(name=installed.name, disabled=True)))


async def test_kinds_tell_what_can_be_set(providers: Providers) -> None:
    """A schema for each, without what only settings may hold."""
    found = {kind.kind: kind for kind in (await providers.call("ListProviderKinds", pb.ListProviderKindsRequest())).kinds}
    schema = MessageToDict(found["smtp"].config_schema)
    assert "host" in schema["required"]
    assert "ca_file" not in schema["properties"]
    assert "password" in found["smtp"].secrets


async def test_disabled_and_deleted_ones_send_nothing(providers: Providers, smtp_sink: SmtpSink) -> None:
    """The next message is refused, as before there was one."""
    rig = providers.rig
    made = await providers.add(smtp_sink)
    await providers.call("UpdateProvider", pb.UpdateProviderRequest(provider=pb.Provider(name=made.name, disabled=True)))
    (off,) = await rig.deliver(message(1, channel="email"))
    await providers.call(
        "UpdateProvider", pb.UpdateProviderRequest(provider=pb.Provider(name=made.name), update_mask=FieldMask(paths=["disabled"]))
    )
    (on,) = await rig.deliver(message(2, channel="email"))
    await rig.settled(on.delivery, State.SENT)
    await providers.call("DeleteProvider", pb.DeleteProviderRequest(name=made.name))
    (gone,) = await rig.deliver(message(3, channel="email"))
    assert (off.reason, on.reason, gone.reason) == ("NO_PROVIDER", "", "NO_PROVIDER")
