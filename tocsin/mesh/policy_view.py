"""What MeshService tells of policies, and the orders that it takes about them."""

from collections.abc import Sequence

from google.protobuf.message import Message

from tocsin.api.mesh.v1 import mesh_service_pb2 as pb
from tocsin.mesh.live_policy import DEFAULT_ORDER_SECONDS, LivePolicies
from tocsin.mesh.policy import MethodPolicy, in_seconds
from tocsin.mesh.policy_errors import invalid


def view_of(policies: LivePolicies, method: str) -> pb.GetPolicyResponse:
    """What `MeshService.GetPolicy` answers.

    Raises:
        PolicyMethodNotFound: there is no such method.
    """
    answer = pb.GetPolicyResponse(file=str(policies.file or ""), problem=policies.problem, closed=policies.closed)
    asked = policies.declared(method)
    _show_named(answer, policies, asked)
    for declared in asked:
        values = [value for value in policies.values(declared) if method or value.source in ("file", "order")]
        if values:
            shown = answer.methods.add(method=declared.path)
            for value in values:
                shown.values.add(name=value.name, value=value.value, source=value.source, declared=value.declared)
    for order in policies.orders.values():
        answer.orders.add(rule=order.rule).expire_time.FromDatetime(order.expires)
    return answer


def _show_named(answer: pb.GetPolicyResponse, policies: LivePolicies, asked: Sequence[MethodPolicy]) -> None:
    for word, rules in policies.named.items():
        for name, made in rules.in_force.items():
            if count := sum(map(made.methods.about, asked)):
                answer.named.add(**{word: made.rule}, source=rules.source(name), methods=count)
        for order in rules.orders.values():
            answer.orders.add(**{word: order.rule.rule}).expire_time.FromDatetime(order.expires)


def _given(message: Message, words: Sequence[str]) -> list[str]:
    return [word for word in words if message.HasField(word)]


def order_of(policies: LivePolicies, request: pb.SetPolicyRequest) -> list[str]:
    """Gives the order that a request brings; what changes in this process, a line each.

    Raises:
        RuleInvalid: it makes no sense; then nothing changes.
    """
    seconds = in_seconds(request.ttl) if request.HasField("ttl") else DEFAULT_ORDER_SECONDS
    words = ("rule", *policies.named)
    given = _given(request, words)
    if len(given) != 1:
        raise invalid("rule", f"give one of {', '.join(words)}")
    (word,) = given
    if word == "rule":
        return policies.order(request.rule, seconds=seconds, dry_run=request.dry_run)
    return policies.order_named(policies.named[word], getattr(request, word), seconds=seconds, dry_run=request.dry_run)


def reset_of(policies: LivePolicies, request: pb.ResetPolicyRequest) -> list[str]:
    """Takes back the orders that a request names, or all: methods or names of each."""
    gone: list[str] = []
    if not request.name:
        gone += [method for method, _ in policies.reset(method=request.method, caller=request.caller)]
    if request.name or not (request.method or request.caller):
        gone += policies.reset_named(request.name)
    return gone
