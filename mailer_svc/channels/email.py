"""Email by SMTP: its settings, and a provider for each server."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from mailer_svc.channels import sendgrid
from mailer_svc.channels.http import HttpProvider, PlainApi
from mailer_svc.channels.limits import HttpSettings, limits_of
from mailer_svc.channels.mime import ListLinks, MailComposer, Sender
from mailer_svc.channels.oauth import AuthorizationGrant
from mailer_svc.channels.outgoing import OutgoingMail
from mailer_svc.channels.sendgrid import SendGridConfig
from mailer_svc.channels.smtp import SmtpConnector, SmtpProvider, SmtpRule, SmtpServer
from mailer_svc.channels.smtp.session import Timeouts
from mailer_svc.channels.smtp.tokens import OAuthIssuer, SmtpTokens, google, microsoft
from mailer_svc.channels.smtp.urls import SmtpUrl, TlsMode, parse_urls
from mailer_svc.channels.spec import ChannelSpec, Configured, Parts, ProviderConfig, ProviderKind
from mailer_svc.domain import KEY_BYTES, ReturnPaths, UnsubscribeTokens, Unsubscription
from tocsin.addresses import normal_address, parse_mailbox
from tocsin.egress.client import HttpLimits
from tocsin.errors import InvalidInput
from tocsin.installation_key import InstallationKey

UNSUBSCRIBE_PATH = "/u/"
"""Where the gateway takes tokens of links to leave."""

_PORTS = {"none": 25, "starttls": 587, "implicit": 465}


class EmailSettings(HttpSettings):
    """Everything that can be set for email."""

    smtp_host: str = Field("", max_length=253, description="SMTP server; empty: there is no provider for email.")
    smtp_port: int = Field(0, ge=0, le=65535, description="Its port; 0: 587 with starttls, 465 with implicit, 25 with none.")
    smtp_tls: Literal["none", "starttls", "implicit"] = Field(
        "starttls", description="Encryption: STARTTLS (mandatory then), TLS from the first byte, or none."
    )
    smtp_ca_file: Path | None = Field(None, description="Certificates (PEM) to trust for the SMTP server instead of the system's.")
    smtp_username: str = Field("", description="User for AUTH; empty: no AUTH.")
    smtp_password: SecretStr | None = Field(None, description="The user's password.")
    smtp_oauth: Literal["", "microsoft", "google"] = Field(
        "", description="Signs in as smtp_username with a token (XOAUTH2) of Microsoft or Google instead of a password; empty: does not."
    )
    smtp_oauth_directory: str = Field("", pattern=r"^[A-Za-z0-9.-]*$", description="Microsoft: the directory (tenant) of the application.")
    smtp_oauth_client_id: str = Field("", description="Microsoft: the application's id; it needs the role SMTP.SendAsApp.")
    smtp_oauth_client_secret: SecretStr | None = Field(None, description="Microsoft: the application's secret.")
    smtp_oauth_service_account: SecretStr | None = Field(
        None, description="Google: the key file (JSON) of a service account that may act for smtp_username in the domain."
    )
    smtp_oauth_token_url: str = Field(
        "", pattern=r"^(https?://.*)?$", description="Microsoft: another token endpoint, such as of a national cloud."
    )
    smtp_fallbacks: SecretStr | None = Field(
        None,
        description="Further SMTP servers, each used while those before it do not work: URLs with blanks between, "
        "smtps://user:password@host:465, smtp+starttls://user:password@host:587 or smtp://host:25.",
    )
    smtp_from: str = Field("Tocsin <tocsin@localhost>", description='Sender: "ann@example.com" or "Ann <ann@example.com>".')
    smtp_reply_to: str = Field("", description="Where answers go, in the same form; empty: to the sender.")
    smtp_return_path: str = Field(
        "",
        description="Address that reports of failures come to, in the domain of the sender; what is before its @-sign gets +<delivery> "
        "behind it, so the mail server has to take such addresses. Empty: the sender, and nobody reads them.",
    )
    smtp_unsubscribe_address: str = Field(
        "", description="Address that List-Unsubscribe names beside the link; what comes there has to reach TOCSIN_MAILER_BOUNCE_PORT."
    )
    smtp_helo: str = Field("", pattern=r"^[A-Za-z0-9.:\[\]-]*$", description="Name given with EHLO; empty: this host's.")
    smtp_connections: int = Field(16, ge=1, le=1000, description="Connections to the SMTP server at most; each carries one mail at a time.")
    smtp_connection_messages: int = Field(500, ge=1, description="Mails on one connection before it is replaced.")
    smtp_idle_seconds: float = Field(30.0, gt=0, description="An idle connection is closed after this long.")
    smtp_connect_timeout_seconds: float = Field(15.0, gt=0, description="Longest wait for a connection that is ready for mail.")
    smtp_command_timeout_seconds: float = Field(30.0, gt=0, description="Longest wait for the reply to a command.")
    smtp_end_timeout_seconds: float = Field(120.0, gt=0, description="Longest wait for the reply to a complete mail.")

    sendgrid_api_key: SecretStr | None = Field(None, description="API key of SendGrid; empty: it is not used. It sends from smtp_from.")
    sendgrid_webhook_key: str = Field(
        "", description="Verification key of SendGrid's signed event webhook (base64); empty: no event of it is believed."
    )
    sendgrid_url: str = Field(sendgrid.URL, pattern=r"^https?://", description="Where SendGrid is; https://api.eu.sendgrid.com for the EU.")
    email_lane: tuple[Literal["smtp", "sendgrid"], ...] = Field(
        ("smtp", "sendgrid"), min_length=1, description="Which of the configured providers of email are used, the preferred one first."
    )

    @field_validator("smtp_fallbacks")
    @classmethod
    def _urls(cls, value: SecretStr | None) -> SecretStr | None:
        parse_urls(value.get_secret_value() if value else "")
        return value

    @field_validator("smtp_from", "smtp_reply_to", "smtp_return_path", "smtp_unsubscribe_address")
    @classmethod
    def _one_mailbox(cls, value: str, info: ValidationInfo) -> str:
        return _mailbox(value, info.field_name or "")

    @model_validator(mode="after")
    def _whole(self) -> "EmailSettings":
        if self.smtp_password is not None and not self.smtp_username:
            raise ValueError("TOCSIN_MAILER_SMTP_PASSWORD needs TOCSIN_MAILER_SMTP_USERNAME")
        if self.smtp_fallbacks is not None and not self.smtp_host:
            raise ValueError("TOCSIN_MAILER_SMTP_FALLBACKS needs TOCSIN_MAILER_SMTP_HOST, the server to use first")
        if self.smtp_username and self.smtp_tls == "none":
            raise ValueError("TOCSIN_MAILER_SMTP_USERNAME: a password is not sent without TLS; set TOCSIN_MAILER_SMTP_TLS")
        return self

    @model_validator(mode="after")
    def _tokens(self) -> "EmailSettings":
        if self.smtp_oauth and (not self.smtp_username or self.smtp_password is not None):
            raise ValueError("TOCSIN_MAILER_SMTP_OAUTH needs TOCSIN_MAILER_SMTP_USERNAME, and no TOCSIN_MAILER_SMTP_PASSWORD")
        where = self.smtp_oauth_directory or self.smtp_oauth_token_url
        if self.smtp_oauth == "microsoft" and not (where and self.smtp_oauth_client_id and self.smtp_oauth_client_secret):
            raise ValueError(
                "TOCSIN_MAILER_SMTP_OAUTH=microsoft needs TOCSIN_MAILER_SMTP_OAUTH_DIRECTORY, TOCSIN_MAILER_SMTP_OAUTH_CLIENT_ID and "
                "TOCSIN_MAILER_SMTP_OAUTH_CLIENT_SECRET"
            )
        if self.smtp_oauth == "google":
            account = self.smtp_oauth_service_account
            try:
                google(account=account.get_secret_value() if account else "", user=self.smtp_username)
            except ValueError as error:
                raise ValueError(f"TOCSIN_MAILER_SMTP_OAUTH_SERVICE_ACCOUNT: {error}") from None
        return self

    @property
    def resolved_smtp_port(self) -> int:
        """The port in force."""
        return self.smtp_port or _PORTS[self.smtp_tls]


class SmtpConfig(ProviderConfig):
    """What can be set for an SMTP server."""

    operator_only: ClassVar[frozenset[str]] = frozenset({"ca_file"})

    host: str = Field(max_length=253, min_length=1, description="Its name or address.")
    port: int = Field(default=587, ge=1, le=65535, description="Its port.")
    tls: TlsMode = Field(default=TlsMode.STARTTLS, description="Encryption: STARTTLS (mandatory then), TLS from the first byte, or none.")
    ca_file: Path | None = Field(default=None, description="Certificates (PEM) to trust instead of the system's.")
    username: str = Field(default="", max_length=320, description="User for AUTH; empty: no AUTH.")
    password: SecretStr = Field(default=SecretStr(""), description="The user's password.")
    sender: str = Field(max_length=320, description='Sender: "ann@example.com" or "Ann <ann@example.com>".')
    reply_to: str = Field(default="", max_length=320, description="Where answers go, in the same form; empty: to the sender.")
    return_path: str = Field(default="", max_length=320, description="Address that reports of failures come to; empty: the sender.")
    unsubscribe_address: str = Field(default="", max_length=320, description="Address that List-Unsubscribe names beside the link.")
    oauth: OAuthIssuer = Field(default=OAuthIssuer.NONE, description="Who gives tokens to sign in with instead of a password.")
    oauth_directory: str = Field(default="", max_length=100, pattern=r"^[A-Za-z0-9.-]*$", description="Microsoft: the directory (tenant).")
    oauth_client_id: str = Field(default="", max_length=100, description="Microsoft: the application's id.")
    oauth_client_secret: SecretStr = Field(default=SecretStr(""), description="Microsoft: the application's secret.")
    oauth_service_account: SecretStr = Field(default=SecretStr(""), description="Google: the key file (JSON) of a service account.")
    oauth_token_url: str = Field(default="", max_length=500, pattern=r"^(https?://.*)?$", description="Microsoft: another token endpoint.")
    helo: str = Field(default="", max_length=253, pattern=r"^[A-Za-z0-9.:\[\]-]*$", description="Name given with EHLO; empty: this host's.")
    connection_messages: int = Field(default=500, ge=1, description="Mails on one connection before it is replaced.")
    idle_seconds: float = Field(default=30.0, gt=0, description="An idle connection is closed after this long.")
    connect_timeout_seconds: float = Field(default=15.0, gt=0, description="Longest wait for a connection that is ready for mail.")
    command_timeout_seconds: float = Field(default=30.0, gt=0, description="Longest wait for the reply to a command.")
    end_timeout_seconds: float = Field(default=120.0, gt=0, description="Longest wait for the reply to a complete mail.")

    @field_validator("sender", "reply_to", "return_path", "unsubscribe_address")
    @classmethod
    def _one_mailbox(cls, value: str, info: ValidationInfo) -> str:
        return _mailbox(value, info.field_name or "")

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> "SmtpConfig":
        if self.username and self.tls is TlsMode.NONE:
            raise ValueError("a password is not sent without TLS")
        if self.oauth and not self.username:
            raise ValueError("tokens need a user name")
        if self.oauth is OAuthIssuer.MICROSOFT and not (
            (self.oauth_directory or self.oauth_token_url) and self.oauth_client_id and self.oauth_client_secret.get_secret_value()
        ):
            raise ValueError("tokens of Microsoft need a directory, the application's id and its secret")
        if self.oauth is OAuthIssuer.GOOGLE:
            grant_of(self)
        return self


def _mailbox(value: str, field: str) -> str:
    """``value`` as it is kept, if it is one mailbox; only the sender must be there, and only names that are shown are kept."""
    name = field.removeprefix("smtp_")
    if not value and name not in ("from", "sender"):
        return value
    try:
        mailbox = parse_mailbox(value, field="it")
    except InvalidInput as error:
        raise ValueError(error.violations[0].description) from None
    if name == "return_path":
        ReturnPaths(address=mailbox.address, key=b"")
    return value if name in ("from", "sender", "reply_to") else mailbox.address


def outgoing_mail(config: SmtpConfig | SendGridConfig, parts: Parts) -> OutgoingMail:
    """What mails of these settings have alike; SendGrid has return paths of its own."""
    sender = Sender.parse(config.sender)
    links = ListLinks(parts.public_link(UNSUBSCRIBE_PATH), config.unsubscribe_address)
    return OutgoingMail(
        sender=sender,
        composer=MailComposer(sender=sender, reply_to=config.reply_to, links=links),
        return_paths=return_paths(config.return_path, parts.key) if isinstance(config, SmtpConfig) else None,
        reply_paths=parts.reply_paths,
        tokens=unsubscribe_tokens(parts.key) if links.url or links.mailto else None,
    )


def return_paths(address: str, key: InstallationKey) -> ReturnPaths | None:
    """Where reports of failures come back to; None if that is not set."""
    return ReturnPaths(address=address, key=key.derive("return paths")) if address else None


def reply_paths(address: str, key: InstallationKey) -> ReturnPaths | None:
    """Where people answer mails about incidents; None if that is not set."""
    return ReturnPaths(address=address, key=key.derive("reply paths")) if address else None


def leave_link(key: InstallationKey, public_link: Callable[[str], str]) -> Callable[[Unsubscription], str]:
    """What makes the URL by which somebody leaves; an empty one where nobody knows how people reach the gateway."""
    tokens: list[UnsubscribeTokens] = []

    def link(left: Unsubscription) -> str:
        page = public_link(UNSUBSCRIBE_PATH)
        if page and not tokens:
            tokens.append(unsubscribe_tokens(key))  # the key is there once the installation has started
        return page and page + tokens[0].seal(left)

    return link


def unsubscribe_tokens(key: InstallationKey) -> UnsubscribeTokens:
    """What links to leave are sealed with."""
    return UnsubscribeTokens(key.derive("unsubscribe", length=KEY_BYTES))


def grant_of(config: SmtpConfig) -> AuthorizationGrant | None:
    """What tokens are asked for with; None: it signs in with a password, if at all.

    Raises:
        ValueError: the service account is none.
    """
    if config.oauth is OAuthIssuer.MICROSOFT:
        secret = config.oauth_client_secret.get_secret_value()
        return microsoft(
            directory=config.oauth_directory, client_id=config.oauth_client_id, secret=secret, token_url=config.oauth_token_url
        )
    if config.oauth is OAuthIssuer.GOOGLE:
        return google(account=config.oauth_service_account.get_secret_value(), user=config.username)
    return None


def _tokens(config: SmtpConfig, parts: Parts) -> SmtpTokens | None:
    grant = grant_of(config)
    if grant is None:
        return None
    http = parts.http(HttpLimits(connections=1, total_seconds=config.connect_timeout_seconds), guarded=not parts.trusted)
    return SmtpTokens(grant=grant, http=http, clock=parts.clock)


def make(name: str, config: SmtpConfig, parts: Parts) -> SmtpProvider:
    """A provider for one server."""
    server = SmtpServer(
        host=config.host,
        port=config.port,
        tls=config.tls,
        ca_file=config.ca_file,
        username=config.username,
        password=config.password.get_secret_value(),
        helo=config.helo,
        connect_seconds=config.connect_timeout_seconds,
        timeouts=Timeouts(command=config.command_timeout_seconds, end=config.end_timeout_seconds),
    )
    provider = SmtpProvider(
        connector=SmtpConnector(server=server, tokens=_tokens(config, parts), guard=None if parts.trusted else parts.guard()),
        outgoing=outgoing_mail(config, parts),
        breaker=parts.breakers.get(id=name, target="smtp"),
        rule=SmtpRule(
            connections=config.concurrency,
            idle_seconds=config.idle_seconds,
            messages=config.connection_messages,
            per_second=config.rate_per_second,
        ),
        clock=parts.clock,
        name=name,
    )
    parts.meter.watch_connections(lambda: provider.connections)
    return provider


SMTP = ProviderKind(name="smtp", config=SmtpConfig, make=make)


def make_sendgrid(name: str, config: SendGridConfig, parts: Parts) -> HttpProvider:
    """A provider for SendGrid."""
    outgoing = outgoing_mail(config, parts)
    api = PlainApi(
        config,
        build=lambda job, values: sendgrid.build(job, values, outgoing),
        classify=sendgrid.classify,
        base=config.url,
        idempotent=False,
    )
    return HttpProvider(name=name, kind=sendgrid.NAME, api=api, config=config, parts=parts)


SENDGRID = ProviderKind(name=sendgrid.NAME, config=SendGridConfig, make=make_sendgrid, callback=sendgrid.events)


def configured(settings: EmailSettings) -> Sequence[Configured]:
    """The providers of the settings, in the order of ``email_lane``."""
    kinds = {"smtp": _servers, sendgrid.NAME: _sendgrid}
    return [provider for kind in settings.email_lane for provider in kinds[kind](settings)]


def _sendgrid(settings: EmailSettings) -> Sequence[Configured]:
    if settings.sendgrid_api_key is None:
        return ()
    config = SendGridConfig(
        api_key=settings.sendgrid_api_key,
        webhook_key=settings.sendgrid_webhook_key,
        url=settings.sendgrid_url,
        sender=settings.smtp_from,
        reply_to=settings.smtp_reply_to,
        unsubscribe_address=settings.smtp_unsubscribe_address,
        **limits_of(settings, sendgrid.NAME),
    )
    return [(sendgrid.NAME, SENDGRID, config)]


def _servers(settings: EmailSettings) -> Sequence[Configured]:
    """Each server of the settings, the preferred one first."""
    if not settings.smtp_host:
        return ()
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else ""
    first = SmtpUrl(settings.smtp_host, settings.resolved_smtp_port, TlsMode(settings.smtp_tls), settings.smtp_username, password)
    further = parse_urls(settings.smtp_fallbacks.get_secret_value()) if settings.smtp_fallbacks else []
    names = ["smtp", *(f"smtp-{place}" for place, _ in enumerate(further, start=2))]
    return [(name, SMTP, _config(settings, url, preferred=url is first)) for name, url in zip(names, [first, *further], strict=True)]


def _config(settings: EmailSettings, url: SmtpUrl, *, preferred: bool) -> SmtpConfig:
    client_secret, account = settings.smtp_oauth_client_secret, settings.smtp_oauth_service_account
    return SmtpConfig(
        oauth=OAuthIssuer(settings.smtp_oauth) if preferred else OAuthIssuer.NONE,
        oauth_directory=settings.smtp_oauth_directory,
        oauth_client_id=settings.smtp_oauth_client_id,
        oauth_client_secret=client_secret or SecretStr(""),
        oauth_service_account=account or SecretStr(""),
        oauth_token_url=settings.smtp_oauth_token_url,
        host=url.host,
        port=url.port,
        tls=url.tls,
        ca_file=settings.smtp_ca_file,
        username=url.username,
        password=SecretStr(url.password),
        sender=settings.smtp_from,
        reply_to=settings.smtp_reply_to,
        return_path=settings.smtp_return_path,
        unsubscribe_address=settings.smtp_unsubscribe_address,
        helo=settings.smtp_helo,
        concurrency=settings.smtp_connections,
        connection_messages=settings.smtp_connection_messages,
        idle_seconds=settings.smtp_idle_seconds,
        connect_timeout_seconds=settings.smtp_connect_timeout_seconds,
        command_timeout_seconds=settings.smtp_command_timeout_seconds,
        end_timeout_seconds=settings.smtp_end_timeout_seconds,
    )


CHANNEL = ChannelSpec(
    name="email",
    settings=EmailSettings,
    normal_address=normal_address,
    kinds=[SMTP, SENDGRID],
    configured=configured,
    missing="No provider of email is configured (TOCSIN_MAILER_SMTP_HOST or TOCSIN_MAILER_SENDGRID_API_KEY); the inbox channel needs none",
    codes=True,
)
