"""The RPCs: from messages to use cases and back."""

from auth_svc.handlers.accounts import AccountHandlers
from auth_svc.handlers.alerts import SecurityAlertHandlers
from auth_svc.handlers.audit import AuditLogHandlers
from auth_svc.handlers.auth import AuthHandlers
from auth_svc.handlers.browser_sessions import BrowserSessionHandlers
from auth_svc.handlers.factors import FactorHandlers
from auth_svc.handlers.identity_providers import IdentityProviderHandlers, OidcHandlers
from auth_svc.handlers.invitations import InvitationHandlers
from auth_svc.handlers.keys import ApiKeyHandlers
from auth_svc.handlers.pages import AccountPageHandlers
from auth_svc.handlers.profiles import ProfileHandlers
from auth_svc.handlers.roles import RoleHandlers
from auth_svc.handlers.service_accounts import ServiceAccountHandlers
from auth_svc.handlers.sessions import SessionHandlers
from auth_svc.handlers.stream_tokens import StreamTokenHandlers
from auth_svc.handlers.tenants import TenantAdminHandlers, TenantHandlers
from auth_svc.handlers.users import UserHandlers

__all__ = [
    "AccountHandlers",
    "AccountPageHandlers",
    "ApiKeyHandlers",
    "AuditLogHandlers",
    "AuthHandlers",
    "BrowserSessionHandlers",
    "FactorHandlers",
    "IdentityProviderHandlers",
    "InvitationHandlers",
    "OidcHandlers",
    "ProfileHandlers",
    "RoleHandlers",
    "SecurityAlertHandlers",
    "ServiceAccountHandlers",
    "SessionHandlers",
    "StreamTokenHandlers",
    "TenantAdminHandlers",
    "TenantHandlers",
    "UserHandlers",
]
