"""What an identity provider may be, and who may set one up: on each database."""

from typing import Any

import pytest
from sqlalchemy import update

from auth_svc.domain import IdentityProvidersFull, ScopeNotHeld, TokenCaller
from auth_svc.store.identity_tables import identity_providers
from tests.integration.auth.oidc_office import OidcOffice
from tocsin.errors import InvalidInput


async def test_nobody_gives_what_they_lack(desk: OidcOffice) -> None:
    """Not by a rule, not by a default, not by changing the issuer of a provider whose rules give more; nor by linking a mightier user."""
    ann = TokenCaller(
        tenant=desk.owner.tenant,
        subject=desk.owner.name,
        scopes=frozenset({"alarms:read", "alarms:write", "account:read", "account:write"}),
    )
    gifts: list[dict[str, Any]] = [
        {},
        {"rules": (), "default_role": "roles/admin"},
        {"rules": (), "link_by_email": True, "allowed_domains": ("a.example",)},
    ]
    for more in gifts:
        with pytest.raises(ScopeNotHeld):
            await desk.providers.create(ann, desk.draft(**more))
    await desk.providers.create(ann, desk.draft("small", rules=(), default_role="roles/operator"))
    await desk.provider()
    with pytest.raises(ScopeNotHeld):
        await desk.providers.change(ann, desk.draft(display_name="Mine"), ["display_name"])
    with pytest.raises(ScopeNotHeld):
        await desk.providers.change(ann, desk.draft(rules=(), default_role="roles/operator"), ["role_rules", "default_role"])
    with pytest.raises(ScopeNotHeld):
        await desk.providers.link(ann, desk.owner.id, issuer=desk.issuer.url, subject="me")


async def test_what_no_provider_is(desk: OidcOffice) -> None:
    """It is refused with its field."""
    refused: list[tuple[dict[str, Any], str]] = [
        ({"issuer": "http://10.0.0.1"}, "issuer"),
        ({"issuer": "https://10.0.0.1"}, "issuer"),
        ({"issuer": "http://idp.example.com"}, "issuer"),
        ({"issuer": "https://u:p@idp.example.com"}, "issuer"),
        ({"issuer": "https://idp.example.com/?x"}, "issuer"),
        ({"issuer": "https://login.example.com/{tenantid}/v2.0"}, "issuer"),
        ({"issuer": "ftp://idp.example.com"}, "issuer"),
        ({"issuer": ""}, "issuer"),
        ({"client_id": ""}, "clientId"),
        ({"client_id": "a\nb"}, "clientId"),
        ({"display_name": "a\nb"}, "displayName"),
        ({"allowed_domains": ("exa mple.com",)}, "allowedDomains[0]"),
        ({"allowed_domains": ("com",)}, "allowedDomains[0]"),
        ({"link_by_email": True}, "linkByEmail"),
        ({"default_role": "roles/emperor"}, "roleRules"),
    ]
    for more, field in refused:
        with pytest.raises(InvalidInput) as error:
            await desk.provider(**more)
        assert error.value.violations[0].field == f"identityProvider.{field}", more


async def test_a_provider_is_listed_by_the_operator_alone(desk: OidcOffice) -> None:
    """The sign-in page shows no stranger's buttons."""
    await desk.provider(listed=True)
    eve = desk.office.caller(await desk.office.user("eve@example.com"))
    with pytest.raises(InvalidInput):
        await desk.providers.create(eve, desk.draft("evil", listed=True))
    assert [each.id for each in await desk.sign_ins.listed()] == ["sso"]
    await desk.change(disabled=True)
    assert await desk.sign_ins.listed() == []


async def test_the_secret_is_sealed_and_bound_to_its_issuer(desk: OidcOffice) -> None:
    """A copy of the database does not show it, and another issuer is never sent it."""
    made = await desk.provider()
    assert made.sealed_secret
    assert "s3cr3t" not in made.sealed_secret
    assert "s3cr3t" not in repr(made)
    with pytest.raises(InvalidInput) as refused:
        await desk.change(issuer="https://idp.example.com")
    assert refused.value.violations[0].field == "identityProvider.clientSecret"
    await desk.change(display_name="Other")
    await desk.sign_in()


async def test_a_tenant_has_so_many_providers(desk: OidcOffice) -> None:
    """And no more."""
    for number in range(20):
        await desk.provider(f"p{number}")
    with pytest.raises(IdentityProvidersFull):
        await desk.provider("one-more")


@pytest.mark.parametrize("column", ["scopes", "groups_claim", "role_rules", "allowed_domains", "session_seconds"])
async def test_a_row_that_cannot_be_read_costs_that_provider_alone(desk: OidcOffice, column: str) -> None:
    """Neither the tenant's list nor the sign-in page breaks, nobody signs in by it, and it can be removed."""
    await desk.provider(listed=True)
    await desk.providers.create(desk.caller, desk.draft("other", listed=True))
    store, tenant = desk.office.store, desk.owner.tenant
    for spoilt in (2**62, -(2**62)) if column == "session_seconds" else ("{", "null", "[1]", '{"a": 1}', '"text"'):
        async with desk.office.database.transaction() as connection:
            await connection.execute(update(identity_providers).where(identity_providers.c.id == "sso").values({column: spoilt}))
        assert [each.id for each in await store.list_identity_providers(tenant, after="", limit=10)] == ["other"], spoilt
        assert [each.id for each in await desk.sign_ins.listed()] == ["other"], spoilt
        assert await store.find_identity_provider("sso") is None
    await store.remove_identity_provider(tenant, "sso")
