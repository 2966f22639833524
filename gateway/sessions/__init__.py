"""Sessions of browsers: the cookie, and the pages and paths that sign in and out."""

from gateway.sessions.browser import BrowserSessions
from gateway.sessions.endpoints import session_endpoints
from gateway.sessions.oidc import oidc_buttons, oidc_endpoints

__all__ = ["BrowserSessions", "oidc_buttons", "oidc_endpoints", "session_endpoints"]
