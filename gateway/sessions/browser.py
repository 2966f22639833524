"""Sessions of browsers: a cookie with a secret that auth_svc turns into access tokens, which never leave the gateway."""

import contextlib
from typing import Final

from gateway.credentials import Authenticator, SessionEnded, cookie_credential
from gateway.http.exchange import Exchange
from gateway.ports import IssuedTokens, SessionKeeper
from gateway.sessions.cookies import CookieAmbiguous, InsecureSite, Site, require_same_origin, set_cookie, shown_secret
from gateway.transcoding.problems import HeadersInvalid
from gateway.trusted_proxies import TrustedProxies
from tocsin.clock import Clock
from tocsin.errors import TocsinError
from tocsin.mesh.tokens import Principal

_DEVICE: Final = "device-"
_DEVICE_SECONDS: Final = 365 * 24 * 3600
_LONGEST_PATH: Final = 2000
_ELSEWHERE: Final = ("/", "\\")
"""Behind the first slash these begin a host, as browsers read them (WHATWG URL, 4.4)."""


class BrowserSessions:
    """Opens, knows and ends them."""

    def __init__(self, *, keeper: SessionKeeper, authenticator: Authenticator, proxies: TrustedProxies, clock: Clock) -> None:
        """Makes them.

        Args:
            keeper: auth_svc, which has the sessions.
            authenticator: remembers what their secrets stand for.
            proxies: who may say that a browser came by TLS.
            clock: source of time.
        """
        self._keeper = keeper
        self._authenticator = authenticator
        self._proxies = proxies
        self._clock = clock

    def site(self, exchange: Exchange) -> Site:
        """Where the browser sees this gateway."""
        secure = exchange.is_tls or self._proxies.came_by_tls(exchange.peer, exchange.raw_headers)
        return Site.of(exchange.headers.get(b"host", b""), secure=secure)

    def credential(self, exchange: Exchange, *, safe: bool) -> bytes | None:
        """What stands in the place of the Authorization header of a request that has none; None without a session.

        Args:
            exchange: the request.
            safe: whether it changes nothing and ends at once.

        Raises:
            HeadersInvalid: the cookies are too long.
            CookieAmbiguous: there are several.
            SessionEnded: the cookie holds no secret.
            CrossSiteRefused: the request does not come from a page of this gateway.
        """
        if b"cookie" not in exchange.headers:
            return None
        site = self.site(exchange)
        secret = shown_secret(exchange.headers, site.cookie()) if site.usable else None
        if secret is None:
            return None
        if not secret:
            raise SessionEnded
        require_same_origin(exchange.headers, site, safe=safe)
        return cookie_credential(secret)

    async def principal(self, exchange: Exchange) -> Principal | None:
        """Who has a session in this browser; None if nobody, or nobody can say now."""
        secret = self._secret(exchange)
        if not secret:
            return None
        try:
            return await self._authenticator.authenticate(cookie_credential(secret))
        except TocsinError:
            return None

    def require_sign_in(self, exchange: Exchange) -> None:
        """Returns if a browser may sign in by this request: from a page of this gateway, by a way that nobody listens to.

        Raises:
            InsecureSite: it came by plain http from elsewhere.
            CrossSiteRefused: it comes from another page, which would sign its reader in as somebody else.
        """
        site = self.site(exchange)
        if not site.usable:
            raise InsecureSite
        require_same_origin(exchange.headers, site, safe=False, strangers=True)

    def device(self, exchange: Exchange) -> str:
        """The device token that this browser got at an earlier sign-in; empty without one."""
        try:
            return shown_secret(exchange.headers, self.site(exchange).cookie(_DEVICE)) or ""
        except (HeadersInvalid, CookieAmbiguous):
            return ""

    async def open(self, exchange: Exchange, issued: IssuedTokens) -> None:
        """Gives the browser a session of its own: what was there before ends, so that nobody's secret from before is good for it.

        Args:
            exchange: the sign-in, whose answer has the cookie.
            issued: what auth_svc answered to it.

        Raises:
            InsecureSite: the browser came by plain http from elsewhere.
            TocsinError: auth_svc cannot open it.
        """
        site = self.site(exchange)
        if not site.usable:
            raise InsecureSite
        opened = await self._keeper.open_session(issued.refresh_token)
        await self._end(self._secret(exchange))
        seconds = max(1, int((opened.ends - self._clock.now()).total_seconds()))
        exchange.add_header(b"set-cookie", set_cookie(site, site.cookie(), opened.secret, seconds=seconds))
        if issued.device_token:
            device = set_cookie(site, site.cookie(_DEVICE), issued.device_token, seconds=_DEVICE_SECONDS)
            exchange.add_header(b"set-cookie", device)

    async def close(self, exchange: Exchange) -> str:
        """Signs out; where the browser signs out at the issuer whose word signed it in, or empty. Without a session it is no error.

        Raises:
            CrossSiteRefused: the request does not come from a page of this gateway.
            TocsinError: auth_svc cannot be told.
        """
        require_same_origin(exchange.headers, self.site(exchange), safe=False)
        elsewhere = await self._end(self._secret(exchange))
        self.clear(exchange)
        return elsewhere

    def clear(self, exchange: Exchange) -> None:
        """Removes the cookie by the answer."""
        site = self.site(exchange)
        exchange.add_header(b"set-cookie", set_cookie(site, site.cookie(), "", seconds=0))

    async def _end(self, secret: str) -> str:
        if not secret:
            return ""
        elsewhere = await self._keeper.close_session(secret)
        self._authenticator.forget(cookie_credential(secret))
        return elsewhere

    def _secret(self, exchange: Exchange) -> str:
        site = self.site(exchange)
        with contextlib.suppress(HeadersInvalid, CookieAmbiguous):
            return (shown_secret(exchange.headers, site.cookie()) if site.usable else None) or ""
        return ""


def local_path(text: str) -> str:
    """Where to go after a sign-in: a path of this gateway, or its first page in place of anything else (CWE-601)."""
    if len(text) > _LONGEST_PATH or not text.startswith("/") or text[1:2] in _ELSEWHERE or not text.isascii() or not text.isprintable():
        return "/"
    return text
