"""Scopes, addresses, zones and secrets."""

import string
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_svc.domain import (
    ADMIN,
    BUILT_IN,
    EVERY_SCOPE,
    OPERATOR,
    OWNER,
    OWNERSHIP,
    PROFILE,
    VIEWER,
    ApiKey,
    Grant,
    Role,
    ScopeNotHeld,
    Scopes,
    Session,
    Tenant,
    checked_name,
    checked_zone,
    digest,
    is_api_key_secret,
    narrow,
    new_api_key_secret,
    new_refresh_token,
    normalize_email,
    require_held,
    shown_prefix,
    sign_in_key,
)
from tocsin.errors import InvalidInput
from tocsin.mesh.policy import policies

NOW = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
OWN = Tenant(id="T1", display_name="own", time_zone="Europe/Paris", operator=False, created=NOW)
PLATFORM = Tenant(id="T0", display_name="operator", time_zone="UTC", operator=True, created=NOW)
CONTRACT = Scopes(every=frozenset(policy.scope for policy in policies().values() if policy.scope))


def _key(scopes: set[str], expires: datetime | None = None) -> ApiKey:
    return ApiKey(
        id="K1",
        tenant="T1",
        owner="users/U1",
        display_name="k",
        scopes=frozenset(scopes),
        prefix="tk_",
        created=NOW,
        expires=expires,
    )


def test_owner_of_the_operators_tenant_has_every_scope_of_the_contract() -> None:
    """Nothing that the contract asks for is out of the operator's reach."""
    assert CONTRACT.of(OWNER, PLATFORM) == CONTRACT.every | {OWNERSHIP}


def test_owner_of_another_tenant_does_not_run_the_mesh() -> None:
    """Whoever registers has every scope but those of the platform itself."""
    assert CONTRACT.every - CONTRACT.of(OWNER, OWN) == {"mesh:read", "mesh:write", "tenants:read", "tenants:write"}


@pytest.mark.parametrize("tenant", [OWN, PLATFORM], ids=["own", "platform"])
def test_each_role_has_less_than_the_one_before(tenant: Tenant) -> None:
    """Owner, administrator, operator, viewer: whoever has one can give those behind it."""
    every = [CONTRACT.of(role, tenant) for role in (OWNER, ADMIN, OPERATOR, VIEWER)]
    assert all(less < more for more, less in pairwise(every))
    assert every[0] - every[1] == {OWNERSHIP}


def test_operator_works_and_manages_nobody() -> None:
    """It has the scopes of daily work, and none that touches users, keys, the tenant or the mesh."""
    scopes = CONTRACT.of(OPERATOR, OWN)
    assert {"alarms:read", "alarms:write", "tasks:write", "records:write", "templates:write", "inbox:read", "firings:write"} <= scopes
    assert {"tenant:read", PROFILE, "incidents:write"} <= scopes
    assert not {scope for scope in scopes if scope.startswith(("users:", "keys:", "mesh:"))}
    assert "tenant:write" not in scopes


def test_viewer_changes_its_own_account_alone() -> None:
    """Whatever else it has reads."""
    scopes = CONTRACT.of(VIEWER, OWN)
    assert {scope for scope in scopes if not scope.endswith(":read")} == {"account:write"}
    assert {"alarms:read", "incidents:read", "tenant:read"} <= scopes


def test_custom_role_gives_what_it_says_and_exists() -> None:
    """Neither what the contract dropped, nor what its tenant cannot have, nor the right over owners."""
    role = Role(id="mine", scopes=frozenset({"alarms:read", "gone:read", "mesh:write", OWNERSHIP}))
    assert CONTRACT.of(role, OWN) == {"alarms:read", PROFILE}
    assert CONTRACT.of(role, PLATFORM) == {"alarms:read", "mesh:write", PROFILE}
    assert CONTRACT.of(Role(id="removed"), PLATFORM) == {PROFILE}


@pytest.mark.parametrize("role", BUILT_IN.values(), ids=BUILT_IN)
def test_profile_is_in_every_role(role: Role) -> None:
    """Whoever has a token may ask who they are, even if no method asks for the scope."""
    assert PROFILE in Scopes(every=frozenset({"alarms:read"})).of(role, OWN)


def test_key_has_no_more_than_its_owner() -> None:
    """A role that lost a scope takes it from the keys; with another role of the owner it is back."""
    key = _key({"alarms:write", "alarms:read", "users:write"})
    assert CONTRACT.of_key(key, VIEWER, OWN) == {"alarms:read", PROFILE}
    assert CONTRACT.of_key(key, OPERATOR, OWN) == {"alarms:read", "alarms:write", PROFILE}
    assert CONTRACT.of_key(_key({EVERY_SCOPE}), VIEWER, OWN) == CONTRACT.of(VIEWER, OWN)


def test_key_keeps_what_still_exists() -> None:
    """A scope that the contract dropped is not in the key's token; the profile always is."""
    assert CONTRACT.of_key(_key({"alarms:read", "gone:read", "mesh:write"}), OWNER, OWN) == {"alarms:read", PROFILE}


def test_key_for_everything_follows_the_contract() -> None:
    """The development key gets the scopes of later versions as well."""
    later = Scopes(every=CONTRACT.every | {"forecasts:read"})
    assert "forecasts:read" in later.of_key(_key({EVERY_SCOPE}), OWNER, PLATFORM)


@pytest.mark.parametrize(("asked", "given_"), [("", set()), ("a:read", {"a:read"}), ("  a:read\tb:read a:read ", {"a:read", "b:read"})])
def test_scope_narrows(asked: str, given_: set[str]) -> None:
    """The text is a space-separated set (RFC 6749, 3.3)."""
    assert narrow(asked, frozenset({"a:read", "b:read", "c:read"})) == given_


def test_scope_not_held_is_named() -> None:
    """invalid_scope: the refusal says which one, at the field that asked."""
    with pytest.raises(InvalidInput, match="b:read") as refused:
        narrow("a:read b:read", frozenset({"a:read"}))
    assert refused.value.violations[0].field == "scope"


def test_nobody_gives_what_they_lack() -> None:
    """The profile may always be given on; other scopes only by those who have them."""
    require_held({"a:read", PROFILE}, {"a:read"}, what="the key")
    with pytest.raises(ScopeNotHeld, match="b:read"):
        require_held({"a:read", "b:read"}, {"a:read"}, what="the key")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("Ann@EXAMPLE.com", "Ann@example.com"),
        ("ann@exämple.de", "ann@exämple.de"),
        ("ann@xn--exmple-cua.de", "ann@exämple.de"),
        ("a@host.test", "a@host.test"),
    ],
)
def test_address_is_normalized(text: str, stored: str) -> None:
    """The domain is lower-case Unicode; the part before the @ stays as it was written."""
    assert normalize_email(text) == stored


@pytest.mark.parametrize(
    "text",
    ["", "ann", "ann@", "@example.com", "a b@example.com", "a@b", "a@b..c", "a\r\nBcc: x@example.com", "a@example.com\n", "a@[127.0.0.1]",
     "a@x.invalid", "a" * 65 + "@example.com", "a,b@example.com", "Ann <ann@example.com>"],
)  # fmt: skip
def test_bad_address_is_refused(text: str) -> None:
    """Every refusal names the field."""
    with pytest.raises(InvalidInput) as refused:
        normalize_email(text)
    assert refused.value.violations[0].field == "email"


@pytest.mark.parametrize(
    ("one", "other"), [("Ann@Example.com", "aNN@example.COM"), ("STRASSE@x.de", "straße@x.de"), ("e\u0301@x.de", "é@x.de")]
)
def test_addresses_that_differ_in_case_are_the_same(one: str, other: str) -> None:
    """Case, and the way to write an accent, tell nobody apart."""
    assert sign_in_key(one) == sign_in_key(other)


@pytest.mark.parametrize(
    ("text", "zone"), [("", "UTC"), ("UTC", "UTC"), ("Europe/Paris", "Europe/Paris"), ("America/Argentina/Ushuaia",) * 2]
)
def test_zone_exists(text: str, zone: str) -> None:
    """IANA names are taken; an empty one is UTC."""
    assert checked_zone(text, field="tenant.time_zone") == zone


@pytest.mark.parametrize(
    "text", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", "localtime", "posix/UTC", "Europe", "UTC\0", "ü", "Z" * 300]
)
def test_zone_does_not_exist(text: str) -> None:
    """What is no zone is refused at its field, whatever it looks like."""
    with pytest.raises(InvalidInput) as refused:
        checked_zone(text, field="tenant.time_zone")
    assert refused.value.violations[0].field == "tenant.time_zone"


@pytest.mark.parametrize(("text", "result"), [("  Ann  ", "Ann"), ("", "nobody"), ("   ", "nobody")])
def test_name_is_trimmed(text: str, result: str) -> None:
    """White space around a name is not part of it."""
    assert checked_name(text, field="display_name", default="nobody") == result


@pytest.mark.parametrize("text", ["x" * 101, "a\nb", "a\0b"])
def test_bad_name_is_refused(text: str) -> None:
    """Too long, or with characters that would break a line."""
    with pytest.raises(InvalidInput):
        checked_name(text, field="display_name")


def test_new_secret_has_form_and_checksum() -> None:
    """tk_, 43 characters of base62 (more than 256 bits), 6 of checksum; never the same twice."""
    one, other = new_api_key_secret(), new_api_key_secret()
    assert one != other
    assert is_api_key_secret(one)
    assert len(one) == 52
    assert one.startswith(shown_prefix(one))
    assert len(shown_prefix(one)) == 8


@given(st.integers(0, 51), st.sampled_from(string.ascii_letters + string.digits + "_- é"))
def test_typing_error_is_noticed(position: int, character: str) -> None:
    """A secret with one wrong character is no secret: CRC-32 finds every such error."""
    secret = new_api_key_secret()
    broken = secret[:position] + character + secret[position + 1 :]
    assert is_api_key_secret(broken) == (broken == secret)


@given(st.text(max_size=80))
def test_any_text_may_be_asked_about(text: str) -> None:
    """Arbitrary text is no secret, and nothing fails on it."""
    assert not is_api_key_secret(text)


def test_refresh_tokens_are_long_and_stored_as_digests() -> None:
    """256 random bits; the digest does not contain them."""
    token = new_refresh_token()
    assert len(token) == 3 + 43
    assert token not in digest(token)
    assert digest(token) != digest(new_refresh_token())


@pytest.mark.parametrize(
    ("end", "seconds"),
    [(None, 900), (NOW + timedelta(days=1), 900), (NOW + timedelta(seconds=60.5), 60), (NOW + timedelta(seconds=0.2), 0)],
)
def test_grant_does_not_outlive_its_key(end: datetime | None, seconds: int) -> None:
    """The token ends after its lifetime or with the key, whichever is first, in whole seconds."""
    grant = Grant.until(subject="apiKeys/K1", tenant=OWN, scopes=frozenset(), now=NOW, lifetime=timedelta(minutes=15), end=end)
    assert (grant.expires - grant.issued).total_seconds() == seconds
    assert end is None or grant.expires <= end
    assert grant.time_zone == "Europe/Paris"


@pytest.mark.parametrize(("seconds", "expired"), [(-1, True), (0, True), (1, False)])
def test_key_expires(seconds: int, expired: bool) -> None:
    """A key works until its time, not at it."""
    assert _key(set(), NOW + timedelta(seconds=seconds)).expired(NOW) == expired
    assert not _key(set()).expired(NOW)


def test_a_session_that_began_at_the_end_of_time_ends() -> None:
    """A stored row may say any instant, and the list of sessions is shown all the same."""
    began = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    session = Session(id="s", tenant="t", user="u", scopes=frozenset(), created=began)
    assert session.end(timedelta(days=90)) == datetime.max.replace(tzinfo=UTC)
