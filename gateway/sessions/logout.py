"""``POST /sign-in/oidc/{provider}/logout``: an issuer tells who has signed out (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8)."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs

from gateway.http.endpoints import BodyRule
from gateway.http.exchange import Exchange
from gateway.http.headers import NOT_STORED, is_form, is_plain
from gateway.ports import SignInProviders
from gateway.transcoding.oauth import token_problem
from gateway.transcoding.problems import Problem, ProblemDetails
from tocsin.errors import InvalidInput, NotFound, TocsinError
from tocsin.mesh.policy import MethodPolicy, policies

_LOG_OUT: Final = "/tocsin.api.auth.v1.OidcService/EndOidcSessions"
_MOST_BODY: Final = 64 * 1024
"""Twice what a token may have; an issuer may send more fields along (2.5)."""
_MOST_TOKEN: Final = 32 * 1024
_MOST_FIELDS: Final = 20
_FIELD: Final = "logout_token"


class BackChannelLogout:
    """The endpoint. The token is the credential: nothing else that comes along counts."""

    def __init__(self, *, providers: SignInProviders, rule: BodyRule, ended: Callable[[Collection[str]], None]) -> None:
        """Makes the endpoint; ``ended`` is told which sessions have ended."""
        self.template = "/sign-in/oidc/{provider}/logout"
        self.policy: MethodPolicy | None = replace(policies()[_LOG_OUT], rate_class="auth")  # it is asked by strangers
        self.scope = ""
        self.public = True
        self.timeout = self.policy.timeout
        self._providers = providers
        self._rule = rule
        self._ended = ended

    def problem(self, exchange: Exchange) -> Problem:
        """Errors as OAuth has them (2.8): what the issuer can mend is 400."""
        del exchange
        return _logout_problem

    async def serve(self, exchange: Exchange) -> None:
        """Ends what the token names; 200 if there was nothing to end, too (2.7).

        Raises:
            TocsinError: the token is refused, or nobody can tell now.
        """
        token = _token(exchange, await exchange.body(timeout=self._rule.timeout_seconds, most=_MOST_BODY))
        try:
            self._ended(await self._providers.log_out(exchange.variables["provider"], token))
        except NotFound as error:
            raise InvalidInput("There is no such identity provider.") from error
        await exchange.send(200, NOT_STORED, b"")


def _logout_problem(error: TocsinError, trace_id: str) -> ProblemDetails:
    """As at the token endpoint; the reason why a token was refused says which claim."""
    found = token_problem(error, trace_id)
    return found if found.status >= 500 or found.status in (413, 429) else token_problem(InvalidInput(_told(error)), trace_id)


def _told(error: TocsinError) -> str:
    why = error.metadata.get("why", "")
    return f"{error.message} ({why})" if why else error.message


def _token(exchange: Exchange, body: bytes) -> str:
    """The token of a form.

    Raises:
        InvalidInput: the body is no form, or it is not there exactly once.
    """
    if not (is_plain(exchange.headers) and is_form(exchange.headers.get(b"content-type", b""))):
        raise InvalidInput("The body must be application/x-www-form-urlencoded.")
    try:
        found = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict").get(_FIELD, [])
    except ValueError as error:
        raise InvalidInput("The body cannot be read.") from error
    if len(found) != 1 or not 0 < len(found[0]) <= _MOST_TOKEN:
        raise InvalidInput.at(_FIELD, f"must be there once, with 1 to {_MOST_TOKEN} characters")
    return found[0]
