"""What the use cases need: a store, a password hasher, a signer, a log of security events."""

from typing import Protocol

from auth_svc.ports.account_mails import AccountMailStore, AlertReaderDirectory, CheckedAlertReader, OneTimeStore, Postman
from auth_svc.ports.accounts import AccountStore, Installation
from auth_svc.ports.addresses import AddressChangeStore
from auth_svc.ports.alert_policies import AlertPolicyStore, WriteAlertMails
from auth_svc.ports.alerts import AlertFiles, AlertStore
from auth_svc.ports.audit import AuditLogStore, HeadSigner
from auth_svc.ports.credentials import ClientHistory, CredentialStore
from auth_svc.ports.deletions import DeletionStore
from auth_svc.ports.ended_credentials import EndedCredentialStore
from auth_svc.ports.factors import FactorStore, Passkeys
from auth_svc.ports.identities import Admission, AdmissionKind, CodeProof, IdentityStore, IssuerReport, Issuers
from auth_svc.ports.keys import HeldKey, KeyStore, KeyUse
from auth_svc.ports.members import InvitationStore, RoleStore, ServiceAccountStore
from auth_svc.ports.names import NameStore
from auth_svc.ports.new_tenants import NewTenantStore
from auth_svc.ports.security import PasswordCheck, PasswordHasher, PublicKeys, SecurityLog, StreamTokenCodec, TokenSigner
from auth_svc.ports.sessions import RefreshRefusal, Refused, Rotated, SessionStore
from auth_svc.ports.tenants import TenantStore

__all__ = [
    "AccountMailStore",
    "AccountStore",
    "AddressChangeStore",
    "Admission",
    "AdmissionKind",
    "AlertFiles",
    "AlertPolicyStore",
    "AlertReaderDirectory",
    "AlertStore",
    "AuditLogStore",
    "CheckedAlertReader",
    "ClientHistory",
    "CodeProof",
    "CredentialStore",
    "DeletionStore",
    "EndedCredentialStore",
    "FactorStore",
    "HeadSigner",
    "HeldKey",
    "IdentityStore",
    "Installation",
    "InvitationStore",
    "IssuerReport",
    "Issuers",
    "KeyStore",
    "KeyUse",
    "NameStore",
    "NewTenantStore",
    "OneTimeStore",
    "Passkeys",
    "PasswordCheck",
    "PasswordHasher",
    "Postman",
    "PublicKeys",
    "RefreshRefusal",
    "Refused",
    "RoleStore",
    "Rotated",
    "SecurityLog",
    "ServiceAccountStore",
    "SessionStore",
    "Store",
    "StreamTokenCodec",
    "TenantStore",
    "TokenSigner",
    "WriteAlertMails",
]


class Store(
    AccountStore,
    SessionStore,
    KeyStore,
    AlertStore,
    OneTimeStore,
    AccountMailStore,
    TenantStore,
    DeletionStore,
    NewTenantStore,
    CredentialStore,
    AuditLogStore,
    FactorStore,
    RoleStore,
    InvitationStore,
    ServiceAccountStore,
    IdentityStore,
    AddressChangeStore,
    AlertPolicyStore,
    NameStore,
    EndedCredentialStore,
    Protocol,
):
    """All of it."""
