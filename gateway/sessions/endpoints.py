"""``/session`` for programs, ``/sign-in`` and ``/sign-out`` for people."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias
from urllib.parse import parse_qs

from gateway.http.endpoints import Answer, BodyRule, Endpoint, PageEndpoint
from gateway.http.exchange import Exchange
from gateway.http.headers import AS_A_PAGE, NOT_STORED, is_form, is_json, is_plain
from gateway.ports import IssuedTokens, SessionKeeper
from gateway.sessions.browser import BrowserSessions, local_path
from gateway.sessions.cookies import InsecureSite
from gateway.sessions.pages import SignInButton, SignInPages
from gateway.sessions.passkeys import passkey_endpoints
from gateway.transcoding.problems import Problem, ProblemDetails, UnsupportedMediaType, headers_of, http_status, problem
from gateway.transcoding.rendering import JSON_TYPE
from tocsin.errors import InvalidInput, ResourceExhausted, TocsinError, Unauthenticated, Unavailable
from tocsin.mesh.policy import MethodPolicy, policies
from tocsin.protojson.codec import dump_json, load_json

_MOST_BODY: Final = 16 * 1024
_ISSUE: Final = "/tocsin.api.auth.v1.AuthService/IssueToken"
_EXCHANGE: Final = "/tocsin.api.auth.v1.AuthService/ExchangeLink"
_SECOND_FACTOR: Final = "SECOND_FACTOR_REQUIRED"
_WRONG_CODE: Final = "SECOND_FACTOR_REFUSED"
_LATE_CODE: Final = "CHALLENGE_VOID"
_FIELDS: Final = ("username", "password", "grantType", "challenge", "code", "passkeyResponse")
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""A page runs the one script that it names, which asks this gateway alone."""
HTML: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    # With no-referrer a browser names no Origin when it sends a form.
    *(item for item in AS_A_PAGE if item[0] not in (b"referrer-policy", b"content-security-policy")),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", _POLICY),
)
"""Headers of these pages."""

Buttons: TypeAlias = Callable[[], Awaitable[Sequence[SignInButton]]]
"""The other ways in."""


async def no_buttons() -> Sequence[SignInButton]:
    """There is no other way in."""
    return ()


def session_endpoints(
    *, sessions: BrowserSessions, keeper: SessionKeeper, rule: BodyRule, buttons: Buttons = no_buttons
) -> Sequence[tuple[str, Endpoint]]:
    """The endpoints with their HTTP methods.

    Args:
        sessions: those of browsers.
        keeper: signs people in.
        rule: how bodies are read.
        buttons: other ways in than a password.
    """
    pages = _Pages(sessions, buttons)
    return (
        (
            "POST",
            SignInEndpoint(template="/session", policy=policies()[_ISSUE], sessions=sessions, sign_in=partial(_by_fields, keeper, rule)),
        ),
        ("GET", PageEndpoint(template="/session", page=_show_session, public=False)),
        ("DELETE", PageEndpoint(template="/session", page=pages.end_session)),
        ("GET", PageEndpoint(template="/sign-in", page=pages.sign_in)),
        ("GET", PageEndpoint(template="/sign-in/link/{token}", page=pages.link)),
        (
            "POST",
            SignInEndpoint(
                template="/sign-in/link/{token}", policy=policies()[_EXCHANGE], sessions=sessions, sign_in=partial(_by_link, keeper)
            ),
        ),
        ("POST", PageEndpoint(template="/sign-out", page=pages.sign_out)),
        *passkey_endpoints(sessions=sessions, keeper=keeper, rule=rule),
    )


class SignInEndpoint:
    """What signs in and opens a session: by JSON, answered with 204, or by a form, answered by a page or the way to the next one."""

    def __init__(
        self,
        *,
        template: str,
        policy: MethodPolicy,
        sessions: BrowserSessions,
        sign_in: Callable[[Exchange, str], Awaitable[IssuedTokens]],
    ) -> None:
        """Makes the endpoint.

        Args:
            template: its path template.
            policy: of the RPC that it calls, whose limits count.
            sessions: those of browsers.
            sign_in: signs in by a request, of a browser with a device token.
        """
        self.template = template
        self.policy: MethodPolicy | None = policy
        self.scope = ""
        self.public = True
        self.timeout = policy.timeout
        self._sessions = sessions
        self._sign_in = sign_in

    def problem(self, exchange: Exchange) -> Problem:
        """How its errors are shown: as a page to who sent a form."""
        return problem if is_json(_content_type(exchange)) else partial(error_page, exchange, self.template.startswith("/sign-in/link"))

    async def serve(self, exchange: Exchange) -> None:
        """Signs in.

        Raises:
            TocsinError: that is refused.
        """
        self._sessions.require_sign_in(exchange)
        await self._sessions.open(exchange, await self._sign_in(exchange, self._sessions.device(exchange)))
        if is_json(_content_type(exchange)):
            await exchange.send(204, NOT_STORED, b"")
        else:
            await exchange.send(303, ((b"location", asked_return_to(exchange).encode()), *NOT_STORED), b"")


async def _by_fields(keeper: SessionKeeper, rule: BodyRule, exchange: Exchange, device: str) -> IssuedTokens:
    body = await exchange.body(timeout=rule.timeout_seconds, most=_MOST_BODY)
    if not is_plain(exchange.headers) or not (is_form(_content_type(exchange)) or is_json(_content_type(exchange))):
        raise UnsupportedMediaType("The body must be application/json or application/x-www-form-urlencoded, in UTF-8.")
    fields = _form(body) if is_form(_content_type(exchange)) else _json(body)
    if device and not {"deviceToken", "device_token"} & fields.keys():
        fields = {**fields, "deviceToken": device}
    try:
        return await keeper.sign_in(fields)
    except TocsinError as error:
        if (
            error.error_reason == _WRONG_CODE and fields.get("grantType") == "second_factor"
        ):  # it may be answered again: the page asks once more
            error.metadata["challenge"] = str(fields.get("challenge", ""))
        raise


async def _by_link(keeper: SessionKeeper, exchange: Exchange, device: str) -> IssuedTokens:
    del device
    return await keeper.sign_in_by_link(exchange.variables["token"])


def _form(body: bytes) -> Mapping[str, object]:
    """The fields that the page has, each once; others, as password managers add, have no effect."""
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError as error:
        raise InvalidInput(f"The body is no form: {error}") from error
    for name in _FIELDS:
        if len(found.get(name, ())) > 1:
            raise InvalidInput.at(name, "given twice")
    return {name: found[name][0] for name in _FIELDS if name in found}


def _json(body: bytes) -> Mapping[str, object]:
    found = load_json(body)
    if not isinstance(found, dict):
        raise InvalidInput("The body must be an object.")
    return found


class _Pages:
    """The pages that show something, and what ends a session."""

    def __init__(self, sessions: BrowserSessions, buttons: Buttons) -> None:
        self._sessions = sessions
        self._buttons = buttons

    async def sign_in(self, exchange: Exchange) -> Answer:
        """The form; or, to who is signed in, the way on."""
        pages = pages_for(exchange)
        if not self._sessions.site(exchange).usable:
            return _insecure(pages)
        if await self._sessions.principal(exchange) is not None:
            return _page(pages.signed_in())
        return _page(pages.sign_in(buttons=await self._buttons()))

    async def link(self, exchange: Exchange) -> Answer:
        """The button of a link."""
        pages = pages_for(exchange)
        return _page(pages.link()) if self._sessions.site(exchange).usable else _insecure(pages)

    async def sign_out(self, exchange: Exchange) -> Answer:
        """Signs out by a form; a page leads on to the issuer, for a redirection after a form may not leave this site (CSP, form-action)."""
        if elsewhere := await self._sessions.close(exchange):
            return _page(pages_for(exchange).signed_out(elsewhere))
        return Answer(status=303, headers=((b"location", b"/sign-in"), *NOT_STORED), data=b"")

    async def end_session(self, exchange: Exchange) -> Answer:
        """Signs out; what is left to do elsewhere is told."""
        if elsewhere := await self._sessions.close(exchange):
            return Answer(headers=((b"content-type", JSON_TYPE.encode()), *NOT_STORED), data=dump_json({"endSessionUrl": elsewhere}))
        return Answer(status=204, headers=NOT_STORED, data=b"")


async def _show_session(exchange: Exchange) -> Answer:
    """Who is signed in, as the document of GET /v1/auth:verify names it."""
    who = exchange.principal
    if who is None:  # the door lets nobody through without a credential
        raise Unauthenticated
    shown = {
        "subject": who.subject,
        "tenant": f"tenants/{who.tenant}",
        "scopes": sorted(who.scopes),
        "timeZone": who.time_zone,
        **({"session": f"sessions/{who.session}"} if who.session else {}),
    }
    return Answer(headers=((b"content-type", JSON_TYPE.encode()), *NOT_STORED), data=dump_json(shown))


def error_page(exchange: Exchange, by_link: bool, error: TocsinError, trace_id: str) -> ProblemDetails:
    """An error as a page."""
    pages, wait = pages_for(exchange), error.retry_after
    fields = tuple(item for item in headers_of(error) if item[0] != b"www-authenticate")
    if error.error_reason == _SECOND_FACTOR:
        body = pages.second_factor(challenge=error.metadata.get("challenge", ""), passkey=has_passkey(error))
    elif error.error_reason == _WRONG_CODE and "challenge" in error.metadata:
        passkey = b"passkey=1" in exchange.query_string.split(b"&")
        body = pages.second_factor(challenge=error.metadata["challenge"], passkey=passkey, why=pages.word("wrong_code"))
    elif error.error_reason == _WRONG_CODE:
        body = pages.sign_in(why=pages.word("wrong_passkey"))
    elif error.error_reason == _LATE_CODE:
        body = pages.sign_in(why=pages.word("wrong_code"))
    elif by_link and isinstance(error, Unauthenticated | InvalidInput):
        body = pages.no_link()
    elif isinstance(error, InsecureSite):
        body = pages.refused(error.message, title="insecure")
    elif isinstance(error, Unauthenticated):
        body = pages.sign_in(why=pages.word("wrong"))
    elif isinstance(error, ResourceExhausted):
        body = pages.refused(pages.word("wait", seconds=max(1, math.ceil(wait or 1))))
    elif isinstance(error, Unavailable):
        body = pages.refused(pages.word("later"))
    else:
        body = pages.refused(f"{error.message} ({trace_id})" if trace_id else error.message)
    return ProblemDetails(status=http_status(error), headers=(*HTML, *fields), body=body)


def has_passkey(error: TocsinError) -> bool:
    """Whether a passkey answers the challenge of SECOND_FACTOR_REQUIRED."""
    return "passkey" in error.metadata.get("methods", "").split(",")


def _page(body: bytes, *, status: int = 200) -> Answer:
    return Answer(status=status, headers=HTML, data=body)


def _insecure(pages: SignInPages) -> Answer:
    return _page(pages.refused(InsecureSite().message, title="insecure"), status=400)


def pages_for(exchange: Exchange, *, return_to: str = "") -> SignInPages:
    """The pages in the language of who asks, that lead to ``return_to``, or to where the query says."""
    language = exchange.headers.get(b"accept-language", b"").decode("latin-1")
    return SignInPages(accept_language=language, return_to=return_to or asked_return_to(exchange))


def asked_return_to(exchange: Exchange) -> str:
    """Where to go after the sign-in, as the query says."""
    try:
        query = parse_qs(exchange.query_string.decode("ascii"), max_num_fields=20)
    except ValueError:
        return "/"
    return local_path(query.get("returnTo", ["/"])[0])


def _content_type(exchange: Exchange) -> bytes:
    return exchange.headers.get(b"content-type", b"")
