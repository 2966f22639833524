"""Whom: people, what they want, and what is on its way to them.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OPEN = sa.text("closed IS NULL")
_DUE = sa.text("due IS NOT NULL")
_HELD = sa.text("hold_until IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "addresses",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False, comment="In its normal form."),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, comment="Why it is RETIRED."),
        sa.Column("code_hash", sa.Text, nullable=False, comment="Of the code that was sent to it; empty if none stands."),
        sa.Column("code_expires", sa.BigInteger, nullable=False),
        sa.Column("code_attempts", sa.Integer, nullable=False),
        sa.Column("code_sent", sa.BigInteger, nullable=False, comment="When the last code was sent; 0: none was."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("tenant", "channel", "value", name="uq_addresses_value"),
    )
    op.create_index("ix_addresses_recipient", "addresses", ["tenant", "recipient"], unique=False)
    op.create_table(
        "categories",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("channels", sa.Text, nullable=False, comment="JSON list of the default channels."),
        sa.Column("digest_window", sa.BigInteger, nullable=False, comment="Microseconds; 0: no digest."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "digest_members",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("delivery", sa.Text, nullable=False),
        sa.Column("joined", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", "delivery"),
    )
    op.create_table(
        "digests",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False, comment="Of recipient, channel, address and category."),
        sa.Column("recipient_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("closes", sa.BigInteger, nullable=False),
        sa.Column("closed", sa.BigInteger, nullable=True),
        sa.Column("delivery", sa.Text, nullable=False, comment="What it became; empty while it is open."),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_digests_closes", "digests", ["closes"], unique=False, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_index("uq_digests_open", "digests", ["tenant", "key"], unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.create_table(
        "followers",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "group_members",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("group_id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("kind", sa.SmallInteger, autoincrement=False, nullable=False, comment="What the member is: 1 a recipient, 2 a group."),
        sa.Column("member", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "group_id", "kind", "member"),
    )
    op.create_index("ix_group_members_member", "group_members", ["tenant", "kind", "member"], unique=False)
    op.create_table(
        "groups",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("firing", sa.Text, nullable=False),
        sa.Column("alarm", sa.Text, nullable=False),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("channels", sa.Text, nullable=False, comment="JSON list; empty: the category's, or the default one."),
        sa.Column("addresses", sa.Text, nullable=False, comment="JSON list."),
        sa.Column("recipients", sa.Text, nullable=False, comment='JSON list: "recipients/…", "groups/…".'),
        sa.Column("content", sa.Text, nullable=False, comment="JSON: a template and its variables, or inline text."),
        sa.Column("metadata", sa.Text, nullable=False, comment="JSON object of the caller's; empty: none."),
        sa.Column("status_url", sa.Text, nullable=False, comment="Who is told of changes; empty: nobody."),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("detail", sa.Text, nullable=False, comment="Why it FAILED."),
        sa.Column("cursor", sa.Text, nullable=False, comment="How far the deliveries are made."),
        sa.Column("due", sa.BigInteger, nullable=True, comment="When it is to be expanded, or the claim ends; null when that is done."),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("resend", sa.Boolean, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False),
        sa.Column("send_time", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notifications_due", "notifications", ["lane", "due"], unique=False, sqlite_where=_DUE, postgresql_where=_DUE)
    op.create_index("ix_notifications_tenant_created", "notifications", ["tenant", "created", "id"], unique=False)
    op.create_table(
        "preferences",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column(
            "recipient",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
            comment="Empty: what holds for the tenant unless a recipient says otherwise.",
        ),
        sa.Column("document", sa.Text, nullable=False, comment="JSON: choices, quiet hours, cap."),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "recipient"),
    )
    op.create_table(
        "provider_events",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_provider_events_received", "provider_events", ["received"], unique=False)
    op.create_table(
        "providers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False, comment="Place in the lane of its channel, from 0."),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("config", sa.Text, nullable=False, comment="JSON object without its secrets."),
        sa.Column("secrets", sa.Text, nullable=False, comment="JSON object of the secrets, sealed with a key of the installation."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_providers_tenant", "providers", ["tenant", "channel", "position"], unique=False)
    op.create_table(
        "recipients",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column(
            "name_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            nullable=False,
            comment="The display name without the difference of cases, for searches.",
        ),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("time_zone", sa.Text, nullable=False),
        sa.Column("attributes", sa.Text, nullable=False, comment="JSON object."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id"),
    )
    op.create_index("ix_recipients_name", "recipients", ["tenant", "name_key"], unique=False)
    op.create_table(
        "status_callbacks",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False, comment="When it is to be sent, or the claim ends."),
        sa.Column("change", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_status_callbacks_due", "status_callbacks", ["due"], unique=False)
    op.create_index("ix_status_callbacks_url", "status_callbacks", ["tenant", "url"], unique=False)
    op.create_table(
        "suppressions",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False, comment="In its normal form."),
        sa.Column("category", sa.Text, nullable=False, comment="Empty: every message, whatever its category."),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("reason", sa.SmallInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False, comment="Who says so: a delivery, a provider, a user."),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=True, comment="Null: for ever."),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "channel", "address", "category"),
        sa.UniqueConstraint("tenant", "id", name="uq_suppressions_id"),
    )
    op.create_table(
        "template_parts",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("locale", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("html", sa.Text, nullable=False, comment="As it is sent, styles inlined."),
        sa.Column("html_source", sa.Text, nullable=False, comment="As it was given."),
        sa.Column("actions", sa.Text, nullable=False, comment="JSON list of {label, url}."),
        sa.PrimaryKeyConstraint("tenant", "code", "version", "channel", "locale"),
    )
    op.add_column(
        "contents", sa.Column("actions", sa.Text, server_default=sa.text("'[]'"), nullable=False, comment="JSON list of {label, url}.")
    )
    op.add_column("deliveries", sa.Column("recipient_id", sa.Text, server_default=sa.text("''"), nullable=False))
    op.add_column("deliveries", sa.Column("category", sa.Text, server_default=sa.text("''"), nullable=False))
    op.add_column("deliveries", sa.Column("notification", sa.Text, server_default=sa.text("''"), nullable=False))
    op.add_column("deliveries", sa.Column("reason", sa.Text, server_default=sa.text("''"), nullable=False))
    op.add_column("deliveries", sa.Column("hold_until", sa.BigInteger, nullable=True))
    op.add_column("deliveries", sa.Column("digest", sa.Text, server_default=sa.text("''"), nullable=False))
    op.add_column("deliveries", sa.Column("reference", sa.Text, server_default=sa.text("''"), nullable=False))
    op.create_index("ix_deliveries_held", "deliveries", ["hold_until"], unique=False, sqlite_where=_HELD, postgresql_where=_HELD)
    op.create_index(
        "ix_deliveries_notification",
        "deliveries",
        ["tenant", "notification"],
        unique=False,
        sqlite_where=sa.text("notification <> ''"),
        postgresql_where=sa.text("notification <> ''"),
    )
    op.create_index(
        "ix_deliveries_person",
        "deliveries",
        ["tenant", "recipient_id", "created"],
        unique=False,
        sqlite_where=sa.text("recipient_id <> ''"),
        postgresql_where=sa.text("recipient_id <> ''"),
    )
    op.create_index(
        "ix_deliveries_reference",
        "deliveries",
        ["reference"],
        unique=False,
        sqlite_where=sa.text("reference <> ''"),
        postgresql_where=sa.text("reference <> ''"),
    )
    op.add_column(
        "template_versions",
        sa.Column(
            "declared",
            sa.Text,
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="JSON list of the variables that its author declared.",
        ),
    )


def downgrade() -> None:
    op.drop_column("template_versions", "declared")
    op.drop_index(
        "ix_deliveries_reference",
        table_name="deliveries",
        sqlite_where=sa.text("reference <> ''"),
        postgresql_where=sa.text("reference <> ''"),
    )
    op.drop_index(
        "ix_deliveries_person",
        table_name="deliveries",
        sqlite_where=sa.text("recipient_id <> ''"),
        postgresql_where=sa.text("recipient_id <> ''"),
    )
    op.drop_index(
        "ix_deliveries_notification",
        table_name="deliveries",
        sqlite_where=sa.text("notification <> ''"),
        postgresql_where=sa.text("notification <> ''"),
    )
    op.drop_index("ix_deliveries_held", table_name="deliveries", sqlite_where=_HELD, postgresql_where=_HELD)
    op.drop_column("deliveries", "reference")
    op.drop_column("deliveries", "digest")
    op.drop_column("deliveries", "hold_until")
    op.drop_column("deliveries", "reason")
    op.drop_column("deliveries", "notification")
    op.drop_column("deliveries", "category")
    op.drop_column("deliveries", "recipient_id")
    op.drop_column("contents", "actions")
    op.drop_table("template_parts")
    op.drop_table("suppressions")
    op.drop_index("ix_status_callbacks_url", table_name="status_callbacks")
    op.drop_index("ix_status_callbacks_due", table_name="status_callbacks")
    op.drop_table("status_callbacks")
    op.drop_index("ix_recipients_name", table_name="recipients")
    op.drop_table("recipients")
    op.drop_index("ix_providers_tenant", table_name="providers")
    op.drop_table("providers")
    op.drop_index("ix_provider_events_received", table_name="provider_events")
    op.drop_table("provider_events")
    op.drop_table("preferences")
    op.drop_index("ix_notifications_tenant_created", table_name="notifications")
    op.drop_index("ix_notifications_due", table_name="notifications", sqlite_where=_DUE, postgresql_where=_DUE)
    op.drop_table("notifications")
    op.drop_table("groups")
    op.drop_index("ix_group_members_member", table_name="group_members")
    op.drop_table("group_members")
    op.drop_table("followers")
    op.drop_index("uq_digests_open", table_name="digests", sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.drop_index("ix_digests_closes", table_name="digests", sqlite_where=_OPEN, postgresql_where=_OPEN)
    op.drop_table("digests")
    op.drop_table("digest_members")
    op.drop_table("categories")
    op.drop_index("ix_addresses_recipient", table_name="addresses")
    op.drop_table("addresses")
