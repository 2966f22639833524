"""The part of the composition that keeps people: recipients, groups, categories, preferences and suppressions."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from ulid import ULID

from mailer_svc.channels.email import unsubscribe_tokens
from mailer_svc.domain import Channels
from mailer_svc.handlers import (
    CategoryHandlers,
    GroupHandlers,
    PreferenceHandlers,
    RecipientHandlers,
    RotationHandlers,
    SimpleRecipientHandlers,
    SuppressionHandlers,
)
from mailer_svc.handlers.feeds import FeedHandlers
from mailer_svc.handlers.people_imports import PeopleCodecs
from mailer_svc.ports import PeopleImportStores
from mailer_svc.service import (
    Accepting,
    AddressVerification,
    Categories,
    Groups,
    OnCall,
    PeopleImports,
    RecipientPreferences,
    RecipientRules,
    Recipients,
    Rotations,
    SuppressionList,
    SuppressionRules,
    Unsubscribing,
)
from mailer_svc.service.feeds import CalendarFeeds
from mailer_svc.service.on_call_watch import OnCallWatch
from mailer_svc.service.verification import PURPOSE
from mailer_svc.store import (
    SqlAddresses,
    SqlCategories,
    SqlCategoryChoices,
    SqlCategoryImports,
    SqlGroupImports,
    SqlGroups,
    SqlPeopleFacts,
    SqlPreferences,
    SqlRecipientImports,
    SqlRecipients,
    SqlSuppressionImports,
    SqlSuppressions,
)
from tocsin.api.mailer.v1 import (
    category_service_pb2_grpc,
    feed_service_pb2_grpc,
    group_service_pb2_grpc,
    preference_service_pb2_grpc,
    recipient_service_pb2_grpc,
    rotation_service_pb2_grpc,
    simple_recipient_service_pb2_grpc,
    suppression_service_pb2_grpc,
)
from tocsin.clock import Clock
from tocsin.database import Database
from tocsin.mesh.validation import shared_validator
from tocsin.node import Node


def people_handlers(
    node: Node,
    clock: Clock,
    *,
    database: Database,
    channels: Channels,
    accepting: Accepting,
    on_call: OnCall,
    on_call_watch: OnCallWatch,
    rotations: Rotations,
    feeds: CalendarFeeds,
) -> tuple[Sequence[tuple[Any, Any]], Callable[[], None]]:
    """What serves people, each with what adds it to a server; and what asks imports to go on elsewhere."""
    groups = Groups(store=SqlGroups(database=database), clock=clock, new_id=_new_id)
    categories = Categories(store=SqlCategories(database=database), channels=channels, clock=clock)
    preferences = RecipientPreferences(store=SqlPreferences(database=database), channels=channels, clock=clock)
    recipient_rules = RecipientRules(channels=channels, clock=clock, new_id=_new_id)
    suppression_rules = SuppressionRules(channels=channels)
    addresses = SqlAddresses(database=database)
    recipients = Recipients(store=SqlRecipients(database=database), addresses=addresses, rules=recipient_rules, clock=clock)
    imports = PeopleImports(
        stores=_import_stores(database),
        recipient_rules=recipient_rules,
        suppression_rules=suppression_rules,
        categories=categories,
        clock=clock,
    )
    codecs = PeopleCodecs(shared_validator(), codec=node.json_codec)
    verification = _verification(node, clock, database=database, channels=channels, accepting=accepting)
    suppressions = SuppressionList(store=SqlSuppressions(database=database), rules=suppression_rules)
    handlers: list[tuple[Any, Any]] = [
        (
            recipient_service_pb2_grpc.add_RecipientServiceServicer_to_server,
            RecipientHandlers(recipients=recipients, verification=verification, imports=imports, codecs=codecs),
        ),
        (
            simple_recipient_service_pb2_grpc.add_SimpleRecipientServiceServicer_to_server,
            SimpleRecipientHandlers(recipients=recipients, preferences=preferences),
        ),
        (group_service_pb2_grpc.add_GroupServiceServicer_to_server, GroupHandlers(groups=groups, imports=imports, codecs=codecs)),
        (
            rotation_service_pb2_grpc.add_RotationServiceServicer_to_server,
            RotationHandlers(rotations=rotations, on_call=on_call, watch=on_call_watch),
        ),
        (feed_service_pb2_grpc.add_FeedServiceServicer_to_server, FeedHandlers(feeds=feeds)),
        (
            category_service_pb2_grpc.add_CategoryServiceServicer_to_server,
            CategoryHandlers(categories=categories, imports=imports, codecs=codecs),
        ),
        (preference_service_pb2_grpc.add_PreferenceServiceServicer_to_server, PreferenceHandlers(preferences=preferences)),
        (
            suppression_service_pb2_grpc.add_SuppressionServiceServicer_to_server,
            SuppressionHandlers(suppressions=suppressions, clock=clock, new_id=_new_id, imports=imports, codecs=codecs),
        ),
    ]
    return handlers, imports.slots.drain


def _import_stores(database: Database) -> PeopleImportStores:
    return PeopleImportStores(
        recipients=SqlRecipientImports(database=database),
        suppressions=SqlSuppressionImports(database=database),
        groups=SqlGroupImports(database=database),
        categories=SqlCategoryImports(database=database),
    )


def unsubscribing_of(node: Node, clock: Clock, *, database: Database) -> Unsubscribing:
    """What takes people at their word who leave."""
    return Unsubscribing(
        tokens=unsubscribe_tokens(node.installation_key),
        choices=SqlCategoryChoices(database=database),
        suppressions=SqlSuppressions(database=database),
        clock=clock,
        new_id=_new_id,
    )


def _verification(node: Node, clock: Clock, *, database: Database, channels: Channels, accepting: Accepting) -> AddressVerification:
    return AddressVerification(
        store=SqlAddresses(database=database),
        people=SqlPeopleFacts(database=database),
        accepting=accepting,
        channels=channels,
        key=lambda: node.installation_key.derive(PURPOSE),
        clock=clock,
        draw=secrets.randbelow,
        new_id=_new_id,
    )


def _new_id() -> str:
    return str(ULID())
