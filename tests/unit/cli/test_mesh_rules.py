"""Rules of access from the words of a command."""

import pytest
import typer

from tocsin.cli.mesh_rules import access_rule, version_share


def test_conditions_become_fields_of_the_rule() -> None:
    """Values of one name together; what must not match, and claims, each in its place."""
    rule = access_rule(
        "one",
        ["/a.B/C", "/a.B/"],
        action="DENY",
        when=["tenants=acme", "tenants=b*", "not_principals=*/gateway", "claims.amr=otp", "not_claims.amr=sms", "claims.level=3"],
        but=["/a.B/D"],
        tried=True,
    )
    assert rule == {
        "name": "one",
        "action": "DENY",
        "methods": ["/a.B/C", "/a.B/"],
        "notMethods": ["/a.B/D"],
        "dryRun": True,
        "tenants": ["acme", "b*"],
        "notPrincipals": ["*/gateway"],
        "claims": [{"claim": "amr", "values": ["otp"], "notValues": ["sms"]}, {"claim": "level", "values": ["3"]}],
    }


@pytest.mark.parametrize("text", ["", "tenants", "tenants=", "tenant=acme", "claims.=x", "claims=x", "not_=x", "=x"])
def test_what_is_no_condition_is_told(text: str) -> None:
    """With the names that there are."""
    with pytest.raises(typer.BadParameter, match="principals, tenants, subjects, scopes"):
        access_rule("one", ["*"], action="ALLOW", when=[text], but=[], tried=False)


def test_a_share_becomes_a_field_of_the_split() -> None:
    """Whole or not."""
    assert version_share("2=5") == {"version": "2", "percent": 5.0}
    assert version_share("v1.4-rc=0.5") == {"version": "v1.4-rc", "percent": 0.5}


@pytest.mark.parametrize("text", ["", "2", "2=", "=5", "2=nan", "2=inf", "2=-1", "2=100.1", "2=five"])
def test_what_is_no_share_is_told(text: str) -> None:
    """With its form."""
    with pytest.raises(typer.BadParameter, match="VERSION=PERCENT"):
        version_share(text)
