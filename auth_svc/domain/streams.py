"""What a stream token says."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime

from auth_svc.domain.model import Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGrant:
    """The rights that a stream token gives, at one path.

    Attributes:
        grant: those of whoever made it; its life is the token's.
        path: digest of the path; see `path_digest`.
        until: when the access token of whoever made it ends, and with it whatever the stream token opened.
    """

    grant: Grant
    path: str
    until: datetime


def path_digest(path: str) -> str:
    """What stands for a path in a token, which is no longer than it needs to be (SHA-256, base64url)."""
    return base64.urlsafe_b64encode(hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=").decode()
