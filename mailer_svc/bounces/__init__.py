"""Mails that come back: a listener for them, and what they say."""

from mailer_svc.bounces.listener import BounceDoor, BounceListener

__all__ = ["BounceDoor", "BounceListener"]
