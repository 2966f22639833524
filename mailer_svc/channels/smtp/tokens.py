"""Signing in to SMTP servers with tokens instead of passwords: what Microsoft and Google ask for."""

from enum import StrEnum
from typing import Final

from mailer_svc.channels.oauth import AuthorizationGrant, ClientCredentials, GoogleServiceAccount, OAuthFailed, TokenSource
from mailer_svc.channels.smtp.replies import SmtpFailure, SmtpPhase
from mailer_svc.domain import SendResult
from tocsin.clock import Clock
from tocsin.egress.client import HttpClient

_MICROSOFT_URL: Final = "https://login.microsoftonline.com/{directory}/oauth2/v2.0/token"
_MICROSOFT_SCOPE: Final = "https://outlook.office365.com/.default"  # with the application role SMTP.SendAsApp
_GOOGLE_SCOPE: Final = "https://mail.google.com/"


class OAuthIssuer(StrEnum):
    """Who gives the tokens."""

    NONE = ""
    MICROSOFT = "microsoft"
    GOOGLE = "google"


def microsoft(*, directory: str, client_id: str, secret: str, token_url: str = "") -> AuthorizationGrant:
    """The credentials of an application that is registered in a directory (tenant) of Microsoft Entra."""
    url = token_url or _MICROSOFT_URL.format(directory=directory)
    return ClientCredentials(token_url=url, client_id=client_id, client_secret=secret, scope=_MICROSOFT_SCOPE)


def google(*, account: str, user: str) -> AuthorizationGrant:
    """A service account (its key file) that acts for a user of its domain.

    Raises:
        ValueError: it is no such file; the words hold nothing of it.
    """
    return GoogleServiceAccount.parse(account, scope=_GOOGLE_SCOPE, subject=user)


class SmtpTokens:
    """Tokens of a grant, whose failures are those of signing in; closes the connections that they come by."""

    def __init__(self, *, grant: AuthorizationGrant, http: HttpClient, clock: Clock) -> None:
        self._source = TokenSource(grant=grant, http=http, clock=clock)
        self._http = http

    async def token(self) -> str:
        """The one to use now.

        Raises:
            SmtpFailure: at `SmtpPhase.AUTH`: there is none.
        """
        try:
            return await self._source.token()
        except OAuthFailed as error:
            refused = error.outcome.result is SendResult.MISCONFIGURED
            raise SmtpFailure(SmtpPhase.AUTH, error.outcome.detail, credentials=refused) from error

    def invalidate(self, token: str) -> None:
        """Forgets one that was refused."""
        self._source.invalidate(token)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
