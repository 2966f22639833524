"""Mails that come: a listener for them, and what they say."""

from mailer_svc.bounces.alerts import AlertMail
from mailer_svc.bounces.listener import BounceDoor, BounceListener
from mailer_svc.bounces.replies import ReplyMail
from mailer_svc.bounces.takers import LeavingMail, MailTaker, ReturnedMail

__all__ = ["AlertMail", "BounceDoor", "BounceListener", "LeavingMail", "MailTaker", "ReplyMail", "ReturnedMail"]
