"""Every RPC of every package says how it is to be treated."""

import uuid
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from tocsin.api.mesh.v1 import http_pb2
from tocsin.mesh.policy import MethodKind, MethodPolicy, contract, read

SERVICES = {"gateway", "auth_svc", "scheduler_svc", "processor_svc", "mailer_svc"}
RATE_CLASSES = {"auth", "public", "read", "write", "list", "compute", "stream", "bulk", "internal"}
POLICIES = read(contract())
POOL = descriptor_pool.DescriptorPool()
for _file in contract().file:
    POOL.Add(_file)


EACH = [pytest.param(policy, id=path.removeprefix("/tocsin.api.")) for path, policy in POLICIES.items()]


def http_rules() -> dict[str, list[str]]:
    """The HTTP methods bound to each RPC."""
    bound: dict[str, list[str]] = {}
    for file in contract().file:
        for service in file.service:
            for method in service.method:
                extension: Any = annotations_pb2.http  # its stub says less than it is
                rule = method.options.Extensions[extension]
                legacy = method.options.Extensions[http_pb2.http].legacy
                verbs = [item.WhichOneof("pattern") for item in (rule, *rule.additional_bindings, *legacy)]
                bound[f"/{file.package}.{service.name}/{method.name}"] = [verb for verb in verbs if verb]
    return bound


HTTP = http_rules()


def test_the_contract_is_not_empty() -> None:
    """The walk below would pass on nothing."""
    packages = {policy.service.split(".")[2] for policy in POLICIES.values()}
    assert packages == {"mesh", "auth", "scheduler", "processor", "mailer", "gateway"}
    assert len(POLICIES) > 40


GETS_THAT_ACT = {f"/tocsin.api.scheduler.v1.TriggerService/{name}" for name in ("Ping", "ReceivePing")}
"""A cron job says that it is alive with a bare `curl URL`; saying so twice is the same as once."""


@pytest.mark.parametrize("policy", EACH)
def test_it_is_complete(policy: MethodPolicy) -> None:
    """A timeout, a scope or public or callers, a rate class."""
    assert list(policy.problems()) == []


@pytest.mark.parametrize("policy", EACH)
def test_it_is_commented(policy: MethodPolicy) -> None:
    """A comment that is a sentence."""
    assert policy.comment.endswith("."), "the comment of the RPC is missing, or not a sentence"


@pytest.mark.parametrize("policy", EACH)
def test_its_words_exist(policy: MethodPolicy) -> None:
    """Callers are services, rate classes are known, scopes are "noun:read" or "noun:write"."""
    assert policy.callers <= SERVICES
    assert policy.rate_class in RATE_CLASSES
    noun, _, verb = policy.scope.partition(":")
    assert policy.scope == "" or (noun.isalpha() and verb in {"read", "write"})


@pytest.mark.parametrize("policy", EACH)
def test_internal_methods_stay_inside(policy: MethodPolicy) -> None:
    """A method with callers has no HTTP rule; every other unary or server-streaming one has."""
    if policy.internal:
        assert HTTP[policy.path] == []
    elif policy.kind in (MethodKind.UNARY_UNARY, MethodKind.UNARY_STREAM):
        assert HTTP[policy.path], "a public method without a REST route"


@pytest.mark.parametrize("policy", EACH)
def test_http_and_idempotency_agree(policy: MethodPolicy) -> None:
    """GET promises that nothing changes (RFC 9110, 9.2.1), so the method must be marked NO_SIDE_EFFECTS."""
    if "get" in HTTP[policy.path] and policy.path not in GETS_THAT_ACT:
        assert policy.side_effect_free
    if policy.side_effect_free and policy.scope:
        assert policy.scope.endswith(":read")


@pytest.mark.parametrize("policy", EACH)
def test_timeouts_fit_the_kind(policy: MethodPolicy) -> None:
    """A unary call ends within half a minute; it bounds how long a server drains."""
    if policy.kind is MethodKind.UNARY_UNARY:
        assert policy.timeout <= 30


def test_the_descriptors_carry_comments() -> None:
    """Source info is part of the compiled contract; documentation and this suite need it."""
    own = [file for file in contract().file if file.package.startswith("tocsin.api.")]
    assert own
    assert [file.name for file in own if not file.source_code_info.location] == []


NATURALLY = {
    f"/tocsin.api.{name}"
    for name in (
        "auth.v1.AuditLogService/AppendAuditLogs",
        "auth.v1.AuthService/RevokeToken",
        "auth.v1.BrowserSessionService/ExchangeBrowserSession",
        "auth.v1.OidcService/CloseOidcSession",
        "auth.v1.InvitationService/RevokeInvitation",
        "auth.v1.RoleService/UpdateRole",
        "auth.v1.SecurityAlertService/SetAlertPolicy",
        "auth.v1.ServiceAccountService/DeactivateServiceAccount",
        "auth.v1.ServiceAccountService/ReactivateServiceAccount",
        "auth.v1.ServiceAccountService/UpdateServiceAccount",
        "auth.v1.IdentityProviderService/UpdateIdentityProvider",
        "auth.v1.FactorService/UpdateFactor",
        "auth.v1.SessionService/RevokeAllSessions",
        "auth.v1.SessionService/RevokeUserSessions",
        "auth.v1.TenantAdminService/AmendTenant",
        "auth.v1.TenantAdminService/DeleteTenant",
        "auth.v1.TenantAdminService/ResumeTenant",
        "auth.v1.TenantAdminService/SetTenantQuotas",
        "auth.v1.TenantAdminService/SuspendTenant",
        "auth.v1.TenantAdminService/UndeleteTenant",
        "auth.v1.TenantService/ReportTenantPurge",
        "auth.v1.TenantService/UpdateTenant",
        "auth.v1.UserService/DeactivateUser",
        "auth.v1.UserService/ReactivateUser",
        "auth.v1.ProfileService/UpdateProfile",
        "auth.v1.UserService/UpdateUser",
        "mailer.v1.AnswerService/AnswerByLink",
        "mailer.v1.DeliveryService/RetryDelivery",
        "mailer.v1.DeliveryService/RetryDeliveries",
        "mailer.v1.FeedService/RevokeFeed",
        "mailer.v1.GroupService/AddGroupMembers",
        "mailer.v1.GroupService/RemoveGroupMembers",
        "mailer.v1.CallbackService/ReceiveCallback",
        "mailer.v1.DeliveryService/ReportStatus",
        "mailer.v1.NotificationService/CancelNotification",
        "mailer.v1.ProviderService/DeleteProvider",
        "mailer.v1.ProviderService/UpdateProvider",
        "mailer.v1.UnsubscribeService/Unsubscribe",
        "processor.v1.PiiService/SetPiiPolicy",
        "mailer.v1.PreferenceService/ReplacePreferences",
        "mailer.v1.RecipientService/ReplacePersonalRules",
        "mailer.v1.SuppressionService/CreateSuppression",
        "processor.v1.RecordService/SetRecord",
        "processor.v1.TaskService/CancelTask",
        "scheduler.v1.IncidentService/AcknowledgeIncident",
        "scheduler.v1.IncidentService/AnswerIncident",
        "scheduler.v1.IncidentService/MergeIncident",
        "scheduler.v1.IncidentService/ResolveIncident",
        "scheduler.v1.IncidentService/TriggerIncidents",
        "scheduler.v1.IncidentService/UnacknowledgeIncident",
        "scheduler.v1.IntakeService/ReceiveMail",
        "scheduler.v1.SilenceService/ExpireSilence",
        "scheduler.v1.AlarmService/BackfillAlarm",
        "scheduler.v1.AlarmService/PauseAlarm",
        "scheduler.v1.AlarmService/ResumeAlarm",
        "scheduler.v1.DispatchService/CancelEnqueued",
        "scheduler.v1.DispatchService/ReportDeliveries",
        "scheduler.v1.FiringService/ReplayFiring",
        "scheduler.v1.StatusService/UpdateStatusPage",
        "scheduler.v1.TriggerService/Ping",
        "scheduler.v1.TriggerService/ReceivePing",
        "scheduler.v1.TriggerService/UpdatePingKey",
        *(f"mesh.v1.MeshService/{name}" for name in ("ResetBreakers", "ForceBreakers", "SetFault", "ClearFaults")),
        *(f"mesh.v1.MeshAdminService/{name}" for name in ("ResetServiceBreakers", "ResetBreaker", "OpenBreaker", "CloseBreaker")),
        *(f"mesh.v1.MeshAdminService/{name}" for name in ("InjectFault", "RemoveFaults")),
        "mesh.v1.MeshAdminService/ResetMeshPolicy",
        "mesh.v1.MeshAdminService/SetMeshPolicy",
        "mesh.v1.MeshService/ResetPolicy",
        "mesh.v1.MeshService/SetPolicy",
        "mesh.v1.SpoolAdminService/RetrySpooledCall",
    )
}
"""RPCs that do the same when they are called twice, by what they do; a new one is put here after a thought."""

REQUESTS = {f".{file.package}.{message.name}": message for file in contract().file for message in file.message_type}


@pytest.mark.parametrize("policy", EACH)
def test_what_is_tried_again_has_an_identity(policy: MethodPolicy) -> None:
    """The mesh repeats IDEMPOTENT calls; one that makes something new each time has to say which call it is."""
    if policy.idempotent and not policy.side_effect_free and policy.kind is MethodKind.UNARY_UNARY:
        assert (policy.identity is not None) != (policy.path in NATURALLY)
    fields = {field.name for field in REQUESTS[f".{policy.request_type}"].field}
    if "request_id" in fields and not policy.side_effect_free:
        assert policy.identity is not None
        assert policy.identity.names == ("request_id",)
        assert policy.idempotent, "a request_id promises that a second call does nothing"


@pytest.mark.parametrize("policy", [pytest.param(policy, id=policy.method) for policy in POLICIES.values() if policy.identity])
@pytest.mark.parametrize("serialised", [False, True], ids=["message", "bytes"])
def test_an_identity_is_filled_in_and_kept(policy: MethodPolicy, serialised: bool) -> None:
    """For every RPC that has one: made where it is empty, in a form that the contract allows; nothing else is touched."""
    assert policy.identity is not None
    kind = message_factory.GetMessageClass(POOL.FindMessageTypeByName(policy.request_type))

    def ensured(request: Message) -> Message:
        assert policy.identity is not None
        return kind.FromString(policy.identity.ensured(request.SerializeToString())) if serialised else policy.identity.ensured(request)

    def identity(request: Any) -> str:
        assert policy.identity is not None
        for name in policy.identity.names:
            request = getattr(request, name)
        return request

    empty = kind()
    first, second = ensured(empty), ensured(empty)
    assert identity(empty) == ""
    assert uuid.UUID(identity(first)).version == 4
    assert identity(first) != identity(second)
    assert ensured(first) == first
