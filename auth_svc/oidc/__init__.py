"""Talking to issuers: what they say of themselves, their keys, and their tokens."""

from auth_svc.oidc.issuers import HttpIssuers

__all__ = ["HttpIssuers"]
