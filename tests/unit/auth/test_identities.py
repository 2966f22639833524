"""What claims say: groups, roles, addresses, names; and where a browser may be led."""

from datetime import UTC, datetime
from typing import Any

import pytest

from auth_svc.domain import GroupRole, IdentityProvider, IssuerAnswerRefused, NotAdmitted, checked_return_to, groups_of, person_of
from tocsin.errors import InvalidInput

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def provider(**more: Any) -> IdentityProvider:
    """One of a tenant."""
    given: dict[str, Any] = {"issuer": "https://idp.example.com", "client_id": "tocsin", "display_name": "SSO", **more}
    return IdentityProvider(id="sso", tenant="t", created=NOW, updated=NOW, **given)


@pytest.mark.parametrize(
    ("path", "claims", "role"),
    [
        (("groups",), {"groups": ["staff", "bosses"]}, "roles/admin"),
        (("groups",), {"groups": "staff"}, "roles/operator"),
        (("realm_access", "roles"), {"realm_access": {"roles": ["bosses"]}}, "roles/admin"),
        (("https://example.com/groups",), {"https://example.com/groups": ["staff"]}, "roles/operator"),
        (("groups",), {"groups": [7, None, ["bosses"], {"bosses": 1}, "staff"]}, "roles/operator"),
        (("groups",), {"groups": {"bosses": True}}, ""),
        (("realm_access", "roles"), {"realm_access": "roles"}, ""),
        (("realm_access", "roles"), {"realm_access": [{"roles": ["bosses"]}]}, ""),
        (("groups",), {"groups": ["Bosses", "STAFF", " staff", "staff\x00"]}, ""),
        (("groups",), {"groups": ["x"] * 1000 + ["bosses"]}, ""),
        (("groups",), {"groups": None}, ""),
        (("groups",), {}, ""),
    ],
    ids=[
        "first-rule", "one-text", "nested", "namespaced", "strange-items", "an-object", "no-object", "list-of-objects", "case-counts",
        "too-many", "null", "none",
    ],
)  # fmt: skip
def test_groups_give_roles(path: tuple[str, ...], claims: dict[str, Any], role: str) -> None:
    """The first rule that fits counts; with none, nobody is let in, unless there is a default."""
    rules = (GroupRole("bosses", "roles/admin"), GroupRole("staff", "roles/operator"))
    groups = groups_of(claims, path)
    if role:
        assert provider(rules=rules).role_of(groups) == role
        return
    with pytest.raises(NotAdmitted):
        provider(rules=rules).role_of(groups)
    assert provider(rules=rules, default_role="roles/viewer").role_of(groups) == "roles/viewer"


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"email": "owner@example.com", "email_verified": True}, ""),
        ({"email": "OWNER@Example.com", "email_verified": "true"}, ""),
        ({"email": "owner@example.com"}, "NO_ADDRESS"),
        ({"email": "owner@example.com", "email_verified": False}, "NO_ADDRESS"),
        ({"email": "owner@example.com", "email_verified": 1.5}, "NO_ADDRESS"),
        ({"email": "owner@example.com", "email_verified": "yes"}, "NO_ADDRESS"),
        ({"email": "owner@example.com", "email_verified": [True]}, "NO_ADDRESS"),
        ({"email": ["owner@example.com"], "email_verified": True}, "NO_ADDRESS"),
        ({"email": "owner@example.com\nbcc: x@y.test", "email_verified": True}, "NO_ADDRESS"),
        ({"email": "owner@example.com\x00", "email_verified": True}, "NO_ADDRESS"),
        ({"email": "owner@example.com@evil.test", "email_verified": True}, "NO_ADDRESS"),
        ({"email": "a" * 300 + "@example.com", "email_verified": True}, "NO_ADDRESS"),
        ({"email": "owner@evil.test", "email_verified": True}, "DOMAIN"),
        ({"email": "owner@example.com.evil.test", "email_verified": True}, "DOMAIN"),
        ({"email": "owner@sub.example.com", "email_verified": True}, "DOMAIN"),
    ],
    ids=[
        "good", "case", "unsaid", "unverified", "number", "word", "list", "addresses", "header", "nul", "two-ats", "long", "domain",
        "suffix", "subdomain",
    ],
)  # fmt: skip
def test_an_address_counts_only_verified_and_in_its_domain(claims: dict[str, Any], why: str) -> None:
    """An address that somebody merely says is nobody's key."""
    asked = provider(allowed_domains=("example.com",))
    if not why:
        assert person_of(asked, {"sub": "1", **claims}).email.casefold() == "owner@example.com"
        return
    with pytest.raises(NotAdmitted) as refused:
        person_of(asked, {"sub": "1", **claims})
    assert refused.value.metadata["why"] == why
    if why == "NO_ADDRESS":
        assert person_of(provider(), {"sub": "1", **claims}).email == ""


@pytest.mark.parametrize(
    "subject",
    ["", "a" * 256, "a\nb", "a\x00", "ä", 7, None, ["a"]],
    ids=["empty", "long", "line", "nul", "letter", "number", "null", "list"],
)
def test_what_no_subject_is(subject: object) -> None:
    """OpenID Connect Core, 2: 255 ASCII characters at most."""
    with pytest.raises(IssuerAnswerRefused):
        person_of(provider(), {"sub": subject})


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"name": "Ann Ärztin"}, "Ann Ärztin"),
        ({"name": "A\x00n\u202en\ud800\u200b\n"}, "Ann"),
        ({"name": "a" * 5000}, "a" * 100),
        ({"name": ["Ann"]}, ""),
        ({"preferred_username": "ann"}, "ann"),
        ({}, ""),
    ],
    ids=["plain", "controls", "long", "list", "username", "none"],
)
def test_a_name_is_text(claims: dict[str, Any], name: str) -> None:
    """Without signs that are none, and not longer than ours."""
    assert person_of(provider(), {"sub": "1", **claims}).name == name


@pytest.mark.parametrize(
    "path",
    ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", "evil", "/a b", "/a\nb", "/\t/evil.test", "/ä", "/a\\b"],
    ids=["two-slashes", "backslash", "url", "script", "relative", "blank", "line", "tab", "letter", "later-backslash"],
)
def test_return_to_stays_here(path: str) -> None:
    """Browsers take a backslash for a slash, and leave tabs and line breaks out (WHATWG URL, 4.4)."""
    with pytest.raises(InvalidInput) as refused:
        checked_return_to(path)
    assert refused.value.violations[0].field == "returnTo"


@pytest.mark.parametrize("path", ["", "/", "/alarms?x=1#y", "/a//b"], ids=["none", "root", "query", "later-slashes"])
def test_a_path_of_this_installation_is_taken(path: str) -> None:
    """Nothing stands for the root."""
    assert checked_return_to(path) == (path or "/")
