"""The tests' own signer: what it mints verifies with its JWKS, and can be made to be refused."""

import base64

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tocsin.clock import SystemClock
from tocsin.testing.tokens import AUDIENCE, ISSUER, TokenMint


def _decode(mint: TokenMint, token: str) -> dict[str, object]:
    key = jwt.PyJWKSet.from_dict(mint.jwks())[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER)


def test_minted_token_verifies_with_the_jwks() -> None:
    """A standard JWT library accepts the token by the published key alone, and finds the claims."""
    mint = TokenMint(clock=SystemClock())
    claims = _decode(mint, mint.mint(tenant="T1", scopes=["alarms:write"], zone="Europe/Paris"))
    assert claims["tenant"] == "T1"
    assert claims["scope"] == "alarms:write profile:read"
    assert claims["zoneinfo"] == "Europe/Paris"


def test_key_id_is_the_thumbprint() -> None:
    """The kid is the RFC 7638 thumbprint, by the example of RFC 8037, appendix A.3."""
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    mint = TokenMint(clock=SystemClock(), key=Ed25519PrivateKey.from_private_bytes(seed))
    assert mint.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_fetch_gives_the_key_set() -> None:
    """The asynchronous source gives the same set."""
    mint = TokenMint(clock=SystemClock())
    assert await mint.fetch() == mint.jwks()


@pytest.mark.parametrize(("lifetime", "claims"), [(-10, {}), (900, {"aud": "other"}), (900, {"iss": "other"})])
def test_bad_tokens_can_be_minted(lifetime: float, claims: dict[str, object]) -> None:
    """Expired and foreign tokens are refused by a standard library."""
    mint = TokenMint(clock=SystemClock())
    with pytest.raises(jwt.InvalidTokenError):
        _decode(mint, mint.mint(tenant="T1", lifetime=lifetime, claims=claims))
