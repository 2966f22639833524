"""The tables of incidents and of the policies that they follow. Times are microseconds since the Unix epoch, UTC."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, text

from scheduler_svc.domain.alert_groups import AlertState
from scheduler_svc.domain.incident_words import IncidentState
from scheduler_svc.store.tables import ID, metadata, partial

NOT_RESOLVED: Final = f"state <> {IncidentState.RESOLVED:d}"
ALERT_OPEN: Final = f"state = {AlertState.OPEN:d}"

escalation_policies = Table(
    "escalation_policies",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("id", ID, primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("plan", Text, nullable=False, comment="What it says, JSON."),
    Column(
        "turns", BigInteger, nullable=False, server_default=text("0"), comment="Incidents so far, of a policy whose targets take turns."
    ),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

silences = Table(
    "silences",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("matchers", Text, nullable=False, comment="What an incident must have, JSON."),
    Column("start_at", BigInteger, nullable=False),
    Column("end_at", BigInteger, nullable=False),
    Column("comment", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("windows", Text, nullable=False, server_default=text("''"), comment="In which it holds, JSON; empty: all the time."),
)
Index("ix_silences_tenant", silences.c.tenant, silences.c.id)
Index("ix_silences_end", silences.c.end_at)
Index("ix_silences_holding", silences.c.tenant, silences.c.end_at)

incidents = Table(
    "incidents",
    metadata,
    Column("id", ID, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("dedup_key", Text, nullable=False),
    Column("policy", Text, nullable=False, comment="Id of its policy; empty without one."),
    Column("source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("wake_at", BigInteger, comment="When something is due by itself; null when nothing is."),
    Column("held_by", Text, nullable=False, comment="What holds its steps back; empty: nothing does."),
    Column("merged_into", Text, nullable=False, comment="Id of the incident that it is part of; empty unless it is."),
    Column("events", Integer, nullable=False, comment="Entries of its timeline."),
    Column("document", Text, nullable=False, comment="The incident, JSON; the other columns are what it is found by."),
)
Index("ix_incidents_tenant", incidents.c.tenant, incidents.c.id)
Index("ix_incidents_updated_at", incidents.c.updated_at)
partial("ux_incidents_key", incidents.c.tenant, incidents.c.dedup_key, unique=True, where=NOT_RESOLVED)
partial("ix_incidents_open", incidents.c.tenant, incidents.c.state, incidents.c.id, where=NOT_RESOLVED)
partial("ix_incidents_wake", incidents.c.wake_at, incidents.c.id, incidents.c.shard, where="wake_at IS NOT NULL")
partial("ix_incidents_held", incidents.c.held_by, where="held_by <> ''")
partial("ix_incidents_merged", incidents.c.merged_into, where="merged_into <> ''")

incident_events = Table(
    "incident_events",
    metadata,
    Column("incident", ID, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="Its place in the timeline."),
    Column("tenant", Text, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("happened_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("via", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("firing", Text, nullable=False, comment="Id of the firing by which people were told; empty without one."),
    Column("request_id", Text, nullable=False, comment="What makes a request count once; empty without one."),
    Column("change_no", BigInteger, nullable=False, comment="Number of the transaction that wrote it."),
    Column("facts", Text, comment="What an audit needs to know of it, JSON; null when its other columns say all."),
    sqlite_with_rowid=False,
)
Index(
    "ix_incident_events_change", incident_events.c.tenant, incident_events.c.change_no, incident_events.c.incident, incident_events.c.number
)
partial("ux_incident_events_request", incident_events.c.tenant, incident_events.c.request_id, unique=True, where="request_id <> ''")

incident_alerts = Table(
    "incident_alerts",
    metadata,
    Column("incident", ID, primary_key=True),
    Column("dedup_key", ID, primary_key=True, comment="Key of the alert; the incident's own is that of the group."),
    Column("tenant", Text, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("trigger_count", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("triggered_at", BigInteger, nullable=False),
    Column("resolved_at", BigInteger),
    Column("document", Text, nullable=False, comment="Title, description, labels, source and url, JSON."),
    sqlite_with_rowid=False,
)
partial("ux_incident_alerts_key", incident_alerts.c.tenant, incident_alerts.c.dedup_key, unique=True, where=ALERT_OPEN)

incident_rules = Table(
    "incident_rules",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("kind", SmallInteger, primary_key=True, comment="Route or dependency."),
    Column("id", ID, primary_key=True),
    Column("document", Text, nullable=False, comment="What it says, JSON."),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
