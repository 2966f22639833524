"""Mail as bytes (RFC 5322, 2045, 2047, 2387, 8058)."""

from mailer_svc.channels.mime.bodies import InlineImage, inline_images
from mailer_svc.channels.mime.composer import MailComposer
from mailer_svc.channels.mime.headers import ListLinks, Sender

__all__ = ["InlineImage", "ListLinks", "MailComposer", "Sender", "inline_images"]
