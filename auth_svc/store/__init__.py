"""The database of auth_svc: its tables, and one class with every query."""

from auth_svc.store.account_mails import AccountMailQueries
from auth_svc.store.accounts import AccountQueries
from auth_svc.store.addresses import AddressChangeQueries
from auth_svc.store.alert_policies import AlertPolicyQueries
from auth_svc.store.alerts import AlertQueries
from auth_svc.store.audit import AuditQueries
from auth_svc.store.credentials import CredentialQueries
from auth_svc.store.deletions import OWNERS, DeletionQueries
from auth_svc.store.ended_credentials import EndedCredentialQueries
from auth_svc.store.factors import FactorQueries
from auth_svc.store.identities import IdentityQueries
from auth_svc.store.invitations import InvitationQueries
from auth_svc.store.keys import KeyQueries
from auth_svc.store.names import NameQueries
from auth_svc.store.new_tenants import NewTenantQueries
from auth_svc.store.one_time import OneTimeQueries
from auth_svc.store.roles import RoleQueries
from auth_svc.store.service_accounts import ServiceAccountQueries
from auth_svc.store.sessions import SessionQueries
from auth_svc.store.tables import metadata
from auth_svc.store.tenants import TenantQueries

__all__ = ["OWNERS", "AuthStore", "metadata"]


class AuthStore(
    AccountQueries,
    SessionQueries,
    KeyQueries,
    AlertQueries,
    OneTimeQueries,
    AccountMailQueries,
    TenantQueries,
    DeletionQueries,
    NewTenantQueries,
    CredentialQueries,
    AuditQueries,
    FactorQueries,
    RoleQueries,
    InvitationQueries,
    ServiceAccountQueries,
    IdentityQueries,
    AddressChangeQueries,
    AlertPolicyQueries,
    NameQueries,
    EndedCredentialQueries,
):
    """Implements `auth_svc.ports.Store` on SQLite and PostgreSQL."""
