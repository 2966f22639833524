"""The mailer's settings."""

import pytest

from mailer_svc.channels.email import configured
from mailer_svc.channels.smtp.urls import SmtpUrl, TlsMode, parse_urls
from mailer_svc.config import MailerSettings
from tocsin.config import ConfigError, load


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"TOCSIN_MAILER_SMTP_FROM": "nobody"}, "TOCSIN_MAILER_SMTP_FROM"),
        ({"TOCSIN_MAILER_SMTP_FROM": "Ann <a@b.c>\nBcc: eve@example.com"}, "TOCSIN_MAILER_SMTP_FROM"),
        ({"TOCSIN_MAILER_SMTP_TLS": "maybe"}, "TOCSIN_MAILER_SMTP_TLS"),
        ({"TOCSIN_MAILER_DEFAULT_CHANNEL": "email"}, "TOCSIN_MAILER_SMTP_HOST"),
        ({"TOCSIN_MAILER_SMTP_PASSWORD": "x"}, "TOCSIN_MAILER_SMTP_USERNAME"),
        ({"TOCSIN_MAILER_SMTP_FALLBACKS": "smtps://mx.example.com"}, "TOCSIN_MAILER_SMTP_HOST"),
        ({"TOCSIN_MAILER_SMTP_FALLBACKS": "http://mx.example.com"}, "URL 1 must begin with smtp://"),
        ({"TOCSIN_MAILER_SMTP_FALLBACKS": "smtp://a smtps://b:high"}, "URL 2 is malformed"),
        ({"TOCSIN_MAILER_SMTP_FALLBACKS": "smtps://"}, "URL 1 must be a host"),
        ({"TOCSIN_MAILER_SMTP_FALLBACKS": "smtps://b/path"}, "URL 1 must be a host"),
        ({"TOCSIN_MAILER_SMTP_FALLBACKS": "smtp://ann:secret@b"}, "URL 1 has a user"),
        ({"TOCSIN_MAILER_SMTP_HOST": "h", "TOCSIN_MAILER_SMTP_USERNAME": "u", "TOCSIN_MAILER_SMTP_TLS": "none"}, "without TLS"),
        ({"TOCSIN_MAILER_SMTP_PASSWORD_FILE": "/nowhere"}, "TOCSIN_MAILER_SMTP_PASSWORD_FILE"),
        ({"TOCSIN_MAILER_SMTP_OAUTH": "google"}, "needs TOCSIN_MAILER_SMTP_USERNAME"),
        ({"TOCSIN_MAILER_SMTP_OAUTH": "yahoo"}, "TOCSIN_MAILER_SMTP_OAUTH"),
        ({"TOCSIN_MAILER_SMTP_OAUTH": "google", "TOCSIN_MAILER_SMTP_USERNAME": "u"}, "SMTP_OAUTH_SERVICE_ACCOUNT: must be"),
        ({"TOCSIN_MAILER_SMTP_OAUTH": "microsoft", "TOCSIN_MAILER_SMTP_USERNAME": "u"}, "SMTP_OAUTH_CLIENT_ID"),
        ({"TOCSIN_MAILER_SMTP_RETURN_PATH": "much-too-long-for-it@a.b"}, "TOCSIN_MAILER_SMTP_RETURN_PATH"),
        ({"TOCSIN_MAILER_SMTP_REPLY_TO": "nobody"}, "TOCSIN_MAILER_SMTP_REPLY_TO"),
        ({"TOCSIN_MAILER_BOUNCE_PORT": "2525"}, "TOCSIN_MAILER_SMTP_RETURN_PATH"),
        ({"TOCSIN_MAILER_EMAIL_LANE": "smtp,pigeon"}, "TOCSIN_MAILER_EMAIL_LANE"),
        ({"TOCSIN_MAILER_SMTP_HELO": "a b"}, "TOCSIN_MAILER_SMTP_HELO"),
        ({"TOCSIN_MAILER_SMTP_HOTS": "h"}, "did you mean TOCSIN_MAILER_SMTP_HOST"),
    ],
)
def test_a_bad_setting_is_named(env: dict[str, str], words: str) -> None:
    """A value that makes no sense, or a combination, stops the start; a password never goes out in the clear."""
    with pytest.raises(ConfigError, match=words):
        load(MailerSettings, env)


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 587), ("implicit", 465)])
def test_the_port_follows_the_encryption(tls: str, port: int) -> None:
    """Unless one is set."""
    assert load(MailerSettings, {"TOCSIN_MAILER_SMTP_TLS": tls}).resolved_smtp_port == port
    assert load(MailerSettings, {"TOCSIN_MAILER_SMTP_TLS": tls, "TOCSIN_MAILER_SMTP_PORT": "2525"}).resolved_smtp_port == 2525


def test_limits_are_set_by_the_name_of_the_provider() -> None:
    """Also of SendGrid."""
    env = {
        "TOCSIN_MAILER_SENDGRID_API_KEY": "k",
        "TOCSIN_MAILER_PROVIDER_RATES": "sendgrid=7",
        "TOCSIN_MAILER_PROVIDER_CONCURRENCY": "sendgrid=3",
    }
    ((name, _, config),) = configured(load(MailerSettings, env))
    assert (name, config.rate_per_second, config.concurrency) == ("sendgrid", 7.0, 3)


def test_further_servers_are_read_from_urls() -> None:
    """Scheme, port, and a user and a password with any characters."""
    assert parse_urls("smtps://ann%40x:p%2Fw@mx.example.com smtp+starttls://[::1]:2587\n smtp://10.0.0.1") == [
        SmtpUrl("mx.example.com", 465, TlsMode.IMPLICIT, "ann@x", "p/w"),
        SmtpUrl("::1", 2587, TlsMode.STARTTLS, "", ""),
        SmtpUrl("10.0.0.1", 25, TlsMode.NONE, "", ""),
    ]


def test_a_bad_url_does_not_give_its_password_away() -> None:
    """Messages go to logs."""
    with pytest.raises(ValueError, match="URL 1") as raised:
        parse_urls("ftp://ann:secret@mx.example.com")
    assert "secret" not in str(raised.value)
