"""Push: to browsers (Web Push), and to phones by Firebase and OneSignal."""

from collections.abc import Iterator, Sequence

from pydantic import Field, SecretStr, field_validator, model_validator

from mailer_svc.channels.oauth import GoogleServiceAccount
from mailer_svc.channels.push import fcm, onesignal
from mailer_svc.channels.push.addresses import normal_address
from mailer_svc.channels.push.message import LONGEST_TTL
from mailer_svc.channels.push.vapid import installation_key, public_text, read_key
from mailer_svc.channels.push.webpush import WEBPUSH, WebPushConfig, checked_subject
from mailer_svc.channels.spec import ChannelSpec, Configured
from mailer_svc.service import PushKeys
from tocsin.config import Settings
from tocsin.installation_key import InstallationKey


class PushSettings(Settings):
    """Everything that can be set for push."""

    push_concurrency: int = Field(32, ge=1, le=1000, description="Push messages that are with one provider at once, at most.")
    push_ttl_seconds: int = Field(86400, ge=0, le=LONGEST_TTL, description="A push message is kept for a device that is off for so long.")
    webpush_subject: str = Field(
        "",
        max_length=320,
        description='How operators of push services reach you: "mailto:ops@example.com" or an https URL; empty: no Web Push.',
    )
    webpush_key: SecretStr | None = Field(
        None,
        description="Private key (VAPID, P-256; PEM, or 32 octets in base64url) that browsers' subscriptions belong to; "
        "none: derived from TOCSIN_SECRET_KEY.",
    )
    fcm_credentials: SecretStr | None = Field(
        None, description="JSON key file of a Google service account that may send messages by Firebase; none: no Firebase."
    )
    fcm_url: str = Field(fcm.URL, pattern=r"^https?://[^/]+$", description="Where Firebase is.")
    onesignal_app_id: str = Field("", pattern=r"^([0-9A-Fa-f-]{36})?$", description="Id of the OneSignal app; empty: no OneSignal.")
    onesignal_api_key: SecretStr | None = Field(None, description="API key of the OneSignal app.")
    onesignal_url: str = Field(onesignal.URL, pattern=r"^https?://", description="Where OneSignal is.")

    @field_validator("webpush_subject")
    @classmethod
    def _reachable(cls, value: str) -> str:
        return checked_subject(value) if value else value

    @field_validator("webpush_key")
    @classmethod
    def _of_p256(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_key(value.get_secret_value())
        return value

    @field_validator("fcm_credentials")
    @classmethod
    def _key_file(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            GoogleServiceAccount.parse(value.get_secret_value(), scope=fcm.SCOPE)
        return value

    @model_validator(mode="after")
    def _whole_app(self) -> "PushSettings":
        if bool(self.onesignal_app_id) != (self.onesignal_api_key is not None):
            raise ValueError("TOCSIN_MAILER_ONESIGNAL_APP_ID and TOCSIN_MAILER_ONESIGNAL_API_KEY: set both or neither")
        return self


def configured(settings: PushSettings) -> Sequence[Configured]:
    """A provider for each way to be pushed to that is set."""
    return list(_configured(settings))


def _configured(settings: PushSettings) -> Iterator[Configured]:
    common = {"concurrency": settings.push_concurrency, "ttl_seconds": settings.push_ttl_seconds}
    if settings.webpush_subject:
        yield "webpush", WEBPUSH, WebPushConfig.model_validate({**common, "subject": settings.webpush_subject})
    if settings.fcm_credentials:
        values = {**common, "credentials": settings.fcm_credentials, "url": settings.fcm_url}
        yield "fcm", fcm.FCM, fcm.FcmConfig.model_validate(values)
    if settings.onesignal_app_id:
        values = {**common, "app_id": settings.onesignal_app_id, "api_key": settings.onesignal_api_key, "url": settings.onesignal_url}
        yield "onesignal", onesignal.ONESIGNAL, onesignal.OneSignalConfig.model_validate(values)


def push_keys(settings: PushSettings, secret: InstallationKey) -> PushKeys:
    """The public key of Web Push, for browsers."""
    missing = "" if settings.webpush_subject else "Web Push is not configured (TOCSIN_MAILER_WEBPUSH_SUBJECT)"
    return PushKeys(public_key=lambda: public_text(installation_key(given_key(settings), secret)), missing=missing)


def given_key(settings: PushSettings) -> str:
    """The private key of Web Push as it is set; empty: it is not."""
    return settings.webpush_key.get_secret_value() if settings.webpush_key else ""


CHANNEL = ChannelSpec(
    name="push",
    settings=PushSettings,
    normal_address=normal_address,
    kinds=(WEBPUSH, fcm.FCM, onesignal.ONESIGNAL),
    configured=configured,
    missing="No provider of push is configured "
    "(TOCSIN_MAILER_WEBPUSH_SUBJECT, TOCSIN_MAILER_FCM_CREDENTIALS or TOCSIN_MAILER_ONESIGNAL_APP_ID)",
)
