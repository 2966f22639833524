"""``/sign-in/oidc/{provider}``: the way to an identity provider, and back.

A cookie of its own binds the way back to the browser that set out: SameSite=Lax, for the issuer's redirection has to bring it. The answer
to who comes back is a page and no redirection, which would still be the issuer's and bring no session (RFC 6265bis, 5.2).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

from gateway.http.endpoints import BodyRule, Endpoint
from gateway.http.exchange import Exchange
from gateway.http.headers import NOT_STORED
from gateway.ports import OidcReturn, SignInProviders
from gateway.sessions.browser import BrowserSessions, local_path
from gateway.sessions.cookies import CookieAmbiguous, InsecureSite, Site, set_cookie, shown_secret
from gateway.sessions.endpoints import HTML, Buttons, asked_return_to, error_page, has_passkey, pages_for
from gateway.sessions.logout import BackChannelLogout
from gateway.sessions.pages import SignInButton
from gateway.transcoding.problems import HeadersInvalid, Problem, ProblemDetails, headers_of, http_status
from tocsin.errors import InvalidInput, NotFound, TocsinError, Unauthenticated
from tocsin.mesh.policy import MethodPolicy, policies

_BEGIN: Final = "/tocsin.api.auth.v1.OidcService/BeginOidcSignIn"
_COMPLETE: Final = "/tocsin.api.auth.v1.OidcService/CompleteOidcSignIn"
_COOKIE: Final = "oidc-"
_COOKIE_SECONDS: Final = 600
_PATH: Final = "/sign-in/oidc/{provider}"
_BACK: Final = ("state", "code", "iss", "error")
_MOST_FIELDS: Final = 20
_SECOND_FACTOR: Final = "SECOND_FACTOR_REQUIRED"
_REASONS: Final[Mapping[str, str]] = {
    "OIDC_SIGN_IN_VOID": "oidc_void",
    "ISSUER_ANSWER_REFUSED": "oidc_answer",
    "ISSUER_DENIED": "oidc_denied",
    "ISSUER_UNAVAILABLE": "oidc_unavailable",
    "IDENTITY_PROVIDER_NOT_FOUND": "oidc_unknown",
    "PUBLIC_URL_MISSING": "oidc_unknown",
}
_DENIALS: Final[Mapping[str, str]] = {
    "NO_ROLE": "denied_role",
    "NO_USER": "denied_user",
    "NO_ADDRESS": "denied_address",
    "ADDRESS_TAKEN": "denied_taken",
    "DOMAIN": "denied_domain",
    "GROUPS_ELSEWHERE": "denied_groups",
}


def oidc_endpoints(
    *, sessions: BrowserSessions, providers: SignInProviders, rule: BodyRule, ended: Callable[[Collection[str]], None]
) -> Sequence[tuple[str, Endpoint]]:
    """The endpoints with their HTTP methods; ``ended`` is told which sessions an issuer has ended."""
    ways = _Ways(sessions, providers)
    return (
        ("GET", OidcEndpoint(template=_PATH, policy=policies()[_BEGIN], answer=ways.there)),
        ("GET", OidcEndpoint(template=f"{_PATH}/callback", policy=policies()[_COMPLETE], answer=ways.back)),
        ("POST", BackChannelLogout(providers=providers, rule=rule, ended=ended)),
    )


def oidc_buttons(providers: SignInProviders) -> Buttons:
    """The providers that the sign-in page shows; none while nobody can say."""

    async def buttons() -> Sequence[SignInButton]:
        try:
            found = await providers.listed()
        except TocsinError:
            return ()
        return [SignInButton(name=name, path=_PATH.format(provider=provider)) for provider, name in found]

    return buttons


class OidcEndpoint:
    """One of the two; what goes wrong is shown as a page."""

    def __init__(self, *, template: str, policy: MethodPolicy, answer: Callable[[Exchange], Awaitable[None]]) -> None:
        """Makes the endpoint; the limits of ``policy`` count."""
        self.template = template
        self.policy: MethodPolicy | None = policy
        self.scope = ""
        self.public = True
        self.timeout = policy.timeout
        self._answer = answer

    def problem(self, exchange: Exchange) -> Problem:
        """How its errors are shown."""

        def shown(error: TocsinError, trace_id: str) -> ProblemDetails:
            return _error_page(exchange, error, trace_id)

        return shown

    async def serve(self, exchange: Exchange) -> None:
        """Goes there, or comes back."""
        await self._answer(exchange)


class _Ways:
    def __init__(self, sessions: BrowserSessions, providers: SignInProviders) -> None:
        self._sessions = sessions
        self._providers = providers

    async def there(self, exchange: Exchange) -> None:
        """Sends the browser to the issuer."""
        site = self._usable(exchange)
        begun = await self._providers.begin(
            exchange.variables["provider"],
            return_to=asked_return_to(exchange),
            origin=_origin(site),
            binding=_binding(exchange, site),
        )
        cookie = set_cookie(site, site.cookie(_COOKIE), begun.binding, seconds=_COOKIE_SECONDS, same_site="Lax")
        await exchange.send(303, ((b"location", begun.url.encode()), (b"set-cookie", cookie), *NOT_STORED), b"")

    async def back(self, exchange: Exchange) -> None:
        """Opens a session of who comes back."""
        site = self._usable(exchange)
        fields, binding = _fields(exchange.query_string), _binding(exchange, site)
        if not (fields.get("state") and binding):
            raise Unauthenticated("This sign-in did not begin in this browser.", reason="OIDC_SIGN_IN_VOID")
        returned = OidcReturn(
            state=fields["state"],
            code=fields.get("code", ""),
            issuer=fields.get("iss"),
            error=fields.get("error", ""),
            binding=binding,
        )
        device = self._sessions.device(exchange)
        done = await self._providers.complete(returned, device=device)
        await self._sessions.open(exchange, done.tokens)
        page = pages_for(exchange, return_to=local_path(done.return_to)).signed_in(at_once=True)
        await exchange.send(200, HTML, page)

    def _usable(self, exchange: Exchange) -> Site:
        site = self._sessions.site(exchange)
        if not site.usable:
            raise InsecureSite
        return site


def _origin(site: Site) -> str:
    """Where the browser sees this gateway, if that is its own machine: it comes back to the name that has its cookie."""
    return f"http://{site.host.decode('latin-1')}" if site.local and not site.secure else ""


def _binding(exchange: Exchange, site: Site) -> str:
    """The secret of this browser; empty if it has none."""
    try:
        return shown_secret(exchange.headers, site.cookie(_COOKIE)) or ""
    except (HeadersInvalid, CookieAmbiguous):
        return ""


def _fields(query: bytes) -> Mapping[str, str]:
    """What the issuer sent along, each once; what it adds has no effect (RFC 6749, 4.1.2).

    Raises:
        InvalidInput: it cannot be read, or is there twice.
    """
    try:
        found = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise InvalidInput("The query cannot be read.") from error
    for name in _BACK:
        if len(found.get(name, ())) > 1:
            raise InvalidInput.at(name, "given twice")
    return {name: found[name][0] for name in _BACK if name in found}


def _error_page(exchange: Exchange, error: TocsinError, trace_id: str) -> ProblemDetails:
    """Why somebody is not signed in, in words that help; and a way back."""
    pages = pages_for(exchange)
    word = _DENIALS.get(error.metadata.get("why", "")) if error.error_reason == "NOT_ADMITTED" else _REASONS.get(error.error_reason)
    if error.error_reason == _SECOND_FACTOR:
        pages = pages_for(exchange, return_to=local_path(error.metadata.get("returnTo", "")))
        body = pages.second_factor(challenge=error.metadata.get("challenge", ""), passkey=has_passkey(error))
    elif word is not None:
        body = pages.refused(pages.word(word))
    elif isinstance(error, NotFound):
        body = pages.refused(pages.word("oidc_unknown"))
    else:
        return error_page(exchange, False, error, trace_id)
    fields = tuple(item for item in headers_of(error) if item[0] != b"www-authenticate")
    return ProblemDetails(status=http_status(error), headers=(*HTML, *fields), body=body)
