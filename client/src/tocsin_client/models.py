"""The messages of the contract. Generated from the contract by `make gen`; not to be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from tocsin_client import values as _v  # a field may be called as one of its names
from tocsin_client.values import JsonObject, Model


AccessRuleAction: TypeAlias = Literal[
    "DENY",
    "ALLOW",
]
"""What a rule does.

- ``DENY``: Refuses the calls that it matches, before any ALLOW is asked.
- ``ALLOW``: Refuses the calls to its methods that neither it nor another ALLOW rule matches.
"""

AddressState: TypeAlias = Literal[
    "PENDING",
    "ACTIVE",
    "RETIRED",
]
"""Where an address stands.

- ``PENDING``: A code that was sent to it has to come back first; until then it gets nothing else.
- ``ACTIVE``: It gets messages.
- ``RETIRED``: It gets nothing any more: a provider says that it is gone, or somebody gave it up.
"""

AlarmState: TypeAlias = Literal[
    "ACTIVE",
    "PAUSED",
    "COMPLETED",
]
"""Whether an alarm fires.

- ``ACTIVE``: It has a next due time, or waits for an event, a reading or a ping that does not come.
- ``PAUSED``: It fires nothing until resumed.
- ``COMPLETED``: Its rule has no further due time.
"""

AlertPolicyDelivery: TypeAlias = Literal[
    "AT_ONCE",
    "DAILY",
    "NEVER",
]
"""When people are told of an alert.

- ``AT_ONCE``: By a mail of its own, or with those that were raised at the same time. What one address gets more than five mails of in an
hour is told daily.
- ``DAILY``: By one mail a day, of days that had any.
- ``NEVER``: Not by mail.
"""

AuditFiringsResponseFindingKind: TypeAlias = Literal[
    "MISSING",
    "UNEXPECTED",
    "WRONG_TIME",
    "AFTER_ANSWER",
]
"""What is wrong.

- ``MISSING``: The rule means it, and the ledger has no row.
- ``UNEXPECTED``: The ledger has a row, and nothing meant it.
- ``WRONG_TIME``: It happened at another time than the incident's policy means.
- ``AFTER_ANSWER``: A step was taken although somebody had answered, or had put it off.
"""

Balance: TypeAlias = Literal[
    "BALANCE_LEAST_REQUEST",
    "BALANCE_ROUND_ROBIN",
]
"""Which replica of a service gets an attempt, among those that serve and whose breakers let it pass.

- ``BALANCE_LEAST_REQUEST``: The less costly of two that are drawn: by its latency of late, where a peak counts at once, and the calls
under way there. Streams go in turn.
- ``BALANCE_ROUND_ROBIN``: The next in turn.
"""

CatchUpMode: TypeAlias = Literal[
    "LATEST",
    "ALL",
    "NONE",
]
"""How many missed due times fire.

- ``LATEST``: The last one; the others are coalesced into it.
- ``ALL``: All, the oldest first, up to the limit; the older rest is skipped.
- ``NONE``: None; each is skipped.
"""

CategoryKind: TypeAlias = Literal[
    "MANDATORY",
    "TRANSACTIONAL",
    "MARKETING",
]
"""Kinds of categories.

- ``MANDATORY``: Sent whatever preferences, quiet hours and caps say, and never collected. Nobody can leave it.
- ``TRANSACTIONAL``: Sent because of something that the recipient did or is in charge of.
- ``MARKETING``: Everything else.
"""

ChangeKind: TypeAlias = Literal[
    "FIRING",
    "INCIDENT",
    "DELIVERY",
    "MESH",
    "ALERT",
    "ROTATION",
]
"""A kind of thing that changes.

- ``FIRING``: Firings; needs the scope firings:read.
- ``INCIDENT``: Incidents and what happened to them; needs incidents:read.
- ``DELIVERY``: Deliveries; needs deliveries:read.
- ``MESH``: The picture of the mesh, every second; needs mesh:read.
- ``ALERT``: Security alerts; needs alerts:read.
- ``ROTATION``: Rotations, and who is on call in them; needs recipients:read.
"""

CircuitBreakerState: TypeAlias = Literal[
    "CLOSED",
    "OPEN",
    "HALF_OPEN",
]
"""State of a breaker.

- ``CLOSED``: Calls pass.
- ``OPEN``: Calls are rejected at once.
- ``HALF_OPEN``: A few probes pass.
"""

CreateTenantRequestInvitation: TypeAlias = Literal[
    "MAIL",
    "LINK",
]
"""How the owner gets the link.

- ``MAIL``: By a mail.
- ``LINK``: By the operator, who answers for the address: the link is in the answer, and no mail is sent.
"""

Criticality: TypeAlias = Literal[
    "CRITICALITY_CRITICAL",
    "CRITICALITY_NORMAL",
    "CRITICALITY_SHEDDABLE",
]
"""How important a call is when a server has to choose what to refuse.

- ``CRITICALITY_CRITICAL``: Never shed while anything else can be shed.
- ``CRITICALITY_NORMAL``: The everyday call of a user.
- ``CRITICALITY_SHEDDABLE``: Background work; shed first.
"""

DeliveryState: TypeAlias = Literal[
    "ACCEPTED",
    "SENDING",
    "SENT",
    "RETRYING",
    "DEAD",
    "OUTCOME_UNKNOWN",
    "HELD",
    "SUPPRESSED",
    "DELIVERED",
    "BOUNCED",
    "COMPLAINED",
    "DIGESTED",
]
"""Where a delivery stands.

- ``ACCEPTED``: Stored; waits for its turn.
- ``SENDING``: With a provider.
- ``SENT``: The provider took it.
- ``RETRYING``: The last attempt failed; the next one waits.
- ``DEAD``: It failed for good.
- ``OUTCOME_UNKNOWN``: The connection broke after the message was handed over: it may or may not have arrived.
- ``HELD``: It waits, and its reason says for what: the end of quiet hours, or a digest.
- ``SUPPRESSED``: It is not sent, and its reason says why.
- ``DELIVERED``: The provider says that it arrived.
- ``BOUNCED``: The provider says that it came back.
- ``COMPLAINED``: Its recipient complained of it.
- ``DIGESTED``: It went out as a part of another delivery, a digest.
"""

DeliverySummaryState: TypeAlias = Literal[
    "ACCEPTED",
    "OUTCOME_UNKNOWN",
    "DEAD",
    "SUPPRESSED",
    "BOUNCED",
    "COMPLAINED",
]
"""The worst state of the messages: from DEAD over BOUNCED, SUPPRESSED, OUTCOME_UNKNOWN and COMPLAINED to ACCEPTED.

- ``ACCEPTED``: Nothing went wrong so far: they are sent, or on their way.
- ``OUTCOME_UNKNOWN``: The outcome of at least one is unknown.
- ``DEAD``: At least one failed for good.
- ``SUPPRESSED``: A provider took at least one and did not send it on.
- ``BOUNCED``: At least one came back after it was sent.
- ``COMPLAINED``: At least one recipient called it spam.
"""

DstPolicyGap: TypeAlias = Literal[
    "SHIFT",
    "SKIP",
    "OFFSET",
]
"""For a local time that does not exist.

- ``SHIFT``: Fires at the first instant after the gap.
- ``SKIP``: Does not fire that day.
- ``OFFSET``: Fires later by the length of the gap: 02:30 becomes 03:30 (RFC 5545, section 3.3.5).
"""

DstPolicyOverlap: TypeAlias = Literal[
    "FIRST",
    "BOTH",
]
"""For a local time that exists twice.

- ``FIRST``: Fires at the first of the two instants.
- ``BOTH``: Fires at both.
"""

DutyIntervalLabel: TypeAlias = Literal[
    "GAP",
    "DOUBLE_COVER",
    "OVERRIDES_OVERLAP",
    "SHIFTED",
    "UNKNOWN_RECIPIENT",
]
"""What should be seen of an interval.

- ``GAP``: Nobody is on call, within the hours of the layers.
- ``DOUBLE_COVER``: More than one recipient is on call.
- ``OVERRIDES_OVERLAP``: Overrides overlap.
- ``SHIFTED``: It begins later than the local time of its hand-over says, for the clocks leave that out.
- ``UNKNOWN_RECIPIENT``: A recipient who is on call does not exist any more.
"""

FactorKind: TypeAlias = Literal[
    "TOTP",
    "PASSKEY",
]
"""What a factor is.

- ``TOTP``: An authenticator app (RFC 6238).
- ``PASSKEY``: A passkey (WebAuthn).
"""

FiringOrigin: TypeAlias = Literal[
    "SCHEDULE",
    "MANUAL",
    "ADHOC",
    "BACKFILL",
    "EVENT",
    "RAISED",
    "RESOLVED",
    "ESCALATION",
]
"""Where a firing comes from.

- ``SCHEDULE``: A due time of its alarm's rule.
- ``MANUAL``: Somebody's FireAlarm.
- ``ADHOC``: A task of no alarm.
- ``BACKFILL``: Somebody's BackfillAlarm.
- ``EVENT``: An event.
- ``RAISED``: A metric beyond its limit, or a ping that did not come.
- ``RESOLVED``: The metric came back, or the ping came after all.
- ``ESCALATION``: A step of an escalation, or what people hear afterwards of its incident.
"""

FiringOutcome: TypeAlias = Literal[
    "FIRED",
    "LATE",
    "SKIPPED",
    "COALESCED",
    "FAILED",
]
"""How an occurrence ended.

- ``FIRED``: Fired on time.
- ``LATE``: Fired more than one second after its due time.
- ``SKIPPED``: Not fired; the reason says why.
- ``COALESCED``: Not fired, because a later occurrence replaces it.
- ``FAILED``: Fired, and its work failed permanently.
"""

FiringState: TypeAlias = Literal[
    "PENDING",
    "RETRYING",
    "SUCCEEDED",
    "DEAD",
    "CLOSED",
]
"""Where the work of a firing stands.

- ``PENDING``: It waits for a processor, or works.
- ``RETRYING``: Its last attempt failed, the next one waits.
- ``SUCCEEDED``: Its work is done.
- ``DEAD``: Every attempt failed; it can be replayed.
- ``CLOSED``: There was nothing to do: it was skipped or coalesced.
"""

IncidentAlertState: TypeAlias = Literal[
    "OPEN",
    "RESOLVED",
]
"""Whether an alert is open.

- ``OPEN``: It goes on.
- ``RESOLVED``: It is over, or its incident is.
"""

IncidentEventKind: TypeAlias = Literal[
    "TRIGGERED",
    "STEP",
    "STEP_SKIPPED",
    "EXHAUSTED",
    "ACKNOWLEDGED",
    "UNACKNOWLEDGED",
    "RESOLVED",
    "SNOOZED",
    "UNSNOOZED",
    "REASSIGNED",
    "NOTED",
    "MERGED",
    "UPDATE_SENT",
    "ALERT_OPENED",
    "ALERT_RESOLVED",
    "RELEASED",
]
"""What happened.

- ``TRIGGERED``: It was opened, or triggered once more.
- ``STEP``: A step was taken: people are told.
- ``STEP_SKIPPED``: A step was left out; the text says why, such as "OUTSIDE_HOURS" or "SILENCED".
- ``EXHAUSTED``: All steps were taken, and nobody has answered.
- ``ACKNOWLEDGED``: Somebody has it.
- ``UNACKNOWLEDGED``: It was given back, by somebody or by time.
- ``RESOLVED``: It is over.
- ``SNOOZED``: It is put off.
- ``UNSNOOZED``: The time of the snooze is over.
- ``REASSIGNED``: It went to another policy, or to recipients.
- ``NOTED``: Somebody wrote a note.
- ``MERGED``: It became part of another incident, which has a note of it.
- ``UPDATE_SENT``: Those who had been told hear how it stands; the text says what they hear.
- ``ALERT_OPENED``: An alert joined the group, or was open no more and is again; the text is its key.
- ``ALERT_RESOLVED``: An alert of the group is over; the text is its key.
- ``RELEASED``: What held its steps back is over; the actor is what did, such as "silences/{id}".
"""

IncidentSeverity: TypeAlias = Literal[
    "CRITICAL",
    "ERROR",
    "WARNING",
    "INFO",
]
"""How bad it is. It decides the priority of what people are told: CRITICAL passes quiet hours, INFO is sent like mass mail.

- ``CRITICAL``: Act at once, at any hour.
- ``ERROR``: Act soon.
- ``WARNING``: Look at it.
- ``INFO``: Good to know.
"""

IncidentState: TypeAlias = Literal[
    "TRIGGERED",
    "ACKNOWLEDGED",
    "RESOLVED",
]
"""Where an incident stands.

- ``TRIGGERED``: It waits for an answer.
- ``ACKNOWLEDGED``: Somebody has it.
- ``RESOLVED``: It is over.
"""

IntegrationKind: TypeAlias = Literal[
    "ALERTMANAGER",
    "GRAFANA",
    "PAGERDUTY",
    "CLOUDEVENTS",
    "GENERIC",
    "EMAIL",
]
"""What a sender speaks.

- ``ALERTMANAGER``: Webhooks of Prometheus Alertmanager, version 4.
- ``GRAFANA``: Webhooks of Grafana's unified alerting.
- ``PAGERDUTY``: PagerDuty Events API v2.
- ``CLOUDEVENTS``: CloudEvents 1.0 over HTTP: binary, structured and batched.
- ``GENERIC``: Any JSON, read by a mapping.
- ``EMAIL``: Mail.
"""

IntegrationPayloadOutcome: TypeAlias = Literal[
    "TAKEN",
    "REFUSED",
    "IGNORED",
]
"""What became of a payload.

- ``TAKEN``: All of its alerts were taken.
- ``REFUSED``: Nothing of it was taken.
- ``IGNORED``: The integration is paused: nothing was done.
"""

InvitationState: TypeAlias = Literal[
    "OPEN",
    "ACCEPTED",
    "REVOKED",
    "EXPIRED",
]
"""How an invitation stands.

- ``OPEN``: It can be accepted.
- ``ACCEPTED``: It became a user.
- ``REVOKED``: It was withdrawn.
- ``EXPIRED``: It was not accepted in time; it can be sent again.
"""

MessageEvent: TypeAlias = Literal[
    "MESSAGE_EVENT_TRIGGER",
    "MESSAGE_EVENT_ACKNOWLEDGE",
    "MESSAGE_EVENT_RESOLVE",
]
"""What a message says of the alert that its key names.

- ``MESSAGE_EVENT_TRIGGER``: It began, or goes on.
- ``MESSAGE_EVENT_ACKNOWLEDGE``: Somebody has it.
- ``MESSAGE_EVENT_RESOLVE``: It is over.
"""

NotificationState: TypeAlias = Literal[
    "PENDING",
    "EXPANDING",
    "COMPLETED",
    "CANCELLED",
    "FAILED",
]
"""Where a notification stands.

- ``PENDING``: It waits for its time or its turn.
- ``EXPANDING``: Its deliveries are being made.
- ``COMPLETED``: All its deliveries are made; where they stand is theirs to tell.
- ``CANCELLED``: It was cancelled before its time.
- ``FAILED``: It could not be read, and makes no further deliveries.
"""

OccurrenceLabel: TypeAlias = Literal[
    "PLAIN",
    "SHIFTED",
    "SKIPPED",
    "REPEATED",
    "EXCLUDED",
    "SWALLOWED",
]
"""What became of a due time.

- ``PLAIN``: It is as the rule says.
- ``SHIFTED``: Its local time does not exist: it fires later, as dst.gap says.
- ``SKIPPED``: Its local time does not exist: it does not fire.
- ``REPEATED``: Its local time exists twice: this is the second one.
- ``EXCLUDED``: It is left out by excludeDates or EXDATE: it does not fire.
- ``SWALLOWED``: Its local time does not exist, and nothing fires for it: the rule is a period that does not make up for a gap, or
another due time fires at the instant to which it would move.
"""

PackageState: TypeAlias = Literal[
    "LOADING",
    "READY",
    "FAILED",
]
"""Whether the handlers of a package can be used.

- ``LOADING``: It loads.
- ``READY``: They can.
- ``FAILED``: It did not load.
"""

PiiPolicyArea: TypeAlias = Literal[
    "RECORDS",
    "TASKS",
    "EVENTS",
    "MESSAGES",
]
"""Where values come in.

- ``RECORDS``: Records that are stored.
- ``TASKS``: Input of tasks.
- ``EVENTS``: Data of events that are published.
- ``MESSAGES``: Messages, after their template was filled in.
"""

PiiPolicyKind: TypeAlias = Literal[
    "EMAIL",
    "PHONE",
    "CARD",
    "IBAN",
    "IP_ADDRESS",
    "NATIONAL_ID",
    "UNSCANNED",
]
"""Kinds of personal data.

- ``EMAIL``: An email address.
- ``PHONE``: A phone number.
- ``CARD``: The number of a payment card.
- ``IBAN``: An international bank account number.
- ``IP_ADDRESS``: An IP address.
- ``NATIONAL_ID``: A number by which a state knows a person.
- ``UNSCANNED``: A part of a value that is beyond the bounds of the scan, and counts as found.
"""

PiiPolicyMeasure: TypeAlias = Literal[
    "ALLOW",
    "FLAG",
    "REDACT",
    "BLOCK",
]
"""What is done about personal data.

- ``ALLOW``: Nothing; it is not even looked for.
- ``FLAG``: It passes, and an alert is raised.
- ``REDACT``: A mark such as "[card]" is stored or sent in its place, and an alert is raised.
- ``BLOCK``: The request is refused; a message is not sent, and its delivery says PII_BLOCKED. An alert is raised.
"""

PingKind: TypeAlias = Literal[
    "PING_KIND_SUCCESS",
    "PING_KIND_START",
    "PING_KIND_FAIL",
    "PING_KIND_LOG",
]
"""What a ping says.

- ``PING_KIND_SUCCESS``: The job has ended well, or is alive.
- ``PING_KIND_START``: The job has begun: it must end within the grace.
- ``PING_KIND_FAIL``: The job has failed: the alarm fires at once.
- ``PING_KIND_LOG``: Something to be kept, which changes nothing.
"""

PreferencesPolicy: TypeAlias = Literal[
    "HOLD",
    "DROP",
    "PASS",
]
"""What becomes of a message in quiet hours.

- ``HOLD``: It waits for their end, and is sent then if it is still wanted.
- ``DROP``: It is not sent, and its delivery says why.
- ``PASS``: It is sent.
"""

Priority: TypeAlias = Literal[
    "CRITICAL",
    "NORMAL",
    "BULK",
]
"""Priority of a firing; a lower priority never delays a higher one.

- ``CRITICAL``: First.
- ``NORMAL``: Everyday work.
- ``BULK``: Mass mailings and housekeeping.
"""

ProviderSource: TypeAlias = Literal[
    "SETTINGS",
    "TENANT",
]
"""Where a provider comes from.

- ``SETTINGS``: The settings of the installation; it serves every tenant.
- ``TENANT``: This service; it serves its tenant.
"""

RateRuleOwner: TypeAlias = Literal[
    "EVERYBODY",
    "TENANT",
    "CALLER",
]
"""Whose calls are counted together.

- ``EVERYBODY``: All that the rule is about.
- ``TENANT``: Those of one tenant; calls without one count together.
- ``CALLER``: Those of one service that calls; calls without a certificate count together.
"""

ReceivedAlertEvent: TypeAlias = Literal[
    "TRIGGER",
    "ACKNOWLEDGE",
    "RESOLVE",
]
"""What happened.

- ``TRIGGER``: It opens an incident, or counts for the open one of its key.
- ``ACKNOWLEDGE``: Somebody has it.
- ``RESOLVE``: It is over.
"""

RotationLayerTurnUnit: TypeAlias = Literal[
    "HOURS",
    "DAYS",
    "WEEKS",
]
"""Unit of a turn's length.

- ``HOURS``: Hours.
- ``DAYS``: Days.
- ``WEEKS``: Weeks.
"""

RotationOverrideKind: TypeAlias = Literal[
    "ADD",
    "REMOVE",
    "REPLACE",
]
"""What an override does.

- ``ADD``: They are on call together with whoever is.
- ``REMOVE``: They are not on call.
- ``REPLACE``: They are on call, and nobody else is.
"""

SecurityAlertKind: TypeAlias = Literal[
    "PII_FOUND",
    "TOKEN_INVALID",
    "API_KEY_INVALID",
    "SCOPE_REFUSED",
    "SIGN_IN_THROTTLED",
    "REFRESH_TOKEN_REUSED",
    "CALLBACK_FORGED",
    "AUDIT_CHAIN_BROKEN",
    "CLIENT_GUESSES",
    "ACCOUNT_GUESSED",
    "TENANT_SUSPENDED",
    "CREDENTIALS_FORGED",
    "QUOTA_NEAR",
    "QUOTA_REACHED",
    "API_KEY_EXPIRING",
    "NEW_CLIENT",
    "ADDRESS_REVERTED",
]
"""What happened.

- ``PII_FOUND``: Personal data stood in a value.
- ``TOKEN_INVALID``: A token that nobody signed for this system, or no token at all where there should be one.
- ``API_KEY_INVALID``: An API key that does not exist or has expired.
- ``SCOPE_REFUSED``: A token without the scope that the method needs.
- ``SIGN_IN_THROTTLED``: Sign-ins of one account had to wait, because too many had failed.
- ``REFRESH_TOKEN_REUSED``: A refresh token that was spent before; its session was ended.
- ``CALLBACK_FORGED``: A callback of a provider whose signature is wrong.
- ``AUDIT_CHAIN_BROKEN``: The audit log is not what was signed: somebody changed it behind the service.
- ``CLIENT_GUESSES``: One client tried to sign in to many accounts.
- ``ACCOUNT_GUESSED``: Many clients tried to sign in to one account.
- ``TENANT_SUSPENDED``: A tenant was suspended.
- ``CREDENTIALS_FORGED``: One address showed many credentials that are not valid.
- ``QUOTA_NEAR``: Four fifths of a quota are used.
- ``QUOTA_REACHED``: A quota is used up.
- ``API_KEY_EXPIRING``: An API key stops working soon.
- ``NEW_CLIENT``: Somebody signed in by a client, and from a network, that the account had never signed in from.
- ``ADDRESS_REVERTED``: A change of an address was taken back from the address of before: somebody else may have made it.
"""

SecurityAlertSeverity: TypeAlias = Literal[
    "LOW",
    "MEDIUM",
    "HIGH",
]
"""How soon somebody should look.

- ``LOW``: When there is time.
- ``MEDIUM``: Today.
- ``HIGH``: Now.
"""

SignalStatus: TypeAlias = Literal[
    "WAITING",
    "OK",
    "PENDING",
    "RAISED",
]
"""Whether it is raised.

- ``WAITING``: No reading or ping so far.
- ``OK``: All is well.
- ``PENDING``: Beyond the limit, but not for long enough.
- ``RAISED``: It has fired, and is not resolved.
"""

SilenceState: TypeAlias = Literal[
    "PENDING",
    "ACTIVE",
    "EXPIRED",
]
"""Whether a silence holds.

- ``PENDING``: It begins later, or its next window does.
- ``ACTIVE``: It holds.
- ``EXPIRED``: It is over.
"""

StandingKind: TypeAlias = Literal[
    "HEARTBEAT",
    "CHECK",
    "THRESHOLD",
]
"""What is watched.

- ``HEARTBEAT``: A heartbeat: pings come.
- ``CHECK``: The action check: something is asked.
- ``THRESHOLD``: A threshold: readings come.
"""

StandingState: TypeAlias = Literal[
    "NEW",
    "UP",
    "STARTED",
    "LATE",
    "DOWN",
    "PAUSED",
]
"""How it stands.

- ``NEW``: Nothing came so far.
- ``UP``: All is well.
- ``STARTED``: The job of a heartbeat runs.
- ``LATE``: A ping is late, or a metric is beyond its limit, and nobody was told yet.
- ``DOWN``: It is down.
- ``PAUSED``: Its alarm is paused.
"""

StatusHealth: TypeAlias = Literal[
    "HEALTHY",
    "DEGRADED",
    "UNAVAILABLE",
]
"""Ability to work.

- ``HEALTHY``: Everything works.
- ``DEGRADED``: It works, with a fallback or without something optional.
- ``UNAVAILABLE``: It cannot do its work.
"""

SuppressionReason: TypeAlias = Literal[
    "BOUNCE",
    "COMPLAINT",
    "UNSUBSCRIBE",
    "MANUAL",
    "PROVIDER",
]
"""Why an address gets nothing.

- ``BOUNCE``: A server said that there is no such address.
- ``COMPLAINT``: Its owner called a message spam.
- ``UNSUBSCRIBE``: Its owner left.
- ``MANUAL``: Somebody decided it here.
- ``PROVIDER``: A provider does not deliver to it.
"""

TaskState: TypeAlias = Literal[
    "QUEUED",
    "RETRYING",
    "SUCCEEDED",
    "FAILED",
    "CANCELLED",
]
"""Where a task stands.

- ``QUEUED``: It waits, or works.
- ``RETRYING``: Its last attempt failed, the next one waits.
- ``SUCCEEDED``: It is done.
- ``FAILED``: Every attempt failed.
- ``CANCELLED``: It was cancelled.
"""

TenantDeletionState: TypeAlias = Literal[
    "WAITING",
    "PURGING",
    "DONE",
]
"""How far a deletion is.

- ``WAITING``: Nothing was removed yet; it can be taken back.
- ``PURGING``: Everything is being removed.
- ``DONE``: Nothing is left.
"""

TenantState: TypeAlias = Literal[
    "ACTIVE",
    "SUSPENDED",
    "DELETING",
]
"""Whether a tenant may work.

- ``ACTIVE``: It may.
- ``SUSPENDED``: It may sign in and read. What writes is refused, its alarms wait, its messages are held.
- ``DELETING``: It is being deleted with everything that it has: it may sign in and read until purge_time.
"""

ThresholdComparison: TypeAlias = Literal[
    "GREATER_THAN",
    "GREATER_OR_EQUAL",
    "LESS_THAN",
    "LESS_OR_EQUAL",
]
"""How a reading compares with the limit.

- ``GREATER_THAN``: Above the limit.
- ``GREATER_OR_EQUAL``: At the limit or above.
- ``LESS_THAN``: Below the limit.
- ``LESS_OR_EQUAL``: At the limit or below.
"""

TriggerLogKind: TypeAlias = Literal[
    "EVENT",
    "READING",
    "PING",
]
"""What it is.

- ``EVENT``: An event.
- ``READING``: A reading.
- ``PING``: A ping.
"""

TriggerOverlap: TypeAlias = Literal[
    "ALLOW",
    "SKIP",
    "QUEUE",
    "CANCEL_OTHER",
]
"""What happens at a due time while the firing before still runs.

- ``ALLOW``: Both run.
- ``SKIP``: The new one is skipped.
- ``QUEUE``: The new one waits until the one before has ended.
- ``CANCEL_OTHER``: The one before is cancelled, and the new one runs.
"""

UserRole: TypeAlias = Literal[
    "ADMIN",
    "MEMBER",
    "OWNER",
    "VIEWER",
    "CUSTOM",
]
"""What a user may do.

- ``ADMIN``: roles/admin: every scope but that over owners; those of the platform itself ("mesh:...") in the first tenant alone, which is
the operator's.
- ``MEMBER``: roles/operator: works with alarms, incidents, tasks, records, templates and the inbox; cannot manage users.
- ``OWNER``: roles/owner: what roles/admin has, and makes and removes owners.
- ``VIEWER``: roles/viewer: reads what roles/operator reads.
- ``CUSTOM``: A role of the tenant's own; role_name says which.
"""


class AcceptInvitationResponse(Model):
    """Who the user is."""

    __slots__ = ()
    user: str = _v.field("user", _v.TEXT, default="")
    """Resource name of the user."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Resource name of the tenant."""


class AccessRule(Model):
    """Who may call methods. A call passes when no DENY rule matches it, and when of the ALLOW rules about its method, if there are any, one
    does; all of that after the contract's own callers, scope and token (as Istio's AuthorizationPolicy evaluates). A rule matches when
    each condition that it names holds; of the values of one condition one is enough. Patterns are a text, "text*", "*text", or "*" for
    whatever is not empty.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Name of the rule. An order of that name stands in the place of the file's rule."""
    action: AccessRuleAction | None = _v.field("action", _v.ENUM, default=None)
    """What it does."""
    methods: Sequence[str] = _v.field("methods", _v.many(_v.TEXT), default=())
    """The methods that it is about: paths "/package.Service/Method", services "/package.Service/", or patterns of paths. Those of
    tocsin.api.mesh.v1, by which operators steer the mesh, are never among them.
    """
    not_methods: Sequence[str] = _v.field("notMethods", _v.many(_v.TEXT), default=())
    """Methods that it is not about, in the same words."""
    principals: Sequence[str] = _v.field("principals", _v.many(_v.TEXT), default=())
    """Patterns of the SPIFFE id of the service that calls: "spiffe://tocsin.local/gateway", "*/gateway". A caller without a certificate has
    none.
    """
    not_principals: Sequence[str] = _v.field("notPrincipals", _v.many(_v.TEXT), default=())
    """As principals, of which none may match. What a call does not have matches no pattern, so this condition holds then."""
    tenants: Sequence[str] = _v.field("tenants", _v.many(_v.TEXT), default=())
    """Patterns of the tenant of the verified token."""
    not_tenants: Sequence[str] = _v.field("notTenants", _v.many(_v.TEXT), default=())
    """As tenants, of which none may match."""
    subjects: Sequence[str] = _v.field("subjects", _v.many(_v.TEXT), default=())
    """Patterns of the subject of the verified token: "users/01J*", "apiKeys/*"."""
    not_subjects: Sequence[str] = _v.field("notSubjects", _v.many(_v.TEXT), default=())
    """As subjects, of which none may match."""
    scopes: Sequence[str] = _v.field("scopes", _v.many(_v.TEXT), default=())
    """Patterns of the scopes of the verified token, of which one must match."""
    not_scopes: Sequence[str] = _v.field("notScopes", _v.many(_v.TEXT), default=())
    """As scopes, of which none may match."""
    claims: Sequence[ClaimCondition] = _v.field("claims", _v.many(_v.message("ClaimCondition")), default=())
    """Conditions on other claims of the verified token; each must hold."""
    dry_run: bool = _v.field("dryRun", _v.BOOL, default=False)
    """True for a rule that refuses nothing: what it would refuse is logged and counted."""


class Action(Model):
    """What happens when an alarm fires."""

    __slots__ = ()
    notify: Notify | None = _v.field("notify", _v.message("Notify"), default=None)
    """Sends a message to people."""
    task: SchedulerTask | None = _v.field("task", _v.message("SchedulerTask"), default=None)
    """Runs a registered handler."""
    webhook: Webhook | None = _v.field("webhook", _v.message("Webhook"), default=None)
    """Sends one HTTP request."""
    check: Check | None = _v.field("check", _v.message("Check"), default=None)
    """Looks whether something works."""
    publish: Publish | None = _v.field("publish", _v.message("Publish"), default=None)
    """Publishes one message to a broker."""


class Address(Model):
    """An address of a recipient."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "recipients/{recipient}/addresses/{address}"."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel (tocsin.api.scheduler.v1.Notify.Channel in lower case), such as "email"; one of "inbox" is one of "email"."""
    value: str = _v.field("value", _v.TEXT, default="")
    """What the channel delivers to, such as "ann@example.com". It is kept in its normal form, and is one recipient's in the whole tenant."""
    state: AddressState | None = _v.field("state", _v.ENUM, default=None)
    """Whether it gets messages. Unless given, a new one is PENDING, or ACTIVE if its channel takes no codes. Whoever gives ACTIVE vouches
    for it: no code is needed.
    """
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why it is RETIRED."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""
    last_seen_time: datetime | None = _v.field("lastSeenTime", _v.TIME, default=None)
    """When a message reached it last, as far as anybody told; unset: never."""


class Alarm(Model):
    """A stored intention: when, and what."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "alarms/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    labels: Mapping[str, str] = _v.field("labels", _v.mapped(_v.TEXT), default={})
    """Free labels; keys and values of at most 63 and 256 characters."""
    priority: Priority | None = _v.field("priority", _v.ENUM, default=None)
    """Priority of its firings; NORMAL unless given."""
    trigger: Trigger | None = _v.field("trigger", _v.message("Trigger"), default=None)
    """When it fires."""
    action: Action | None = _v.field("action", _v.message("Action"), default=None)
    """What happens then."""
    retry: RetryPolicy | None = _v.field("retry", _v.message("RetryPolicy"), default=None)
    """How a failed firing is tried again."""
    state: AlarmState | None = _v.field("state", _v.ENUM, default=None)
    """Whether it fires. Given in a create or an update, PAUSED pauses it, and ACTIVE, which is what it begins with, resumes it; COMPLETED
    it becomes by itself.
    """
    next_fire_time: datetime | None = _v.field("nextFireTime", _v.TIME, default=None)
    """Next due time; unset when there is none."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it was last changed."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of the alarm (AIP-154). Given in an update or a delete, it must match."""
    key: str = _v.field("key", _v.TEXT, default="")
    """Name of the client's own, unique within the tenant: an import knows an alarm again by it."""
    auto_pause_after: int = _v.field("autoPauseAfter", _v.INTEGER, default=0)
    """The alarm pauses itself when so many firings in a row have failed for good; 0 means never."""
    pause_reason: str = _v.field("pauseReason", _v.TEXT, default="")
    """Why it is paused: the reason that was given, or "REQUESTED" where none was; "AUTO_PAUSE", "RULE_TOO_COSTLY" when its next due time
    takes too many steps to find, or "TENANT_SUSPENDED" when it came due while its tenant was suspended; empty when it is not.
    """
    signal: Signal | None = _v.field("signal", _v.message("Signal"), default=None)
    """Where a threshold or a heartbeat stands; unset for other triggers."""
    damaged: Sequence[str] = _v.field("damaged", _v.many(_v.TEXT), default=())
    """Fields that are stored and that cannot be read, such as "trigger" or "action": they are left out. Give them anew to mend the alarm."""
    warnings: Sequence[Warning] = _v.field("warnings", _v.many(_v.message("Warning")), default=())
    """What to know about it, although it was taken: only in the answer to a create or an update."""


class AlertPolicy(Model):
    """Who is told of security alerts, of which, and when. Users are told by mail at an address that they have confirmed; recipients, groups
    and rotations as by any notification: their addresses, preferences and quiet hours count, but for alerts of severity HIGH that are
    told at once.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "security/alertPolicy"."""
    to: Sequence[str] = _v.field("to", _v.many(_v.TEXT), default=())
    """Who is told: "owners", "admins", "users/{id}", an address, "recipients/{id}", "groups/{id}" or "rotations/{id}"; nobody if it is
    empty. A tenant that has set nothing tells its owners. Owners are told, and why, in the place of what leads to nobody.
    """
    high: AlertPolicyDelivery | None = _v.field("high", _v.ENUM, default=None)
    """When, of severity HIGH; at once unless given."""
    medium: AlertPolicyDelivery | None = _v.field("medium", _v.ENUM, default=None)
    """When, of severity MEDIUM; daily unless given."""
    low: AlertPolicyDelivery | None = _v.field("low", _v.ENUM, default=None)
    """When, of severity LOW; daily unless given."""
    kinds: Sequence[AlertPolicyKindRule] = _v.field("kinds", _v.many(_v.message("AlertPolicyKindRule")), default=())
    """When, of some kinds, whatever their severity; each once."""
    digest_hour: int | None = _v.field("digestHour", _v.optional(_v.INTEGER), default=None)
    """Hour of the day in the tenant's time zone at which the daily mail is sent; 8 unless given."""
    reached: int = _v.field("reached", _v.INTEGER, default=0)
    """How many addresses and recipients are told now; 0: nobody."""
    unreached: Sequence[str] = _v.field("unreached", _v.many(_v.TEXT), default=())
    """Those of `to` that lead to nobody now; it is empty while mailer_svc, which knows recipients, cannot be asked."""


class AlertPolicyKindRule(Model):
    """When people are told of alerts of a kind."""

    __slots__ = ()
    kind: SecurityAlertKind | None = _v.field("kind", _v.ENUM, default=None)
    """The kind."""
    delivery: AlertPolicyDelivery | None = _v.field("delivery", _v.ENUM, default=None)
    """When."""


class ApiKey(Model):
    """A key, without its secret."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "apiKeys/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """What it is for."""
    scopes: Sequence[str] = _v.field("scopes", _v.many(_v.TEXT), default=())
    """Scopes that it carries."""
    prefix: str = _v.field("prefix", _v.TEXT, default="")
    """First characters of the secret, to tell keys apart."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When it stops working; unset means never. A mail and a security alert tell 7 days before, and 1 day before."""
    owner: str = _v.field("owner", _v.TEXT, default="")
    """Whose it is: "users/{id}" or "serviceAccounts/{id}". It can what its owner can of its scopes, and ends with it."""
    creator: str = _v.field("creator", _v.TEXT, default="")
    """Who made it: "users/{id}" or "apiKeys/{id}"; empty if the installation or an earlier version did."""
    last_use_time: datetime | None = _v.field("lastUseTime", _v.TIME, default=None)
    """When it was last used, within minutes; unset: not yet."""
    last_use_address: str = _v.field("lastUseAddress", _v.TEXT, default="")
    """Network address from which it was used then; empty if nobody knows."""
    previous_secret_expire_time: datetime | None = _v.field("previousSecretExpireTime", _v.TIME, default=None)
    """When the secret of before the last rotation stops working; unset: there is none."""


class AuditFiringsResponse(Model):
    """One difference, or the end."""

    __slots__ = ()
    finding: AuditFiringsResponseFinding | None = _v.field("finding", _v.message("AuditFiringsResponseFinding"), default=None)
    """One difference."""
    summary: AuditFiringsResponseSummary | None = _v.field("summary", _v.message("AuditFiringsResponseSummary"), default=None)
    """What was looked at; the last message."""


class AuditFiringsResponseFinding(Model):
    """A due time that the rules and the ledger disagree about."""

    __slots__ = ()
    kind: AuditFiringsResponseFindingKind | None = _v.field("kind", _v.ENUM, default=None)
    """What is wrong."""
    alarm: str = _v.field("alarm", _v.TEXT, default="")
    """The alarm, "alarms/{id}"; empty when it is about an incident."""
    due_time: datetime | None = _v.field("dueTime", _v.TIME, default=None)
    """The due time."""
    firing: str = _v.field("firing", _v.TEXT, default="")
    """The row in the ledger, "firings/{id}"; empty when it is missing."""
    incident: str = _v.field("incident", _v.TEXT, default="")
    """The incident, "incidents/{id}"; empty when it is about an alarm."""
    step: int = _v.field("step", _v.INTEGER, default=0)
    """Number of the incident's step, from 1 on and through all repetitions; 0: it is about none."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """What was meant, in words; empty for an alarm."""


class AuditFiringsResponseSummary(Model):
    """What was looked at."""

    __slots__ = ()
    alarms: int = _v.field("alarms", _v.INTEGER, default=0)
    """Alarms whose rules were recomputed, those that are gone included."""
    expected: int = _v.field("expected", _v.INTEGER, default=0)
    """Due times that the rules mean, and steps and messages that policies mean."""
    found: int = _v.field("found", _v.INTEGER, default=0)
    """Rows in the ledger."""
    missing: int = _v.field("missing", _v.INTEGER, default=0)
    """Due times without a row."""
    unexpected: int = _v.field("unexpected", _v.INTEGER, default=0)
    """Rows without a due time, at the wrong one, or after an answer."""
    outcomes: Mapping[str, int] = _v.field("outcomes", _v.mapped(_v.INTEGER), default={})
    """Rows by outcome, such as {"FIRED": 10}."""
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """The period that was looked at begins here: what is older may have been cleaned up."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """And ends here."""
    unreadable: int = _v.field("unreadable", _v.INTEGER, default=0)
    """Alarms with a stored rule that cannot be read, and incidents that cannot be judged: they and their rows are counted nowhere else."""
    incidents: int = _v.field("incidents", _v.INTEGER, default=0)
    """Incidents whose timelines were replayed."""
    steps: int = _v.field("steps", _v.INTEGER, default=0)
    """Of the expected due times those of incidents: their steps, and the messages that somebody has it or that it is over."""


class AuditHead(Model):
    """A place in the chain, signed by the installation."""

    __slots__ = ()
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Id of the tenant."""
    number: int = _v.field("number", _v.INTEGER, default=0)
    """Number of the entry."""
    hash: str = _v.field("hash", _v.TEXT, default="")
    """Hash of the entry."""
    sign_time: datetime | None = _v.field("signTime", _v.TIME, default=None)
    """When it was signed."""
    signature: str = _v.field("signature", _v.TEXT, default="")
    """JSON Web Signature (RFC 7515) that says all this, by a key of /.well-known/jwks.json."""


class AuditLog(Model):
    """One thing that somebody did, or tried to do."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "auditLogs/{number}": numbers of a tenant follow each other without gaps."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it was done, by the clock of the service."""
    service: str = _v.field("service", _v.TEXT, default="")
    """Which service did it, such as "scheduler_svc"."""
    method: str = _v.field("method", _v.TEXT, default="")
    """What: an RPC such as "AlarmService/CreateAlarm"."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Who: "users/…" or "apiKeys/…"; empty when unknown."""
    session: str = _v.field("session", _v.TEXT, default="")
    """Id of the session, where there is one."""
    client_address: str = _v.field("clientAddress", _v.TEXT, default="")
    """IP address of the client; empty for what a service did by itself."""
    user_agent: str = _v.field("userAgent", _v.TEXT, default="")
    """What the client calls itself."""
    resource: str = _v.field("resource", _v.TEXT, default="")
    """To which resource, as far as request or answer say it; a part that is an address is replaced by "~" and a digest."""
    outcome: str = _v.field("outcome", _v.TEXT, default="")
    """How it ended: "OK", or a code of google.rpc.Code such as "PERMISSION_DENIED"."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """What else there is to tell in a word, such as "auth.login.failed" or "SCOPE_MISSING"."""
    request_id: str = _v.field("requestId", _v.TEXT, default="")
    """Identity of the request, if it has one (AIP-155)."""
    trace_id: str = _v.field("traceId", _v.TEXT, default="")
    """Trace that it belongs to."""
    count: int = _v.field("count", _v.INTEGER, default=0)
    """How many: messages of a stream, or times that the same was refused."""
    entry_id: str = _v.field("entryId", _v.TEXT, default="")
    """Identity that the service gave it."""
    hash: str = _v.field("hash", _v.TEXT, default="")
    """SHA-256 of the entry and of the hash before it, in hexadecimal (docs/audit-log.md)."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Id of the tenant."""


class BackfillAlarmResponse(Model):
    """What a backfill did."""

    __slots__ = ()
    fired: int = _v.field("fired", _v.INTEGER, default=0)
    """Due times that were fired."""
    known: int = _v.field("known", _v.INTEGER, default=0)
    """Due times that the ledger has already."""
    next_start_time: datetime | None = _v.field("nextStartTime", _v.TIME, default=None)
    """When there are more than the limit, the first one that was left; call again with it as start_time."""


class BatchGetNamesResponse(Model):
    """The names."""

    __slots__ = ()
    names: Sequence[CalledName] = _v.field("names", _v.many(_v.message("CalledName")), default=())
    """Those that are known, in no order."""


class BeginOidcSignInResponse(Model):
    """Where the browser has to go."""

    __slots__ = ()
    authorization_url: str = _v.field("authorizationUrl", _v.TEXT, default="")
    """URL at the issuer."""
    state: str = _v.field("state", _v.TEXT, default="")
    """Names the sign-in; it comes back from the issuer."""
    binding: str = _v.field("binding", _v.TEXT, secret=True, default="")
    """Secret that the browser keeps, and that no page and no issuer learns."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When the sign-in ends by itself."""
    redirect_uri: str = _v.field("redirectUri", _v.TEXT, default="")
    """Where the browser comes back to."""


class BeginPasskeyEnrolmentResponse(Model):
    """How a passkey is made."""

    __slots__ = ()
    challenge: str = _v.field("challenge", _v.TEXT, secret=True, default="")
    """What goes into EnrolPasskeyRequest.challenge; it works for five minutes."""
    options: str = _v.field("options", _v.TEXT, default="")
    """What PublicKeyCredential.parseCreationOptionsFromJSON() takes, in JSON (PublicKeyCredentialCreationOptionsJSON)."""


class BeginPasskeyResponse(Model):
    """How a passkey is asked."""

    __slots__ = ()
    challenge: str = _v.field("challenge", _v.TEXT, secret=True, default="")
    """What goes into IssueTokenRequest.challenge."""
    options: str = _v.field("options", _v.TEXT, default="")
    """What PublicKeyCredential.parseRequestOptionsFromJSON() takes, in JSON (PublicKeyCredentialRequestOptionsJSON)."""


class BeginReauthenticationResponse(Model):
    """How one shows again who one is."""

    __slots__ = ()
    methods: Sequence[str] = _v.field("methods", _v.many(_v.TEXT), default=())
    """What will do: "totp", "passkey", "recovery_code"; "password" of who has no second factor."""
    challenge: str = _v.field("challenge", _v.TEXT, secret=True, default="")
    """What goes into ReauthenticateRequest.challenge along with a passkey's answer; empty unless the user has a passkey."""
    options: str = _v.field("options", _v.TEXT, default="")
    """What PublicKeyCredential.parseRequestOptionsFromJSON() takes, in JSON; empty unless the user has a passkey."""


class Breaker(Model):
    """When calls to one method of one target stop being attempted. Unset fields take the mesh's defaults."""

    __slots__ = ()
    window: timedelta | None = _v.field("window", _v.DURATION, default=None)
    """Length of the sliding window."""
    minimum_calls: int = _v.field("minimumCalls", _v.INTEGER, default=0)
    """Calls that the window must hold before a ratio can trip the breaker."""
    failure_percent: int = _v.field("failurePercent", _v.INTEGER, default=0)
    """Trips when the share of failures is strictly greater, in percent."""
    slow_percent: int = _v.field("slowPercent", _v.INTEGER, default=0)
    """Trips when the share of slow calls is at least this, in percent."""
    consecutive_failures: int = _v.field("consecutiveFailures", _v.INTEGER, default=0)
    """Trips after this many failures in a row, whatever the window holds."""
    open: timedelta | None = _v.field("open", _v.DURATION, default=None)
    """How long the breaker stays open the first time; doubles with every reopening."""
    max_open: timedelta | None = _v.field("maxOpen", _v.DURATION, default=None)
    """Upper bound of the time it stays open."""
    half_open_permits: int = _v.field("halfOpenPermits", _v.INTEGER, default=0)
    """Probes admitted at once when half open, and successes in a row that close it."""
    observe_only: bool = _v.field("observeOnly", _v.BOOL, default=False)
    """True if it opens and closes, is logged and counted, and refuses nothing: to see what a rule would do."""


class Calendar(Model):
    """Stretches of time that triggers share."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "calendars/{id}"; the id is chosen by the client."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone of its local times; that of each alarm that uses it unless given."""
    dates: Sequence[str] = _v.field("dates", _v.many(_v.TEXT), default=())
    """A local date "2026-12-25", a local time, an instant, or a range of two of a kind: "2026-12-24/2026-12-26" with both its days, or
    "2026-12-24T12:00:00/2026-12-27T08:00:00" up to its end.
    """
    windows: Sequence[Window] = _v.field("windows", _v.many(_v.message("Window")), default=())
    """Stretches by rules."""
    ics: str = _v.field("ics", _v.TEXT, default="")
    """The text of an .ics file: its events are added to the dates and the windows that are given. Never answered."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of it (AIP-154). Given in an update or a delete, it must match."""


class CallFilter(Model):
    """Which calls are shown: those that are like everything that is given."""

    __slots__ = ()
    method: str = _v.field("method", _v.TEXT, default="")
    """Full path of the method, or the end of it, such as "CreateAlarm" or "AlarmService/CreateAlarm"."""
    caller: str = _v.field("caller", _v.TEXT, default="")
    """The service that called, by its certificate, such as "gateway"."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Id of the tenant."""
    code: str = _v.field("code", _v.TEXT, default="")
    """Name of the code that they ended with, such as "OK" or "NOT_FOUND"; "ERROR" for every one but OK."""


class CalledEndpoint(Model):
    """One endpoint of a service, as a process that calls it sees it."""

    __slots__ = ()
    target: str = _v.field("target", _v.TEXT, default="")
    """The called service."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Its address; empty for calls that gRPC sent to whichever endpoint it had."""
    zone: str = _v.field("zone", _v.TEXT, default="")
    """Zone that the target says; empty without one."""
    version: str = _v.field("version", _v.TEXT, default="")
    """Version that the target says; empty without one."""
    state: str = _v.field("state", _v.TEXT, default="")
    """State of the connection: "READY", "IDLE", "CONNECTING", "TRANSIENT_FAILURE", "SHUTDOWN"; empty before it was wanted."""
    calls: int = _v.field("calls", _v.INTEGER, default=0)
    """Attempts of calls and streams that were begun there since the start."""
    errors: int = _v.field("errors", _v.INTEGER, default=0)
    """Those of them that failed."""
    last_call_time: datetime | None = _v.field("lastCallTime", _v.TIME, default=None)
    """When the last of them began; unset before the first."""


class CalledName(Model):
    """What somebody is called."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """The name; of a person without one the username, or the address for callers with the scope users:read."""


class CatchUp(Model):
    """What happens with due times that passed while nothing could fire."""

    __slots__ = ()
    mode: CatchUpMode | None = _v.field("mode", _v.ENUM, default=None)
    """How many of them fire."""
    limit: int = _v.field("limit", _v.INTEGER, default=0)
    """At most this many fire with ALL; 100 unless given."""
    window: timedelta | None = _v.field("window", _v.DURATION, default=None)
    """A due time older than this is skipped; without a window none is."""


class Category(Model):
    """What messages are about, so that recipients can choose."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "categories/{id}"; the id is chosen by the client."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    kind: CategoryKind | None = _v.field("kind", _v.ENUM, default=None)
    """How much recipients may say about its messages; TRANSACTIONAL unless given."""
    channels: Sequence[str] = _v.field("channels", _v.many(_v.TEXT), default=())
    """Channels of messages that name none, in lower case, such as "email"; empty: the mailer's default one."""
    digest_window: timedelta | None = _v.field("digestWindow", _v.DURATION, default=None)
    """Messages to one address are collected for so long and go out as one; unset or 0: each goes out by itself. A day at most."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""


class Check(Model):
    """A look whether something works. What it found is the result of the firing, and a reading: 1 or 0 for the metric, and the seconds that
    it took for the metric with ".seconds" behind. With notify, people are told when it begins to fail and when it works again.
    """

    __slots__ = ()
    http: str | None = _v.field("http", _v.optional(_v.TEXT), default=None)
    """A URL answers as it should: https://… or http://…"""
    tcp: str | None = _v.field("tcp", _v.optional(_v.TEXT), default=None)
    """A port takes connections: "host:port"."""
    grpc: str | None = _v.field("grpc", _v.optional(_v.TEXT), default=None)
    """A server says by grpc.health.v1 that it serves: "host:port"."""
    dns: str | None = _v.field("dns", _v.optional(_v.TEXT), default=None)
    """A name has records, asked of the resolver of this installation."""
    smtp: str | None = _v.field("smtp", _v.optional(_v.TEXT), default=None)
    """A mail server greets: "host:port"."""
    sensor: str | None = _v.field("sensor", _v.optional(_v.TEXT), default=None)
    """The latest reading of a metric is within limits."""
    service: str | None = _v.field("service", _v.optional(_v.TEXT), default=None)
    """A service of this installation is healthy: "scheduler"."""
    statuses: Sequence[str] = _v.field("statuses", _v.many(_v.TEXT), default=())
    """Statuses that are good: "200", "2xx" or "200-399"; any 2xx unless given."""
    contains: str = _v.field("contains", _v.TEXT, default="")
    """What the body must hold, within its first 64 KiB."""
    certificate_days: int = _v.field("certificateDays", _v.INTEGER, default=0)
    """It fails when the certificate is good for fewer days; 0 means that only an invalid one does."""
    method: str = _v.field("method", _v.TEXT, default="")
    """Method of the request; GET unless given."""
    record_type: str = _v.field("recordType", _v.TEXT, default="")
    """Type of the records; A unless given."""
    expected: Sequence[str] = _v.field("expected", _v.many(_v.TEXT), default=())
    """Records that must be among the answers, as dig writes them."""
    grpc_service: str = _v.field("grpcService", _v.TEXT, default="")
    """Service whose health is asked for; the server's unless given."""
    tls: bool = _v.field("tls", _v.BOOL, default=False)
    """Whether the connection is secured by TLS and the certificate must be good. For smtp by STARTTLS, at port 465 from the beginning."""
    minimum: float | None = _v.field("minimum", _v.optional(_v.NUMBER), default=None)
    """The reading must not be below."""
    maximum: float | None = _v.field("maximum", _v.optional(_v.NUMBER), default=None)
    """The reading must not be above."""
    max_age: timedelta | None = _v.field("maxAge", _v.DURATION, default=None)
    """The reading must not be older."""
    timeout: timedelta | None = _v.field("timeout", _v.DURATION, default=None)
    """Longest time of one try; 10 s unless given."""
    tries: int = _v.field("tries", _v.INTEGER, default=0)
    """It has failed when so many tries have, a second apart; 1 unless given."""
    metric: str = _v.field("metric", _v.TEXT, default="")
    """Metric of its readings; "check." and the id of the alarm unless given."""
    notify: Notify | None = _v.field("notify", _v.message("Notify"), default=None)
    """Who is told when it begins to fail, and when it works again."""


class CircuitBreaker(Model):
    """One circuit breaker."""

    __slots__ = ()
    id: str = _v.field("id", _v.TEXT, default="")
    """Identity: "<target>/<package>.<Service>/<Method>", "database", or the provider's name."""
    target: str = _v.field("target", _v.TEXT, default="")
    """What it guards: a service name, "database", or a provider."""
    state: CircuitBreakerState | None = _v.field("state", _v.ENUM, default=None)
    """Its state."""
    failures: int = _v.field("failures", _v.INTEGER, default=0)
    """Failures in the current window, or in a row, whichever is more."""
    calls: int = _v.field("calls", _v.INTEGER, default=0)
    """Calls in the current window."""
    opened_time: datetime | None = _v.field("openedTime", _v.TIME, default=None)
    """Since when it is open; unset when closed."""
    retry_after: timedelta | None = _v.field("retryAfter", _v.DURATION, default=None)
    """How long until the next probe is admitted; unset unless open."""
    forced: bool = _v.field("forced", _v.BOOL, default=False)
    """True while an order keeps it open or closed."""
    idle: bool = _v.field("idle", _v.BOOL, default=False)
    """True when the breaker is not closed only because no call has come since it would let a probe pass. No call is refused."""
    last_failure_time: datetime | None = _v.field("lastFailureTime", _v.TIME, default=None)
    """When the last failure was seen; unset when there was none since the process started."""


class ClaimCondition(Model):
    """A condition on one claim of a token."""

    __slots__ = ()
    claim: str = _v.field("claim", _v.TEXT, default="")
    """Name of the claim, such as "amr". A claim that is a list matches when one of its texts does."""
    values: Sequence[str] = _v.field("values", _v.many(_v.TEXT), default=())
    """Patterns, of which one must match."""
    not_values: Sequence[str] = _v.field("notValues", _v.many(_v.TEXT), default=())
    """Patterns of which none may match."""


class CompleteOidcSignInResponse(Model):
    """Somebody is signed in."""

    __slots__ = ()
    tokens: TokenResponse | None = _v.field("tokens", _v.message("TokenResponse"), default=None)
    """The tokens."""
    return_to: str = _v.field("returnTo", _v.TEXT, default="")
    """What BeginOidcSignIn was asked to return to."""
    end_session_url: str = _v.field("endSessionUrl", _v.TEXT, default="")
    """URL at the issuer that signs the person out there as well (OpenID Connect RP-Initiated Logout 1.0); empty if it has none."""


class ConfirmAddressChangeResponse(Model):
    """Whose address it is now."""

    __slots__ = ()
    user: str = _v.field("user", _v.TEXT, default="")
    """Resource name of the user."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Resource name of the tenant."""


class CreateApiKeyResponse(Model):
    """A key with its secret."""

    __slots__ = ()
    api_key: ApiKey | None = _v.field("apiKey", _v.message("ApiKey"), default=None)
    """The key."""
    secret: str = _v.field("secret", _v.TEXT, secret=True, default="")
    """The secret; shown this once. It starts with "tk_"."""


class CreateRecoveryCodesResponse(Model):
    """Recovery codes."""

    __slots__ = ()
    recovery_codes: Sequence[str] = _v.field("recoveryCodes", _v.many(_v.TEXT), secret=True, default=())
    """The codes, which are shown here alone."""


class CreateSignInLinkResponse(Model):
    """A sign-in link."""

    __slots__ = ()
    token: str = _v.field("token", _v.TEXT, secret=True, default="")
    """What AuthService.ExchangeLink takes."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When it works no more."""


class CreateStreamTokenResponse(Model):
    """A stream token."""

    __slots__ = ()
    token: str = _v.field("token", _v.TEXT, secret=True, default="")
    """The value of the query parameter access_token."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When it opens nothing any more."""


class CreateTenantResponse(Model):
    """A tenant that was made."""

    __slots__ = ()
    tenant: Tenant | None = _v.field("tenant", _v.message("Tenant"), default=None)
    """The tenant."""
    link: str = _v.field("link", _v.TEXT, secret=True, default="")
    """Link by which the owner chooses name and password, once; empty if a mail has it. It is shown here only."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When the invitation ends."""


class Daily(Model):
    """A time of day in the trigger's zone."""

    __slots__ = ()
    time: str = _v.field("time", _v.TEXT, default="")
    """"14:30:00" or "14:30"."""
    recurring: bool | None = _v.field("recurring", _v.optional(_v.BOOL), default=None)
    """Every day if true or unset; otherwise once, at the next such time."""


class Delivery(Model):
    """One message to one address by one channel."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "deliveries/{id}"; the id derives from the firing, the channel and the address."""
    firing: str = _v.field("firing", _v.TEXT, default="")
    """Resource name of the firing."""
    alarm: str = _v.field("alarm", _v.TEXT, default="")
    """Resource name of the alarm; empty for an ad-hoc task."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel, such as "email"."""
    to: str = _v.field("to", _v.TEXT, default="")
    """Address."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line."""
    state: DeliveryState | None = _v.field("state", _v.ENUM, default=None)
    """Where it stands."""
    attempts: int = _v.field("attempts", _v.INTEGER, default=0)
    """Attempts so far."""
    message_id: str = _v.field("messageId", _v.TEXT, default="")
    """Message-ID of the mail; the same for every attempt."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was accepted."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it last changed."""
    next_attempt_time: datetime | None = _v.field("nextAttemptTime", _v.TIME, default=None)
    """When the next attempt is due; unset unless one is waiting."""
    timeline: Sequence[DeliveryEvent] = _v.field("timeline", _v.many(_v.message("DeliveryEvent")), default=())
    """Every change, the oldest first; only in GetDelivery."""
    recipient: str = _v.field("recipient", _v.TEXT, default="")
    """Resource name of the recipient, or of a group that is not there; empty if the address belongs to nobody."""
    category: str = _v.field("category", _v.TEXT, default="")
    """Resource name of the category; empty if the message has none."""
    notification: str = _v.field("notification", _v.TEXT, default="")
    """Resource name of the notification that it is of; empty if it came by address from an alarm."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why it is HELD or SUPPRESSED, such as "QUIET_HOURS" or "OPTED_OUT"; empty in other states."""
    hold_time: datetime | None = _v.field("holdTime", _v.TIME, default=None)
    """When it is asked again whether it may be sent; unset unless it is HELD until a known time."""
    digest: str = _v.field("digest", _v.TEXT, default="")
    """Resource name of the delivery that it went out with; only of a DIGESTED one."""


class DeliveryCount(Model):
    """How many deliveries of a notification there are in one state."""

    __slots__ = ()
    state: DeliveryState | None = _v.field("state", _v.ENUM, default=None)
    """The state."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why, of those that are HELD or SUPPRESSED."""
    count: int = _v.field("count", _v.INTEGER, default=0)
    """How many."""


class DeliveryEvent(Model):
    """One change of a delivery."""

    __slots__ = ()
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When."""
    state: DeliveryState | None = _v.field("state", _v.ENUM, default=None)
    """State from then on."""
    provider: str = _v.field("provider", _v.TEXT, default="")
    """Provider concerned; empty if none."""
    code: int = _v.field("code", _v.INTEGER, default=0)
    """Provider's code, such as an SMTP reply code; 0 if none."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """Provider's words, or ours."""


class DeliverySummary(Model):
    """What became of the messages of a firing. A message is told of here when something went wrong; DeliveryService knows each."""

    __slots__ = ()
    accepted: int = _v.field("accepted", _v.INTEGER, default=0)
    """Messages that the mailer took."""
    dead: int = _v.field("dead", _v.INTEGER, default=0)
    """Of these, messages that failed for good."""
    unknown: int = _v.field("unknown", _v.INTEGER, default=0)
    """Of these, messages whose delivery is unknown: they may have arrived."""
    worst: DeliverySummaryState | None = _v.field("worst", _v.ENUM, default=None)
    """The worst of all."""
    failed: Sequence[FailedDelivery] = _v.field("failed", _v.many(_v.message("FailedDelivery")), default=())
    """Those that went wrong, at most 20."""
    suppressed: int = _v.field("suppressed", _v.INTEGER, default=0)
    """Of these, messages that a provider took and did not send on."""
    bounced: int = _v.field("bounced", _v.INTEGER, default=0)
    """Of these, messages that came back after they were sent."""
    complained: int = _v.field("complained", _v.INTEGER, default=0)
    """Of these, messages that arrived and that their recipients called spam."""


class Dependency(Model):
    """Something that a process needs."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Name, such as "database" or "redis"."""
    health: StatusHealth | None = _v.field("health", _v.ENUM, default=None)
    """Its health as this process sees it."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """Why it is not healthy; empty otherwise."""


class DstPolicy(Model):
    """What a change of the clocks does to a local time."""

    __slots__ = ()
    gap: DstPolicyGap | None = _v.field("gap", _v.ENUM, default=None)
    """For a local time that does not exist."""
    overlap: DstPolicyOverlap | None = _v.field("overlap", _v.ENUM, default=None)
    """For a local time that exists twice."""


class DutyInterval(Model):
    """A stretch of time in which the same people are on call for the same reason."""

    __slots__ = ()
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When it begins."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When it ends."""
    recipients: Sequence[str] = _v.field("recipients", _v.many(_v.TEXT), default=())
    """Who is on call, "recipients/{id}"."""
    layer: int = _v.field("layer", _v.INTEGER, default=0)
    """The layer whose turn it is, its place from 1; 0: it is nobody's turn, or overrides put others in place of all."""
    layer_display_name: str = _v.field("layerDisplayName", _v.TEXT, default="")
    """Name of the layer."""
    overridden_layers: Sequence[int] = _v.field("overriddenLayers", _v.many(_v.INTEGER), default=())
    """Places of earlier layers that cover the time as well, and are overridden."""
    overrides: Sequence[str] = _v.field("overrides", _v.many(_v.TEXT), default=())
    """Overrides that hold, "rotations/{id}/overrides/{id}", in the order in which they are applied."""
    labels: Sequence[DutyIntervalLabel] = _v.field("labels", _v.many(_v.ENUM), default=())
    """What should be seen."""


class EnrolTotpResponse(Model):
    """The secret of an authenticator app, which is shown here alone."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name of the factor that it will be."""
    secret: str = _v.field("secret", _v.TEXT, secret=True, default="")
    """The secret in base32, for those who type it."""
    uri: str = _v.field("uri", _v.TEXT, secret=True, default="")
    """The same as an otpauth:// URI, for a QR code."""
    qr_code: str = _v.field("qrCode", _v.TEXT, secret=True, default="")
    """That QR code (ISO/IEC 18004): an SVG as a data: URI, black on white."""


class EnrolledFactor(Model):
    """A factor that is one from now on."""

    __slots__ = ()
    factor: Factor | None = _v.field("factor", _v.message("Factor"), default=None)
    """The factor."""
    recovery_codes: Sequence[str] = _v.field("recoveryCodes", _v.many(_v.TEXT), secret=True, default=())
    """Recovery codes, which are shown here alone; none if there were some already."""


class EscalationPolicy(Model):
    """Whom an incident goes to, step by step, until somebody acknowledges it."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "escalationPolicies/{id}". The id is the client's own, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    steps: Sequence[EscalationStep] = _v.field("steps", _v.many(_v.message("EscalationStep")), default=())
    """The steps, the first one first."""
    repeat: int = _v.field("repeat", _v.INTEGER, default=0)
    """How often all steps are gone through once more after the last one has waited."""
    round_robin: bool = _v.field("roundRobin", _v.BOOL, default=False)
    """Whether incidents take turns: of the targets of the first step each incident tells one, the next incident the next one."""
    unacknowledge_after: timedelta | None = _v.field("unacknowledgeAfter", _v.DURATION, default=None)
    """An acknowledged incident is triggered again, from the first step on, when it is not resolved after so long; never unless given."""
    resolve_after: timedelta | None = _v.field("resolveAfter", _v.DURATION, default=None)
    """An incident that nobody triggers again resolves by itself after so long; never unless given."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of the policy (AIP-154). Given in an update or a delete, it must match."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone of the hours of its steps; the tenant's zone unless given."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""


class EscalationStep(Model):
    """One step of an escalation policy."""

    __slots__ = ()
    targets: Sequence[str] = _v.field("targets", _v.many(_v.TEXT), default=())
    """Who is told: "recipients/{id}", "groups/{id}" or "rotations/{id}", as they are at that moment."""
    wait: timedelta | None = _v.field("wait", _v.DURATION, default=None)
    """How long an acknowledgement is waited for before the next step; 5 minutes unless given."""
    channels: Sequence[str] = _v.field("channels", _v.many(_v.TEXT), default=())
    """Channels by their names in lower case, such as "sms"; each recipient's own unless given."""
    hours: Sequence[WeeklyHours] = _v.field("hours", _v.many(_v.message("WeeklyHours")), default=())
    """The step counts only in these hours, in the policy's zone; outside of them it is skipped, and the next one comes at once. Always
    unless given.
    """
    min_occurrences: int = _v.field("minOccurrences", _v.INTEGER, default=0)
    """The step counts only if the incident was triggered so many times within occurrence_window; otherwise it is skipped likewise."""
    occurrence_window: timedelta | None = _v.field("occurrenceWindow", _v.DURATION, default=None)
    """See min_occurrences; since the incident began unless given."""


class Event(Model):
    """Whenever a matching event is published."""

    __slots__ = ()
    topic: str = _v.field("topic", _v.TEXT, default="")
    """Topic, or a pattern of topics: "*" stands for one segment, a last "**" for any number of them, as in "orders.*.paid" or "orders.**"."""
    filter: str = _v.field("filter", _v.TEXT, default="")
    """AIP-160 conditions on the event joined by AND, such as data.total>100 AND data.country="FR"; empty takes every event."""


class ExportAuditLogsResponse(Model):
    """A line of an export: first the anchor, if retention has cut something; then the entries; last the head, if one was signed."""

    __slots__ = ()
    anchor: AuditHead | None = _v.field("anchor", _v.message("AuditHead"), default=None)
    """The last entry that retention has cut."""
    audit_log: AuditLog | None = _v.field("auditLog", _v.message("AuditLog"), default=None)
    """An entry."""
    head: AuditHead | None = _v.field("head", _v.message("AuditHead"), default=None)
    """The last entry at the time of signing."""


class Factor(Model):
    """A second factor."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "factors/{id}"."""
    kind: FactorKind | None = _v.field("kind", _v.ENUM, default=None)
    """What it is."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name that its owner has given it."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    last_use_time: datetime | None = _v.field("lastUseTime", _v.TIME, default=None)
    """When it was used last; unset: never."""
    synced: bool = _v.field("synced", _v.BOOL, default=False)
    """Of a passkey: whether it is kept on several devices of its owner."""


class FailedDelivery(Model):
    """A message that went wrong."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "deliveries/{id}"."""
    state: DeliverySummaryState | None = _v.field("state", _v.ENUM, default=None)
    """How it ended."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why."""


class Fault(Model):
    """What happens to a share of the calls that a process serves."""

    __slots__ = ()
    method: str = _v.field("method", _v.TEXT, default="")
    """Full path of a method, "/package.Service/Method"; with a "/" at its end a whole service, "/package.Service/"; empty for every call."""
    percent: float = _v.field("percent", _v.NUMBER, default=0.0)
    """Share of the calls, in percent."""
    delay: timedelta | None = _v.field("delay", _v.DURATION, default=None)
    """They wait so long first."""
    abort: int = _v.field("abort", _v.INTEGER, default=0)
    """They end with this code, as google.rpc.Code numbers it; 0 lets them pass."""
    drop: bool = _v.field("drop", _v.BOOL, default=False)
    """They get no answer before their deadline."""


class Feed(Model):
    """A calendar feed."""

    __slots__ = ()
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Whose: "rotations/{id}" or "recipients/{id}"."""
    url: str = _v.field("url", _v.TEXT, default="")
    """Its URL, which is a secret: whoever has it sees who is on call. A path if nobody told this installation its public URL. Only in the
    answer that made it; what is stored is a hash.
    """
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""


class Firing(Model):
    """One occurrence of an alarm: its row in the ledger."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "firings/{id}"; the id derives from the alarm and the due time."""
    alarm: str = _v.field("alarm", _v.TEXT, default="")
    """The alarm, "alarms/{id}"; empty for an ad-hoc task."""
    due_time: datetime | None = _v.field("dueTime", _v.TIME, default=None)
    """When it was due."""
    fire_time: datetime | None = _v.field("fireTime", _v.TIME, default=None)
    """When it fired; unset if it did not."""
    outcome: FiringOutcome | None = _v.field("outcome", _v.ENUM, default=None)
    """How the occurrence ended."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why, for an outcome other than FIRED."""
    state: FiringState | None = _v.field("state", _v.ENUM, default=None)
    """Where its work stands."""
    attempts: int = _v.field("attempts", _v.INTEGER, default=0)
    """Attempts so far."""
    next_attempt_time: datetime | None = _v.field("nextAttemptTime", _v.TIME, default=None)
    """When the next attempt is due; unset unless one is waiting."""
    result: JsonObject | None = _v.field("result", _v.ANY, default=None)
    """What the work answered; at most 16 KiB."""
    error: str = _v.field("error", _v.TEXT, default="")
    """Why the last attempt failed; empty otherwise."""
    complete_time: datetime | None = _v.field("completeTime", _v.TIME, default=None)
    """When its work ended; unset before."""
    priority: Priority | None = _v.field("priority", _v.ENUM, default=None)
    """Priority."""
    trace_id: str = _v.field("traceId", _v.TEXT, default="")
    """Trace of the firing (W3C trace-context, trace-id); empty if it was not traced."""
    origin: FiringOrigin | None = _v.field("origin", _v.ENUM, default=None)
    """Where it comes from."""
    context: JsonObject | None = _v.field("context", _v.ANY, default=None)
    """What triggered it, in addition to its alarm: the event with its data, the reading, or the ping."""
    damaged: Sequence[str] = _v.field("damaged", _v.many(_v.TEXT), default=())
    """Fields that are stored and that cannot be shown, such as "context" or "result": they are left out."""
    deliveries: DeliverySummary | None = _v.field("deliveries", _v.message("DeliverySummary"), default=None)
    """What became of the messages that it sent; unset if it sent none."""


class Forecast(Model):
    """Planned fires."""

    __slots__ = ()
    compute_time: datetime | None = _v.field("computeTime", _v.TIME, default=None)
    """When it was computed."""
    minutes: Sequence[ForecastMinute] = _v.field("minutes", _v.many(_v.message("ForecastMinute")), default=())
    """Minutes with at least one fire, in order."""
    total: int = _v.field("total", _v.INTEGER, default=0)
    """Fires in all."""
    busiest: ForecastMinute | None = _v.field("busiest", _v.message("ForecastMinute"), default=None)
    """The busiest minute; unset when there is none."""


class ForecastMinute(Model):
    """One minute."""

    __slots__ = ()
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When it begins."""
    fires: int = _v.field("fires", _v.INTEGER, default=0)
    """Fires within it."""


class GetCallbackSecretResponse(Model):
    """The secret of status callbacks."""

    __slots__ = ()
    secret: str = _v.field("secret", _v.TEXT, default="")
    """The secret, "whsec_" and base64."""


class GetPolicyResponse(Model):
    """Policies, and what changes them."""

    __slots__ = ()
    methods: Sequence[PolicyView] = _v.field("methods", _v.many(_v.message("PolicyView")), default=())
    """By method."""
    orders: Sequence[PolicyOrder] = _v.field("orders", _v.many(_v.message("PolicyOrder")), default=())
    """The orders that hold."""
    file: str = _v.field("file", _v.TEXT, default="")
    """The file that rules are read from; empty without one."""
    problem: str = _v.field("problem", _v.TEXT, default="")
    """Why the file cannot be used, while what it said before holds; empty when it can."""
    named: Sequence[NamedRuleView] = _v.field("named", _v.many(_v.message("NamedRuleView")), default=())
    """Rules of access, rates, splits and mirrors that are in force; of one method, those about it."""
    closed: bool = _v.field("closed", _v.BOOL, default=False)
    """True while calls are refused because the file may hold rules of access, and could not be read since the start."""


class GetStatusResponse(Model):
    """A page of what is watched."""

    __slots__ = ()
    standings: Sequence[Standing] = _v.field("standings", _v.many(_v.message("Standing")), default=())
    """How it stands."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class Group(Model):
    """Recipients, groups, and whoever is on call in rotations, that messages can be for together."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "groups/{id}". The id is the client's own, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""
    member_count: int = _v.field("memberCount", _v.INTEGER, default=0)
    """Members that it has itself."""


class GroupLine(Model):
    """A group with its members, as imports and exports have it."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "groups/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    members: Sequence[str] = _v.field("members", _v.many(_v.TEXT), default=())
    """What is in it itself, "recipients/{id}", "groups/{id}" or "rotations/{id}"; what is in it and is not here goes, unless the line is
    partial.
    """
    partial: bool = _v.field("partial", _v.BOOL, default=False)
    """There are more members than those of this line, on other lines: it only adds. So a group of more than 10,000 is said."""


class GroupMember(Model):
    """A member of a group."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name of the recipient, group or rotation."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Its name for people; empty: it has none, or is gone."""


class Handler(Model):
    """Something that a task can run."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Its name."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What it does."""
    input_schema: JsonObject | None = _v.field("inputSchema", _v.ANY, default=None)
    """JSON Schema of its input."""


class Heartbeat(Model):
    """When a ping does not come."""

    __slots__ = ()
    every: timedelta | None = _v.field("every", _v.DURATION, default=None)
    """A ping is expected within this of the one before."""
    grace: timedelta | None = _v.field("grace", _v.DURATION, default=None)
    """It fires when the ping is late by more than this, or when a job that has said that it began has not ended within it; 60 s unless
    given.
    """
    key: str = _v.field("key", _v.TEXT, default="")
    """Key of the pings, unique within the tenant. A UUID is a secret key: who knows it needs no token to ping. Without one such a key is
    made.
    """
    notify_resolved: bool | None = _v.field("notifyResolved", _v.optional(_v.BOOL), default=None)
    """Whether the action also runs when the ping comes after all; true unless given."""
    cron: str = _v.field("cron", _v.TEXT, default="")
    """A ping is expected at each time of cron expressions, as in Trigger, in the trigger's time zone; "H" is a hash of the key."""
    on_calendar: str = _v.field("onCalendar", _v.TEXT, default="")
    """A ping is expected at each time of a calendar expression of systemd."""
    rrule: str = _v.field("rrule", _v.TEXT, default="")
    """A ping is expected at each time of a recurrence (RFC 5545) with its DTSTART."""
    slug: str = _v.field("slug", _v.TEXT, default="")
    """Name for addresses, unique within the tenant: /ping/{ping key}/{slug}."""


class Hedge(Model):
    """Hedging: when a second attempt is started while the first is still running. Only for methods with NO_SIDE_EFFECTS."""

    __slots__ = ()
    enabled: bool = _v.field("enabled", _v.BOOL, default=False)
    """Whether it is made at all."""
    delay: timedelta | None = _v.field("delay", _v.DURATION, default=None)
    """How long the first one gets; unset: what 95 % of the method's successful attempts did not exceed."""


class Identity(Model):
    """What an issuer calls a user."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "users/{id}/identities/{id}"."""
    issuer: str = _v.field("issuer", _v.TEXT, default="")
    """The issuer."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """What it calls the user: its claim "sub"."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When the link was made."""
    last_sign_in_time: datetime | None = _v.field("lastSignInTime", _v.TIME, default=None)
    """When the user last signed in by it; unset: never."""


class IdentityProvider(Model):
    """An issuer whose word signs people in to the tenant."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "identityProviders/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """What people call it, such as "Example SSO"; the issuer's host unless given."""
    issuer: str = _v.field("issuer", _v.TEXT, default="")
    """Issuer identifier: the URL below which /.well-known/openid-configuration is, exactly as the issuer writes it."""
    client_id: str = _v.field("clientId", _v.TEXT, default="")
    """Client id that the issuer has given to this installation."""
    client_secret: str = _v.field("clientSecret", _v.TEXT, secret=True, default="")
    """Client secret; empty for a public client. Taken, sealed, and never told."""
    has_client_secret: bool = _v.field("hasClientSecret", _v.BOOL, default=False)
    """Whether there is a client secret."""
    scopes: Sequence[str] = _v.field("scopes", _v.many(_v.TEXT), default=())
    """Scopes to ask the issuer for; "openid" is always among them. "openid", "profile" and "email" unless given."""
    groups_claim: Sequence[str] = _v.field("groupsClaim", _v.many(_v.TEXT), default=())
    """Where the claims hold what role rules compare: the names of members, from the outside in, such as "groups", or "realm_access" and
    "roles". "groups" unless given.
    """
    role_rules: Sequence[RoleRule] = _v.field("roleRules", _v.many(_v.message("RoleRule")), default=())
    """Which groups have which role; the first that fits counts, so the mightiest stands first."""
    default_role: str = _v.field("defaultRole", _v.TEXT, default="")
    """Role of those whom no rule fits; empty: they are refused."""
    allowed_domains: Sequence[str] = _v.field("allowedDomains", _v.many(_v.TEXT), default=())
    """Domains whose addresses count, such as "example.com". With some, everybody needs an address in one of them that the issuer has
    verified.
    """
    create_users: bool = _v.field("createUsers", _v.BOOL, default=False)
    """Whether people who have no user yet get one at their first sign-in."""
    link_by_email: bool = _v.field("linkByEmail", _v.BOOL, default=False)
    """Whether a user of the tenant who has the same address is linked at the first sign-in. It needs allowed_domains, and a caller who has
    every scope of the tenant: whoever controls the issuer can be any such user.
    """
    listed: bool = _v.field("listed", _v.BOOL, default=False)
    """Whether the sign-in page of this installation shows it; for providers of the operator's tenant alone."""
    disabled: bool = _v.field("disabled", _v.BOOL, default=False)
    """Whether it signs nobody in for now."""
    session_lifetime: timedelta | None = _v.field("sessionLifetime", _v.DURATION, default=None)
    """How long its sessions last before the issuer is asked again; those of the installation unless given."""
    redirect_uri: str = _v.field("redirectUri", _v.TEXT, default="")
    """Redirect URI to register at the issuer; empty while the installation does not know its own URL (TOCSIN_PUBLIC_URL)."""
    circuit: str = _v.field("circuit", _v.TEXT, default="")
    """Whether the issuer answers: "CLOSED", "HALF_OPEN" or "OPEN", the state of its circuit breaker at this replica."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it last changed."""
    back_channel_logout_uri: str = _v.field("backChannelLogoutUri", _v.TEXT, default="")
    """URL to register at the issuer for back-channel logout: people who sign out there, or are signed out, are signed out here at once.
    Empty while the installation does not know its own URL (TOCSIN_PUBLIC_URL).
    """
    sign_out_at_issuer: bool = _v.field("signOutAtIssuer", _v.BOOL, default=False)
    """Whether a browser that signs out here goes on to the issuer to sign out there, too (OpenID Connect RP-Initiated Logout 1.0), if it
    has a place for that. The issuer has to know TOCSIN_PUBLIC_URL with /sign-in as a post-logout redirect URI.
    """


class ImportAlarmsRequestAlarms(Model):
    """A batch of alarms."""

    __slots__ = ()
    alarms: Sequence[Alarm] = _v.field("alarms", _v.many(_v.message("Alarm")), default=())
    """The alarms. Each one is checked by itself."""


class ImportAlarmsRequestOptions(Model):
    """How to import."""

    __slots__ = ()
    skip_lines: int = _v.field("skipLines", _v.INTEGER, default=0)
    """Lines to pass over: those that an earlier import has committed."""
    validate_only: bool = _v.field("validateOnly", _v.BOOL, default=False)
    """Check everything and make nothing."""


class ImportAlarmsResponse(Model):
    """What became of lines; the counts are of the whole import so far."""

    __slots__ = ()
    lines: int = _v.field("lines", _v.INTEGER, default=0)
    """Every line up to this one is committed or rejected: to resume an interrupted import, set skip_lines to it."""
    created: int = _v.field("created", _v.INTEGER, default=0)
    """Alarms that were made."""
    updated: int = _v.field("updated", _v.INTEGER, default=0)
    """Alarms that had their key already and were changed."""
    unchanged: int = _v.field("unchanged", _v.INTEGER, default=0)
    """Alarms that had their key already and are the same."""
    refused: int = _v.field("refused", _v.INTEGER, default=0)
    """Lines that were refused."""
    refusals: Sequence[ImportAlarmsResponseRefusal] = _v.field("refusals", _v.many(_v.message("ImportAlarmsResponseRefusal")), default=())
    """Lines that were refused since the message before."""
    done: bool = _v.field("done", _v.BOOL, default=False)
    """True in the last message, when everything was read."""
    warnings: Sequence[ImportAlarmsResponseRefusal] = _v.field("warnings", _v.many(_v.message("ImportAlarmsResponseRefusal")), default=())
    """What to know about lines that were taken, since the message before; at most one for each line."""


class ImportAlarmsResponseRefusal(Model):
    """A line that was refused."""

    __slots__ = ()
    line: int = _v.field("line", _v.INTEGER, default=0)
    """Number of the line, from 1."""
    field: str = _v.field("field", _v.TEXT, default="")
    """Field, such as "trigger.cron"; empty when it is about the whole line."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """What is wrong."""


class ImportOptions(Model):
    """How to import."""

    __slots__ = ()
    skip_lines: int = _v.field("skipLines", _v.INTEGER, default=0)
    """Lines to pass over: those that an earlier import has committed."""
    validate_only: bool = _v.field("validateOnly", _v.BOOL, default=False)
    """Check everything and make nothing."""


class ImportProgress(Model):
    """How far an import is."""

    __slots__ = ()
    lines: int = _v.field("lines", _v.INTEGER, default=0)
    """Every line up to this one is committed or refused: to resume an interrupted import, set skip_lines to it."""
    created: int = _v.field("created", _v.INTEGER, default=0)
    """How many were made."""
    updated: int = _v.field("updated", _v.INTEGER, default=0)
    """How many existed already and were changed."""
    unchanged: int = _v.field("unchanged", _v.INTEGER, default=0)
    """How many existed already and are the same."""
    refused: int = _v.field("refused", _v.INTEGER, default=0)
    """Lines that were refused."""
    refusals: Sequence[ImportProgressRefusal] = _v.field("refusals", _v.many(_v.message("ImportProgressRefusal")), default=())
    """Lines that were refused since the message before."""
    done: bool = _v.field("done", _v.BOOL, default=False)
    """True in the last message, when everything was read."""


class ImportProgressRefusal(Model):
    """A line that was refused."""

    __slots__ = ()
    line: int = _v.field("line", _v.INTEGER, default=0)
    """Number of the line, from 1."""
    field: str = _v.field("field", _v.TEXT, default="")
    """Field, such as "addresses[0].value"; empty when it is about the whole line."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """What is wrong."""


class InboxMessage(Model):
    """A mail in the inbox."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "inbox/messages/{id}"."""
    message_id: str = _v.field("messageId", _v.TEXT, default="")
    """Message-ID of the mail."""
    to: Sequence[str] = _v.field("to", _v.many(_v.TEXT), default=())
    """Addresses that it was meant for."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Text body."""
    html: str = _v.field("html", _v.TEXT, default="")
    """HTML body."""
    received_time: datetime | None = _v.field("receivedTime", _v.TIME, default=None)
    """When it arrived."""
    delivery: str = _v.field("delivery", _v.TEXT, default="")
    """Resource name of its delivery."""


class Incident(Model):
    """Something that needs an answer. Of one key at most one is open in a tenant."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "incidents/{id}"."""
    title: str = _v.field("title", _v.TEXT, default="")
    """What it is, in a line."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What there is to know."""
    dedup_key: str = _v.field("dedupKey", _v.TEXT, default="")
    """Key by which the next trigger, or the end, finds it again; made if none is given."""
    severity: IncidentSeverity | None = _v.field("severity", _v.ENUM, default=None)
    """How bad it is."""
    escalation_policy: str = _v.field("escalationPolicy", _v.TEXT, default="")
    """Escalation policy, "escalationPolicies/{id}"; without one the first route that fits gives it. Unless one does, it is listed, and
    nobody is told.
    """
    labels: Mapping[str, str] = _v.field("labels", _v.mapped(_v.TEXT), default={})
    """Labels, by which silences, dependencies and routes find it. Of a group: those that all its alerts have in common; silences and
    dependencies ask each of its open alerts.
    """
    url: str = _v.field("url", _v.TEXT, default="")
    """Where to look at it, such as the page of a graph."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Where it comes from: "alarms/{id}", "integrations/{id}", or empty for a client."""
    state: IncidentState | None = _v.field("state", _v.ENUM, default=None)
    """Where it stands."""
    trigger_count: int = _v.field("triggerCount", _v.INTEGER, default=0)
    """How often it was triggered."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was triggered first."""
    last_trigger_time: datetime | None = _v.field("lastTriggerTime", _v.TIME, default=None)
    """When it was triggered last."""
    acknowledge_time: datetime | None = _v.field("acknowledgeTime", _v.TIME, default=None)
    """When it was acknowledged; unset unless it is."""
    acknowledged_by: str = _v.field("acknowledgedBy", _v.TEXT, default="")
    """Who acknowledged it, such as "users/ann@example.com" or "recipients/ann"."""
    resolve_time: datetime | None = _v.field("resolveTime", _v.TIME, default=None)
    """When it was resolved; unset unless it is."""
    resolved_by: str = _v.field("resolvedBy", _v.TEXT, default="")
    """Who or what resolved it, such as "recipients/ann", "alarms/{id}", "policy"."""
    snoozed_until: datetime | None = _v.field("snoozedUntil", _v.TIME, default=None)
    """No step is taken until then; unset unless it is snoozed."""
    merged_into: str = _v.field("mergedInto", _v.TEXT, default="")
    """The incident that it is part of; empty unless it was merged."""
    next_step: int = _v.field("nextStep", _v.INTEGER, default=0)
    """Number of the step that comes next, 0 for the first one, counted through all repetitions."""
    next_step_time: datetime | None = _v.field("nextStepTime", _v.TIME, default=None)
    """When the next step is due; unset when none is."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of the incident (AIP-154)."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it last changed."""
    damaged: Sequence[str] = _v.field("damaged", _v.many(_v.TEXT), default=())
    """Fields that are stored and that cannot be read: they are left out."""
    route: str = _v.field("route", _v.TEXT, default="")
    """The route that gave it its policy, "incidentRoutes/{id}"; empty if none did."""
    held_by: str = _v.field("heldBy", _v.TEXT, default="")
    """What holds its steps back, such as "silences/{id}", or "incidents/{id}" for what it depends on; empty: nothing does."""
    alert_count: int = _v.field("alertCount", _v.INTEGER, default=0)
    """Alerts that it groups, all and open ones; 0 unless it is a group."""
    open_alert_count: int = _v.field("openAlertCount", _v.INTEGER, default=0)
    """See alert_count."""


class IncidentAlert(Model):
    """One of the alerts that an incident groups."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "incidents/{id}/alerts/{id}"."""
    dedup_key: str = _v.field("dedupKey", _v.TEXT, default="")
    """Key by which its next trigger, or its end, finds it."""
    title: str = _v.field("title", _v.TEXT, default="")
    """What it is, in a line."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What there is to know."""
    severity: IncidentSeverity | None = _v.field("severity", _v.ENUM, default=None)
    """How bad it is."""
    labels: Mapping[str, str] = _v.field("labels", _v.mapped(_v.TEXT), default={})
    """Its labels."""
    url: str = _v.field("url", _v.TEXT, default="")
    """Where to look at it."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Where it comes from: "alarms/{id}", "integrations/{id}", or empty for a client."""
    state: IncidentAlertState | None = _v.field("state", _v.ENUM, default=None)
    """Whether it is open."""
    trigger_count: int = _v.field("triggerCount", _v.INTEGER, default=0)
    """How often it was triggered."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was triggered first."""
    last_trigger_time: datetime | None = _v.field("lastTriggerTime", _v.TIME, default=None)
    """When it was triggered last."""
    resolve_time: datetime | None = _v.field("resolveTime", _v.TIME, default=None)
    """When it ended; unset while it is open."""


class IncidentDependency(Model):
    """While something that fits "source" is open, steps of incidents that fit "target" are held back, if both have the same values of the
    labels "equal". Alertmanager calls this an inhibition rule.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "incidentDependencies/{id}". The id is the client's own, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    source: Sequence[SilenceMatcher] = _v.field("source", _v.many(_v.message("SilenceMatcher")), default=())
    """What is the cause: incidents that are open, and alerts of groups, that all of these match. One of them must name a value of a label,
    of severity, source or dedupKey, without a * and not negated: by it open ones are found.
    """
    target: Sequence[SilenceMatcher] = _v.field("target", _v.many(_v.message("SilenceMatcher")), default=())
    """What is a consequence: incidents that all of these match."""
    equal: Sequence[str] = _v.field("equal", _v.many(_v.TEXT), default=())
    """Labels of which both must have the same value; one that both lack is the same."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of the dependency (AIP-154). Given in an update or a delete, it must match."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""


class IncidentEvent(Model):
    """Something that happened to an incident."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "incidents/{id}/events/{id}"."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When."""
    kind: IncidentEventKind | None = _v.field("kind", _v.ENUM, default=None)
    """What."""
    actor: str = _v.field("actor", _v.TEXT, default="")
    """Who did it, such as "users/ann@example.com", "recipients/ann", "alarms/{id}", or "policy" for what the policy says."""
    via: str = _v.field("via", _v.TEXT, default="")
    """How the actor came, such as "api", "link", "reply"; empty for what nobody asked for."""
    text: str = _v.field("text", _v.TEXT, default="")
    """A note, a reason, or who was told."""
    firing: str = _v.field("firing", _v.TEXT, default="")
    """The firing by which people were told, "firings/{id}"; its deliveries say who got it."""
    step: int = _v.field("step", _v.INTEGER, default=0)
    """Number of the step, counted through all repetitions; only for a step."""


class IncidentRoute(Model):
    """Where triggers go that name no policy."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "incidentRoutes/{id}". The id is the client's own, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    position: int = _v.field("position", _v.INTEGER, default=0)
    """Routes are asked in this order; of equal ones by id."""
    matchers: Sequence[SilenceMatcher] = _v.field("matchers", _v.many(_v.message("SilenceMatcher")), default=())
    """Which triggers: those that all of these match; all without any."""
    escalation_policy: str = _v.field("escalationPolicy", _v.TEXT, default="")
    """Escalation policy, "escalationPolicies/{id}"; without one what takes this route is listed, and nobody is told."""
    group_by: Sequence[str] = _v.field("groupBy", _v.many(_v.TEXT), default=())
    """Labels by which triggers are grouped: those with the same values of all of them are alerts of one incident. Without any, each trigger
    is an incident of its own.
    """
    wait: timedelta | None = _v.field("wait", _v.DURATION, default=None)
    """How long a new group waits for more alerts before its first step; 30 seconds unless given."""
    interval: timedelta | None = _v.field("interval", _v.DURATION, default=None)
    """Time between two messages about the same group: alerts that join later are told so long after the last message; 5 minutes unless
    given.
    """
    repeat: timedelta | None = _v.field("repeat", _v.DURATION, default=None)
    """A group in which nothing changes is told again so long after the last message; 4 hours unless given, 0 never."""
    repeat_acknowledged: bool = _v.field("repeatAcknowledged", _v.BOOL, default=False)
    """Whether it is told again also while somebody has it."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of the route (AIP-154). Given in an update or a delete, it must match."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""


class Integration(Model):
    """A monitoring system whose alerts open incidents, and resolve them."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "integrations/{id}". The id is the client's own, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    kind: IntegrationKind | None = _v.field("kind", _v.ENUM, default=None)
    """What its sender speaks."""
    key: str = _v.field("key", _v.TEXT, default="")
    """The secret that its sender sends: part of the URL, the routing key, or the name before the @ of the mail address. Only in the answer
    that made it; what is stored is its hash.
    """
    escalation_policy: str = _v.field("escalationPolicy", _v.TEXT, default="")
    """Escalation policy of its incidents, "escalationPolicies/{id}"; without one a route finds it."""
    default_severity: IncidentSeverity | None = _v.field("defaultSeverity", _v.ENUM, default=None)
    """Severity of alerts that name none; ERROR unless given."""
    mapping: PayloadMapping | None = _v.field("mapping", _v.message("PayloadMapping"), default=None)
    """Where a payload says what: of GENERIC, where it is required, and of CLOUDEVENTS, where "data" begins the paths of the data."""
    by_group: bool = _v.field("byGroup", _v.BOOL, default=False)
    """ALERTMANAGER and GRAFANA: one incident for each group of the sender, by its groupKey, instead of one for each alert, by its
    fingerprint.
    """
    paused: bool = _v.field("paused", _v.BOOL, default=False)
    """Whether what its sender sends is answered as ever, and opens and ends nothing."""
    example: str = _v.field("example", _v.TEXT, default="")
    """How its sender calls, as a line for curl. $URL stands for the door of this installation, and $KEY for the key."""
    last_payload_time: datetime | None = _v.field("lastPayloadTime", _v.TIME, default=None)
    """When its last payload came; unset before the first one."""
    etag: str = _v.field("etag", _v.TEXT, default="")
    """Changes with every change of the integration (AIP-154). Given in an update or a delete, it must match."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""
    damaged: Sequence[str] = _v.field("damaged", _v.many(_v.TEXT), default=())
    """Fields that are stored and that cannot be read: they are left out."""


class IntegrationPayload(Model):
    """Something that a sender sent, and what became of it."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "integrations/{id}/payloads/{id}"."""
    receive_time: datetime | None = _v.field("receiveTime", _v.TIME, default=None)
    """When it came."""
    content_type: str = _v.field("contentType", _v.TEXT, default="")
    """Its media type, as the sender says."""
    size: int = _v.field("size", _v.INTEGER, default=0)
    """Bytes that came."""
    body: str = _v.field("body", _v.TEXT, default="")
    """Its text, up to 64 KiB; what is no UTF-8 is replaced."""
    truncated: bool = _v.field("truncated", _v.BOOL, default=False)
    """Whether there was more."""
    outcome: IntegrationPayloadOutcome | None = _v.field("outcome", _v.ENUM, default=None)
    """What became of it."""
    field: str = _v.field("field", _v.TEXT, default="")
    """Field that it was refused for, such as "alerts[3].labels"; empty unless it was refused."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """Why it was refused, or what was done differently than asked."""
    receipt: PayloadReceipt | None = _v.field("receipt", _v.message("PayloadReceipt"), default=None)
    """Alerts in it, and what became of them."""
    incidents: Sequence[str] = _v.field("incidents", _v.many(_v.TEXT), default=())
    """Incidents that it opened, changed or counted for, "incidents/{id}"; at most the first twenty."""
    headers: Mapping[str, str] = _v.field("headers", _v.mapped(_v.TEXT), default={})
    """Headers that belong to it, by their names in lower case: the attributes of a CloudEvent in binary mode."""


class Invitation(Model):
    """Somebody who may become a user."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "invitations/{id}"."""
    email: str = _v.field("email", _v.TEXT, default="")
    """Address that is invited."""
    role: str = _v.field("role", _v.TEXT, default="")
    """What the user will be, such as "roles/operator"."""
    inviter: str = _v.field("inviter", _v.TEXT, default="")
    """Who invited last: "users/{id}" or "apiKeys/{id}"; empty if the operator of the platform did."""
    state: InvitationState | None = _v.field("state", _v.ENUM, default=None)
    """How it stands."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    send_time: datetime | None = _v.field("sendTime", _v.TIME, default=None)
    """When the last mail was asked for."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When it is open no more."""
    user: str = _v.field("user", _v.TEXT, default="")
    """User that it became, "users/{id}"; empty if it did not."""
    locale: str = _v.field("locale", _v.TEXT, default="")
    """Language of the mail; empty: English."""


class JsonWebKey(Model):
    """One public key (RFC 7517, 4; RFC 8037 for OKP)."""

    __slots__ = ()
    kty: str = _v.field("kty", _v.TEXT, default="")
    """Key type, such as "OKP"."""
    crv: str = _v.field("crv", _v.TEXT, default="")
    """Curve, such as "Ed25519"."""
    x: str = _v.field("x", _v.TEXT, default="")
    """Public key, base64url."""
    y: str = _v.field("y", _v.TEXT, default="")
    """Second coordinate of an EC key; empty for OKP."""
    kid: str = _v.field("kid", _v.TEXT, default="")
    """Key id, which a token names in its header."""
    alg: str = _v.field("alg", _v.TEXT, default="")
    """Algorithm, such as "EdDSA"."""
    use: str = _v.field("use", _v.TEXT, default="")
    """Always "sig"."""


class JsonWebKeySet(Model):
    """JSON Web Key Set (RFC 7517, 5)."""

    __slots__ = ()
    keys: Sequence[JsonWebKey] = _v.field("keys", _v.many(_v.message("JsonWebKey")), default=())
    """Keys, the current one first."""


class KeptPing(Model):
    """A ping that was kept."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "alarms/{id}/pings/{id}"."""
    kind: PingKind | None = _v.field("kind", _v.ENUM, default=None)
    """What it says."""
    receive_time: datetime | None = _v.field("receiveTime", _v.TIME, default=None)
    """When it came."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it was sent, if the gateway had to keep it."""
    exit_status: int | None = _v.field("exitStatus", _v.optional(_v.INTEGER), default=None)
    """Exit status of the job; unset without one."""
    run_id: str = _v.field("runId", _v.TEXT, default="")
    """Id of the run."""
    duration: timedelta | None = _v.field("duration", _v.DURATION, default=None)
    """From the start of the run to this ping, which ended it; unset if it ended none."""
    method: str = _v.field("method", _v.TEXT, default="")
    """HTTP method; empty for one that came by gRPC."""
    user_agent: str = _v.field("userAgent", _v.TEXT, default="")
    """What the client says that it is."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Address of the client, as far as it is known."""
    text: str = _v.field("text", _v.TEXT, default="")
    """What it brought, as text: 1,000 characters of it in a list."""
    size: int = _v.field("size", _v.INTEGER, default=0)
    """How many bytes it brought; 100,000 of them are kept."""


class ListAlarmsResponse(Model):
    """A page of alarms."""

    __slots__ = ()
    alarms: Sequence[Alarm] = _v.field("alarms", _v.many(_v.message("Alarm")), default=())
    """The alarms. When those that meet a filter are far between, a page may hold fewer than were asked for, even none, and not be the last
    one.
    """
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListAlertsResponse(Model):
    """A page of alerts."""

    __slots__ = ()
    alerts: Sequence[SecurityAlert] = _v.field("alerts", _v.many(_v.message("SecurityAlert")), default=())
    """The alerts."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListApiKeysResponse(Model):
    """A page of keys."""

    __slots__ = ()
    api_keys: Sequence[ApiKey] = _v.field("apiKeys", _v.many(_v.message("ApiKey")), default=())
    """The keys."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListAuditLogsResponse(Model):
    """A page of entries."""

    __slots__ = ()
    audit_logs: Sequence[AuditLog] = _v.field("auditLogs", _v.many(_v.message("AuditLog")), default=())
    """The entries."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListCalendarsResponse(Model):
    """A page of calendars."""

    __slots__ = ()
    calendars: Sequence[Calendar] = _v.field("calendars", _v.many(_v.message("Calendar")), default=())
    """The calendars."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListCategoriesResponse(Model):
    """A page of categories."""

    __slots__ = ()
    categories: Sequence[Category] = _v.field("categories", _v.many(_v.message("Category")), default=())
    """The categories."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListDeliveriesResponse(Model):
    """A page of deliveries."""

    __slots__ = ()
    deliveries: Sequence[Delivery] = _v.field("deliveries", _v.many(_v.message("Delivery")), default=())
    """The deliveries."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListEscalationPoliciesResponse(Model):
    """A page of policies."""

    __slots__ = ()
    escalation_policies: Sequence[EscalationPolicy] = _v.field("escalationPolicies", _v.many(_v.message("EscalationPolicy")), default=())
    """The policies."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListFactorsResponse(Model):
    """Factors of a user; twenty at most."""

    __slots__ = ()
    factors: Sequence[Factor] = _v.field("factors", _v.many(_v.message("Factor")), default=())
    """The factors."""
    recovery_codes_left: int = _v.field("recoveryCodesLeft", _v.INTEGER, default=0)
    """Recovery codes that were not used yet."""


class ListFiringsResponse(Model):
    """A page of firings."""

    __slots__ = ()
    firings: Sequence[Firing] = _v.field("firings", _v.many(_v.message("Firing")), default=())
    """The firings."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListGroupMembersResponse(Model):
    """A page of members."""

    __slots__ = ()
    members: Sequence[GroupMember] = _v.field("members", _v.many(_v.message("GroupMember")), default=())
    """The members, "recipients/{id}", "groups/{id}" or "rotations/{id}"."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListGroupsResponse(Model):
    """A page of groups."""

    __slots__ = ()
    groups: Sequence[Group] = _v.field("groups", _v.many(_v.message("Group")), default=())
    """The groups."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListHandlersResponse(Model):
    """The handlers."""

    __slots__ = ()
    handlers: Sequence[Handler] = _v.field("handlers", _v.many(_v.message("Handler")), default=())
    """The handlers, by name."""
    packages: Sequence[Package] = _v.field("packages", _v.many(_v.message("Package")), default=())
    """The packages that bring handlers of their own, by name."""


class ListIdentitiesResponse(Model):
    """By what a user signs in."""

    __slots__ = ()
    identities: Sequence[Identity] = _v.field("identities", _v.many(_v.message("Identity")), default=())
    """At most a hundred."""


class ListIdentityProvidersResponse(Model):
    """A page of providers."""

    __slots__ = ()
    identity_providers: Sequence[IdentityProvider] = _v.field("identityProviders", _v.many(_v.message("IdentityProvider")), default=())
    """The providers."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIncidentAlertsResponse(Model):
    """A page of the alerts of a group."""

    __slots__ = ()
    alerts: Sequence[IncidentAlert] = _v.field("alerts", _v.many(_v.message("IncidentAlert")), default=())
    """The alerts."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIncidentDependenciesResponse(Model):
    """A page of dependencies."""

    __slots__ = ()
    incident_dependencies: Sequence[IncidentDependency] = _v.field("incidentDependencies", _v.many(_v.message("IncidentDependency")), default=())
    """The dependencies."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIncidentEventsResponse(Model):
    """A page of a timeline."""

    __slots__ = ()
    events: Sequence[IncidentEvent] = _v.field("events", _v.many(_v.message("IncidentEvent")), default=())
    """The events."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIncidentRoutesResponse(Model):
    """A page of routes."""

    __slots__ = ()
    incident_routes: Sequence[IncidentRoute] = _v.field("incidentRoutes", _v.many(_v.message("IncidentRoute")), default=())
    """The routes."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIncidentsResponse(Model):
    """A page of incidents."""

    __slots__ = ()
    incidents: Sequence[Incident] = _v.field("incidents", _v.many(_v.message("Incident")), default=())
    """The incidents."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIntegrationPayloadsResponse(Model):
    """A page of payloads."""

    __slots__ = ()
    payloads: Sequence[IntegrationPayload] = _v.field("payloads", _v.many(_v.message("IntegrationPayload")), default=())
    """The payloads."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListIntegrationsResponse(Model):
    """A page of integrations."""

    __slots__ = ()
    integrations: Sequence[Integration] = _v.field("integrations", _v.many(_v.message("Integration")), default=())
    """The integrations."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListInvitationsResponse(Model):
    """A page of invitations."""

    __slots__ = ()
    invitations: Sequence[Invitation] = _v.field("invitations", _v.many(_v.message("Invitation")), default=())
    """The invitations."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListMessagesResponse(Model):
    """A page of messages."""

    __slots__ = ()
    messages: Sequence[InboxMessage] = _v.field("messages", _v.many(_v.message("InboxMessage")), default=())
    """The messages."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListNotificationsResponse(Model):
    """A page of notifications."""

    __slots__ = ()
    notifications: Sequence[Notification] = _v.field("notifications", _v.many(_v.message("Notification")), default=())
    """The notifications."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListOnCallResponse(Model):
    """Who is on call in each rotation."""

    __slots__ = ()
    on_call: Sequence[OnCall] = _v.field("onCall", _v.many(_v.message("OnCall")), default=())
    """The rotations, by name."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListPiiPoliciesResponse(Model):
    """A page of policies."""

    __slots__ = ()
    policies: Sequence[PiiPolicy] = _v.field("policies", _v.many(_v.message("PiiPolicy")), default=())
    """The policies."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListPingsResponse(Model):
    """A page of pings."""

    __slots__ = ()
    pings: Sequence[KeptPing] = _v.field("pings", _v.many(_v.message("KeptPing")), default=())
    """The pings, without all but the beginning of what they brought."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListProviderKindsResponse(Model):
    """The kinds of providers."""

    __slots__ = ()
    kinds: Sequence[ProviderKind] = _v.field("kinds", _v.many(_v.message("ProviderKind")), default=())
    """The kinds, by name."""


class ListProvidersResponse(Model):
    """A page of providers."""

    __slots__ = ()
    providers: Sequence[Provider] = _v.field("providers", _v.many(_v.message("Provider")), default=())
    """The providers, by channel."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListRecipientsResponse(Model):
    """A page of recipients."""

    __slots__ = ()
    recipients: Sequence[Recipient] = _v.field("recipients", _v.many(_v.message("Recipient")), default=())
    """The recipients."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListRecordsResponse(Model):
    """A page of records."""

    __slots__ = ()
    records: Sequence[Record] = _v.field("records", _v.many(_v.message("Record")), default=())
    """The records."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListReplansResponse(Model):
    """A page of replans."""

    __slots__ = ()
    replans: Sequence[Replan] = _v.field("replans", _v.many(_v.message("Replan")), default=())
    """The replans."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListRolesResponse(Model):
    """A page of roles."""

    __slots__ = ()
    roles: Sequence[Role] = _v.field("roles", _v.many(_v.message("Role")), default=())
    """The roles."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListRotationOverridesResponse(Model):
    """A page of overrides."""

    __slots__ = ()
    overrides: Sequence[RotationOverride] = _v.field("overrides", _v.many(_v.message("RotationOverride")), default=())
    """The overrides."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListRotationRevisionsResponse(Model):
    """A page of revisions."""

    __slots__ = ()
    revisions: Sequence[Rotation] = _v.field("revisions", _v.many(_v.message("Rotation")), default=())
    """What the rotation was, the newest first; update_time says since when. A revision without layers is its removal."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListRotationsResponse(Model):
    """A page of rotations."""

    __slots__ = ()
    rotations: Sequence[Rotation] = _v.field("rotations", _v.many(_v.message("Rotation")), default=())
    """The rotations."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListServiceAccountsResponse(Model):
    """A page of service accounts."""

    __slots__ = ()
    service_accounts: Sequence[ServiceAccount] = _v.field("serviceAccounts", _v.many(_v.message("ServiceAccount")), default=())
    """The service accounts."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListSessionsResponse(Model):
    """A page of sessions."""

    __slots__ = ()
    sessions: Sequence[Session] = _v.field("sessions", _v.many(_v.message("Session")), default=())
    """The sessions."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListSignInProvidersResponse(Model):
    """What the sign-in page shows."""

    __slots__ = ()
    providers: Sequence[SignInProvider] = _v.field("providers", _v.many(_v.message("SignInProvider")), default=())
    """The providers, by name."""


class ListSilencesResponse(Model):
    """A page of silences."""

    __slots__ = ()
    silences: Sequence[Silence] = _v.field("silences", _v.many(_v.message("Silence")), default=())
    """The silences."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListSpooledCallsResponse(Model):
    """A page of calls set aside, and how many calls wait."""

    __slots__ = ()
    spooled_calls: Sequence[SpooledCall] = _v.field("spooledCalls", _v.many(_v.message("SpooledCall")), default=())
    """The calls, without their requests."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""
    spool: int = _v.field("spool", _v.INTEGER, default=0)
    """Which spool this is: each gateway has its own, from 1."""
    waiting: int = _v.field("waiting", _v.INTEGER, default=0)
    """Calls that wait for their service."""
    waiting_bytes: int = _v.field("waitingBytes", _v.INTEGER, default=0)
    """Bytes of their requests."""
    oldest_accept_time: datetime | None = _v.field("oldestAcceptTime", _v.TIME, default=None)
    """When the oldest of them was taken on; unset when none waits."""
    set_aside: int = _v.field("setAside", _v.INTEGER, default=0)
    """Calls that are set aside."""


class ListSuppressionsResponse(Model):
    """A page of suppressions."""

    __slots__ = ()
    suppressions: Sequence[Suppression] = _v.field("suppressions", _v.many(_v.message("Suppression")), default=())
    """The suppressions."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListTasksResponse(Model):
    """A page of tasks."""

    __slots__ = ()
    tasks: Sequence[Task] = _v.field("tasks", _v.many(_v.message("Task")), default=())
    """The tasks."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListTemplateVersionsResponse(Model):
    """A page of versions."""

    __slots__ = ()
    templates: Sequence[Template] = _v.field("templates", _v.many(_v.message("Template")), default=())
    """The versions."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListTemplatesResponse(Model):
    """A page of templates."""

    __slots__ = ()
    templates: Sequence[Template] = _v.field("templates", _v.many(_v.message("Template")), default=())
    """The templates."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListTenantsResponse(Model):
    """A page of tenants."""

    __slots__ = ()
    tenants: Sequence[Tenant] = _v.field("tenants", _v.many(_v.message("Tenant")), default=())
    """The tenants."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListTriggerLogsResponse(Model):
    """A page of the log."""

    __slots__ = ()
    logs: Sequence[TriggerLog] = _v.field("logs", _v.many(_v.message("TriggerLog")), default=())
    """The entries."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class ListUsersResponse(Model):
    """A page of users."""

    __slots__ = ()
    users: Sequence[User] = _v.field("users", _v.many(_v.message("User")), default=())
    """The users."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class MatchIncidentRouteResponse(Model):
    """Where it would go."""

    __slots__ = ()
    incident_route: IncidentRoute | None = _v.field("incidentRoute", _v.message("IncidentRoute"), default=None)
    """The route that it takes; unset when none fits: then nobody is told."""
    group_key: str = _v.field("groupKey", _v.TEXT, default="")
    """Key of the incident that groups it; empty unless the route groups."""
    missed: Sequence[RouteMiss] = _v.field("missed", _v.many(_v.message("RouteMiss")), default=())
    """The routes before, each with the matcher that does not fit."""


class MeshPicture(Model):
    """The mesh at one moment."""

    __slots__ = ()
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it was asked."""
    processes: Sequence[MeshProcess] = _v.field("processes", _v.many(_v.message("MeshProcess")), default=())
    """Every process that the resolver names, and the gateway that answers."""


class MeshPolicy(Model):
    """Policies of every process."""

    __slots__ = ()
    processes: Sequence[MeshPolicyProcessPolicy] = _v.field("processes", _v.many(_v.message("MeshPolicyProcessPolicy")), default=())
    """Each process."""


class MeshPolicyProcessPolicy(Model):
    """One process."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Its service."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Where it listens."""
    policy: GetPolicyResponse | None = _v.field("policy", _v.message("GetPolicyResponse"), default=None)
    """What it says; unset when it did not answer."""
    missed: str = _v.field("missed", _v.TEXT, default="")
    """Why it did not answer; empty when it did."""


class MeshProcess(Model):
    """One process of the mesh."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Its service, such as "scheduler_svc"."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Where it listens; "unresolved" when its name has no address now."""
    reachable: bool = _v.field("reachable", _v.BOOL, default=False)
    """Whether it answered."""
    status: Status | None = _v.field("status", _v.message("Status"), default=None)
    """What it said; unset when it did not answer."""
    clock_offset: timedelta | None = _v.field("clockOffset", _v.DURATION, default=None)
    """How far its clock is ahead of that of the gateway; less than nothing when it is behind. Half of the time that it took to answer is
    unsure.
    """


class MethodStats(Model):
    """The calls of one method since the start of the process."""

    __slots__ = ()
    target: str = _v.field("target", _v.TEXT, default="")
    """The called service; empty for calls that this process served."""
    method: str = _v.field("method", _v.TEXT, default="")
    """Full path of the method."""
    calls: int = _v.field("calls", _v.INTEGER, default=0)
    """Calls, or attempts of calls made."""
    errors: int = _v.field("errors", _v.INTEGER, default=0)
    """Those of them that ended with a code other than OK."""
    seconds: float = _v.field("seconds", _v.NUMBER, default=0.0)
    """Seconds that they took in all."""
    buckets: Sequence[int] = _v.field("buckets", _v.many(_v.INTEGER), default=())
    """Calls by how long they took; see Status.bucket_bounds."""
    in_flight: int = _v.field("inFlight", _v.INTEGER, default=0)
    """Calls that are being served now, or attempts that are under way."""


class MirrorRule(Model):
    """Which calls are copied to a version of their service, to see how it does. The answer of a copy is thrown away, nobody waits for it,
    and what becomes of it is counted and told nobody (tocsin_client_mirrored_total). Only unary methods with NO_SIDE_EFFECTS are
    mirrored.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Name of the rule. An order of that name stands in the place of the file's rule."""
    methods: Sequence[str] = _v.field("methods", _v.many(_v.TEXT), default=())
    """The methods: paths, services "/package.Service/", or patterns of paths, of which those are mirrored that can be. A path of one that
    cannot be is refused. No two rules are about one method.
    """
    not_methods: Sequence[str] = _v.field("notMethods", _v.many(_v.TEXT), default=())
    """Methods that it is not about, in the same words."""
    version: str = _v.field("version", _v.TEXT, default="")
    """Where copies go, as targets name it."""
    percent: float = _v.field("percent", _v.NUMBER, default=0.0)
    """Percent of the calls that are copied."""
    max_in_flight: int = _v.field("maxInFlight", _v.INTEGER, default=0)
    """Most copies of one method that one process has under way; what is more is not copied. 16 unless given."""


class NamedRuleView(Model):
    """A rule with a name that is in force: one of access, rate, split and mirror."""

    __slots__ = ()
    access: AccessRule | None = _v.field("access", _v.message("AccessRule"), default=None)
    """Who may call what."""
    rate: RateRule | None = _v.field("rate", _v.message("RateRule"), default=None)
    """How often."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Where it comes from: "file", "order", or "code" for what the service was started with."""
    methods: int = _v.field("methods", _v.INTEGER, default=0)
    """Methods that it is about in this process."""
    split: SplitRule | None = _v.field("split", _v.message("SplitRule"), default=None)
    """Which versions get calls."""
    mirror: MirrorRule | None = _v.field("mirror", _v.message("MirrorRule"), default=None)
    """Which calls are copied."""


class Notification(Model):
    """One message to many people."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "notifications/{id}"."""
    to: Sequence[str] = _v.field("to", _v.many(_v.TEXT), default=())
    """Addresses that every one of the channels can deliver to."""
    recipients: Sequence[str] = _v.field("recipients", _v.many(_v.TEXT), default=())
    """Who gets it: "recipients/{id}", and "groups/{id}" for everyone in the group, "rotations/{id}" for whoever is on call then; each must
    be there. One who is meant twice gets it once.
    """
    template: str = _v.field("template", _v.TEXT, default="")
    """Template, "templates/{code}"."""
    variables: Mapping[str, str] = _v.field("variables", _v.mapped(_v.TEXT), default={})
    """Values of the template's variables."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line; no line break of any kind, and no control character but the tab."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Text body."""
    html: str = _v.field("html", _v.TEXT, default="")
    """HTML body."""
    channels: Sequence[str] = _v.field("channels", _v.many(_v.TEXT), default=())
    """Channels by their names in lower case, such as "email". Unset means those of the category, or the mailer's default channel."""
    category: str = _v.field("category", _v.TEXT, default="")
    """Category, "categories/{id}", by which people choose what they get."""
    priority: Priority | None = _v.field("priority", _v.ENUM, default=None)
    """Priority; NORMAL unless given. CRITICAL passes quiet hours, caps and digests."""
    send_time: datetime | None = _v.field("sendTime", _v.TIME, default=None)
    """When it is sent; at once unless given."""
    metadata: JsonObject | None = _v.field("metadata", _v.ANY, default=None)
    """Whatever the caller wants to find again: at most 16 KiB of JSON."""
    status_url: str = _v.field("statusUrl", _v.TEXT, default="")
    """Where changes of its deliveries are posted; nowhere unless given."""
    resend_if_unknown: bool = _v.field("resendIfUnknown", _v.BOOL, default=False)
    """What to do when the connection breaks after an inline message was handed over, so that its delivery is unknown: true sends it again,
    at the risk of a second copy; otherwise it ends as OUTCOME_UNKNOWN. A template says so itself.
    """
    state: NotificationState | None = _v.field("state", _v.ENUM, default=None)
    """Where it stands."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """Why it FAILED; empty in other states."""
    deliveries: Sequence[DeliveryCount] = _v.field("deliveries", _v.many(_v.message("DeliveryCount")), default=())
    """Its deliveries by state and reason; only in GetNotification."""
    firing: str = _v.field("firing", _v.TEXT, default="")
    """Resource name of the firing that it is of; empty if a client sent it."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was taken."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When its state last changed."""
    dedup_key: str = _v.field("dedupKey", _v.TEXT, default="")
    """What it is about, for channels that keep alerts open, such as PagerDuty: notifications of one key are about one alert. Empty: each is
    about its own.
    """
    event: MessageEvent | None = _v.field("event", _v.ENUM, default=None)
    """What it says of that alert; MESSAGE_EVENT_TRIGGER unless given. PagerDuty opens, acknowledges or resolves it."""


class Notify(Model):
    """A message to people: inline text, or a template with its variables."""

    __slots__ = ()
    to: Sequence[str] = _v.field("to", _v.many(_v.TEXT), default=())
    """Addresses that every one of the channels can deliver to. For email and inbox: email addresses, such as "ann@example.com" or "Ann
    Example <ann@example.com>". For push: "webpush:" and a browser's subscription as JSON, "fcm:" and a registration token, or
    "onesignal:" and the id of a subscription. For webhook, slack and discord: the URL; for ntfy a topic or its URL; for gotify the token
    of an application; for telegram the id of a chat; for pagerduty a routing key; for sms a number such as +41791234567; for apprise its
    URL. At least one of to and recipients is given.
    """
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line; no line break of any kind, and no control character but the tab."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Text body."""
    html: str = _v.field("html", _v.TEXT, default="")
    """HTML body."""
    template: str = _v.field("template", _v.TEXT, default="")
    """Template, "templates/{code}"."""
    variables: Mapping[str, str] = _v.field("variables", _v.mapped(_v.TEXT), default={})
    """Values of the template's variables."""
    channels: Sequence[str] = _v.field("channels", _v.many(_v.TEXT), default=())
    """Channels by their names in lower case (see Channel): "email", "inbox". Unset means the mailer's default channel."""
    resolved_subject: str = _v.field("resolvedSubject", _v.TEXT, default="")
    """Subject when the signal has resolved; "Resolved: " and the subject unless given."""
    resolved_text: str = _v.field("resolvedText", _v.TEXT, default="")
    """Text body when the signal has resolved. Unless this or resolved_html is given, a few lines say what resolved and when."""
    resolved_html: str = _v.field("resolvedHtml", _v.TEXT, default="")
    """HTML body when the signal has resolved."""
    recipients: Sequence[str] = _v.field("recipients", _v.many(_v.TEXT), default=())
    """Who is told: "recipients/{id}", and "groups/{id}" for everyone in the group, "rotations/{id}" for whoever is on call then, at the
    addresses and by the preferences that each has then.
    """
    category: str = _v.field("category", _v.TEXT, default="")
    """Category, "categories/{id}", by which people choose what they get; without channels it also says by which."""
    escalation_policy: str = _v.field("escalationPolicy", _v.TEXT, default="")
    """Escalation policy, "escalationPolicies/{id}": the alarm opens an incident, with the subject as its title and the text as its
    description, instead of telling anybody itself. The alarm's priority gives the severity; a signal that resolves, resolves the
    incident.
    """
    incident: str = _v.field("incident", _v.TEXT, default="")
    """The incident that people are told about, "incidents/{id}": only in what the steps of a policy do."""


class Occurrence(Model):
    """One due time."""

    __slots__ = ()
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """The instant; unset for a local time that does not exist and is skipped or swallowed."""
    local_time: str = _v.field("localTime", _v.TEXT, default="")
    """The local time in the trigger's zone, with its offset, such as "2026-03-29T03:00:00+02:00"; the one that the rule says when it does
    not fire.
    """
    label: OccurrenceLabel | None = _v.field("label", _v.ENUM, default=None)
    """What became of it."""


class OnCall(Model):
    """Who is on call at an instant."""

    __slots__ = ()
    rotation: str = _v.field("rotation", _v.TEXT, default="")
    """The rotation, "rotations/{id}"."""
    at: datetime | None = _v.field("at", _v.TIME, default=None)
    """The instant."""
    interval: DutyInterval | None = _v.field("interval", _v.message("DutyInterval"), default=None)
    """The interval of the schedule that it lies in; its times are cut off 35 days before and behind the instant."""
    revision: int = _v.field("revision", _v.INTEGER, default=0)
    """Revision of the rotation that was in force; 0: there was none."""


class OrderReport(Model):
    """What became of an order."""

    __slots__ = ()
    taken: Sequence[OrderReportTaken] = _v.field("taken", _v.many(_v.message("OrderReportTaken")), default=())
    """Processes that took it."""
    missed: Sequence[OrderReportMissed] = _v.field("missed", _v.many(_v.message("OrderReportMissed")), default=())
    """Processes that could not be reached; the order did not get there."""


class OrderReportMissed(Model):
    """A process that did not."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Its service."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Where it listens."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why."""


class OrderReportTaken(Model):
    """A process that took the order."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Its service."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Where it listens."""
    changed: Sequence[str] = _v.field("changed", _v.many(_v.TEXT), default=())
    """What changed there: identities of breakers, or methods of faults."""


class Package(Model):
    """An installed package that brings handlers."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Name of its entry point."""
    module: str = _v.field("module", _v.TEXT, default="")
    """The module that it names."""
    state: PackageState | None = _v.field("state", _v.ENUM, default=None)
    """Whether its handlers can be used."""
    error: str = _v.field("error", _v.TEXT, default="")
    """Why it did not load; empty otherwise. It is tried again every minute."""
    handlers: Sequence[str] = _v.field("handlers", _v.many(_v.TEXT), default=())
    """Names of its handlers."""


class PauseAlarmsResponse(Model):
    """What was paused, or would be."""

    __slots__ = ()
    pause_count: int = _v.field("pauseCount", _v.INTEGER, default=0)
    """Alarms that were paused; without force those that would be."""
    pause_sample: Sequence[str] = _v.field("pauseSample", _v.many(_v.TEXT), default=())
    """Resource names of some that would be paused, 100 at most; only without force."""
    more: bool = _v.field("more", _v.BOOL, default=False)
    """Whether others may be left that meet the filter, because the call took its time, or because some were changed meanwhile: call again."""


class PayloadMapping(Model):
    """Where a payload says what."""

    __slots__ = ()
    items: str = _v.field("items", _v.TEXT, default="")
    """Path of a list, each element of which is an alert, to which the other paths are relative; the payload is one alert unless given."""
    title: ValueSource | None = _v.field("title", _v.message("ValueSource"), default=None)
    """What it is, in a line."""
    description: ValueSource | None = _v.field("description", _v.message("ValueSource"), default=None)
    """What there is to know."""
    severity: ValueSource | None = _v.field("severity", _v.message("ValueSource"), default=None)
    """How bad it is: a word that severities knows, or one that is commonly used, such as "critical", "P1" or "warning". The integration's
    default_severity if nothing is found, or another word.
    """
    dedup_key: ValueSource | None = _v.field("dedupKey", _v.message("ValueSource"), default=None)
    """Key by which the next alert, and the end, finds the incident again. Without it each alert is an incident of its own."""
    state: ValueSource | None = _v.field("state", _v.message("ValueSource"), default=None)
    """What happened: a word that states knows, or one that is commonly used, such as "firing", "down", "acknowledged" or "resolved". A
    trigger unless given.
    """
    url: ValueSource | None = _v.field("url", _v.message("ValueSource"), default=None)
    """Where to look at it."""
    labels: Mapping[str, ValueSource] = _v.field("labels", _v.mapped(_v.message("ValueSource")), default={})
    """Labels, by name."""
    severities: Mapping[str, IncidentSeverity] = _v.field("severities", _v.mapped(_v.ENUM), default={})
    """What words of the sender mean as a severity."""
    states: Mapping[str, ReceivedAlertEvent] = _v.field("states", _v.mapped(_v.ENUM), default={})
    """What words of the sender mean as a state."""


class PayloadReceipt(Model):
    """What became of the alerts of a payload."""

    __slots__ = ()
    alerts: int = _v.field("alerts", _v.INTEGER, default=0)
    """Alerts in the payload."""
    opened: int = _v.field("opened", _v.INTEGER, default=0)
    """Those that opened an incident."""
    counted: int = _v.field("counted", _v.INTEGER, default=0)
    """Those that counted for an open one."""
    acknowledged: int = _v.field("acknowledged", _v.INTEGER, default=0)
    """Those that acknowledged one."""
    resolved: int = _v.field("resolved", _v.INTEGER, default=0)
    """Those that resolved one."""
    ignored: int = _v.field("ignored", _v.INTEGER, default=0)
    """Those without effect: nothing was open that they could end, they were known, or the integration is paused."""


class PersonalRules(Model):
    """How a recipient wants to be told of incidents, when a step of an escalation policy that names no channels reaches it."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "recipients/{recipient}/rules"; empty within a recipient."""
    urgent: Sequence[PersonalRulesStep] = _v.field("urgent", _v.many(_v.message("PersonalRulesStep")), default=())
    """Of urgent incidents: CRITICAL and ERROR. None: by the default channel, at once."""
    other: Sequence[PersonalRulesStep] = _v.field("other", _v.many(_v.message("PersonalRulesStep")), default=())
    """Of the others: WARNING and INFO. None: by the default channel, at once."""


class PersonalRulesStep(Model):
    """By which channel, and when. One that the recipient has no ACTIVE address for lets the next step go at its time."""

    __slots__ = ()
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel, such as "email"."""
    address: str = _v.field("address", _v.TEXT, default="")
    """One of the recipient's addresses of that channel; empty: all of them."""
    after: timedelta | None = _v.field("after", _v.DURATION, default=None)
    """How long after the step of the policy, unless somebody has answered; at once unless given, a day at most. None is before that of the
    step above it.
    """


class PiiFinding(Model):
    """Where personal data stands."""

    __slots__ = ()
    kind: PiiPolicyKind | None = _v.field("kind", _v.ENUM, default=None)
    """What it is."""
    start: int = _v.field("start", _v.INTEGER, default=0)
    """Its first character; counted in code points, from 0."""
    end: int = _v.field("end", _v.INTEGER, default=0)
    """The character behind it."""


class PiiPolicy(Model):
    """What is done about personal data that is found in some values. Of the policies about a value the most specific wins for each kind:
    one with an area before one without, then the one with the longer subject; of equals, the stricter. What no policy is about is
    treated as the installation says.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "pii/policies/{id}"; the id is yours: letters, digits and "._-"."""
    measure: PiiPolicyMeasure | None = _v.field("measure", _v.ENUM, default=None)
    """What is done."""
    area: PiiPolicyArea | None = _v.field("area", _v.ENUM, default=None)
    """Where; everywhere unless given."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Of what: a key of a record, a task's handler, a topic of events, or the code of a template; with a "*" at its end, everything that
    begins so. Everything unless given.
    """
    kinds: Sequence[PiiPolicyKind] = _v.field("kinds", _v.many(_v.ENUM), default=())
    """About what; every kind unless given."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it was last set."""


class PingKey(Model):
    """The key by which pings name heartbeats by their slugs: /ping/{key}/{slug}. Who knows it may ping each of the tenant's."""

    __slots__ = ()
    key: str = _v.field("key", _v.TEXT, default="")
    """The key. Given in an update, such as one from another installation, it is taken; empty, it stays, or is made."""
    escalation_policy: str = _v.field("escalationPolicy", _v.TEXT, default="")
    """Whom heartbeats tell that a ping with ?create=1 makes, "escalationPolicies/{id}"; without one such a ping makes none."""


class PingResponse(Model):
    """What a ping did."""

    __slots__ = ()
    alarm: str = _v.field("alarm", _v.TEXT, default="")
    """The alarm, "alarms/{id}"."""
    resolved: bool = _v.field("resolved", _v.BOOL, default=False)
    """Whether it had been raised, and is resolved now."""
    deadline: datetime | None = _v.field("deadline", _v.TIME, default=None)
    """When the next ping must have come, grace included; unset while the alarm is paused."""


class Policy(Model):
    """What the mesh does for one method."""

    __slots__ = ()
    timeout: timedelta | None = _v.field("timeout", _v.DURATION, default=None)
    """Longest time that one call may take, retries included. Mandatory."""
    retry: Retry | None = _v.field("retry", _v.message("Retry"), default=None)
    """Retry rule."""
    breaker: Breaker | None = _v.field("breaker", _v.message("Breaker"), default=None)
    """Breaker rule."""
    scope: str | None = _v.field("scope", _v.optional(_v.TEXT), default=None)
    """Scope that the caller's token must carry, such as "alarms:write". Set but empty: none, whatever the service's default."""
    rate_class: str = _v.field("rateClass", _v.TEXT, default="")
    """Name of the rate limit that the call counts against."""
    criticality: Criticality | None = _v.field("criticality", _v.ENUM, default=None)
    """Importance under overload."""
    callers: Sequence[str] = _v.field("callers", _v.many(_v.TEXT), default=())
    """Services that may call this method, by service name. A method with callers is internal: it is not served at the gateway. With a scope
    as well, the end user's token must travel along.
    """
    public: bool = _v.field("public", _v.BOOL, default=False)
    """True if the method may be called without a token."""
    hedge: Hedge | None = _v.field("hedge", _v.message("Hedge"), default=None)
    """Hedging rule."""
    delegates: Sequence[str] = _v.field("delegates", _v.many(_v.TEXT), default=())
    """Services that may call this method for a tenant without a token of its own, such as "gateway" for what it took on while the service
    was away.
    """
    max_request_bytes: int = _v.field("maxRequestBytes", _v.INTEGER, default=0)
    """Most bytes of a request as it is sent from outside, in JSON or as a message; of each message, when requests stream. 256 KiB unless
    set.
    """
    path_only: bool = _v.field("pathOnly", _v.BOOL, default=False)
    """True if the path says all of a request over HTTP: a body of any type and a query are taken and ignored, for callers that cannot help
    sending one.
    """
    identity: str = _v.field("identity", _v.TEXT, default="")
    """Path of the field that makes a repeated call the same one, such as "event.id". The caller's side of the mesh fills it in when it is
    empty, before the first attempt. Unset: the field of the request whose google.api.field_info is UUID4 (AIP-155), if it has one.
    """
    balance: Balance | None = _v.field("balance", _v.ENUM, default=None)
    """How its calls are spread over the replicas of its service."""
    concurrent_calls: int = _v.field("concurrentCalls", _v.INTEGER, default=0)
    """Calls of this method, or streams, that one caller may have under way in one process: the tenant, else the service, else the address.
    One more is refused at once with RESOURCE_EXHAUSTED. 0: no bound.
    """
    standing_queue_limit: bool | None = _v.field("standingQueueLimit", _v.optional(_v.BOOL), default=None)
    """True for a unary method whose handlers wait for a database or another service that serves them in turn: while even the fastest of its
    calls waits too long there, those that are not critical are refused beyond what keeps it near what it was, 20 at least. Set but
    false: it has no such limit, whatever the service's default.
    """
    unaudited: bool = _v.field("unaudited", _v.BOOL, default=False)
    """True for a write that leaves no entry in the audit log: there are very many, and a ledger of their own tells of each."""
    shared: bool = _v.field("shared", _v.BOOL, default=False)
    """True for a watch whose answers depend on the tenant and the request alone, never on who calls, and whose request and answers have a
    resume_token that names a place in one order: after equal tokens follow equal answers. The gateway watches once for all who ask the
    same.
    """
    carried: bool = _v.field("carried", _v.BOOL, default=False)
    """True for a unary method whose calls may ride: many of them on one stream between two processes, which takes a fraction of what a call
    of its own does. Small and frequent ones gain by it. What is greater than 64 KiB, or carries metadata that is no text, goes by
    itself.
    """


class PolicyOrder(Model):
    """An order that holds: one of rule, access, rate, split and mirror."""

    __slots__ = ()
    rule: PolicyRule | None = _v.field("rule", _v.message("PolicyRule"), default=None)
    """What it changes."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When it ends."""
    access: AccessRule | None = _v.field("access", _v.message("AccessRule"), default=None)
    """Who may call what."""
    rate: RateRule | None = _v.field("rate", _v.message("RateRule"), default=None)
    """How often."""
    split: SplitRule | None = _v.field("split", _v.message("SplitRule"), default=None)
    """Which versions get calls."""
    mirror: MirrorRule | None = _v.field("mirror", _v.message("MirrorRule"), default=None)
    """Which calls are copied."""


class PolicyRule(Model):
    """What changes at run time in the policies of methods."""

    __slots__ = ()
    method: str = _v.field("method", _v.TEXT, default="")
    """Full path of a method, "/package.Service/Method"; with a "/" at its end a whole service, "/package.Service/"; empty for every method."""
    caller: str = _v.field("caller", _v.TEXT, default="")
    """For calls of this service alone, such as "gateway"; of every one unless given."""
    policy: Policy | None = _v.field("policy", _v.message("Policy"), default=None)
    """What changes: timeout, retry, breaker, hedge, balance, criticality, concurrent_calls, standing_queue_limit. What is not set stays."""


class PolicyValue(Model):
    """One value of a method's policy."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Its name, such as "timeout" or "retry.max_attempts"."""
    value: str = _v.field("value", _v.TEXT, default="")
    """What holds now."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Where that comes from: "default", "service" or "method" (an option of the contract), "file" or "order"."""
    declared: str = _v.field("declared", _v.TEXT, default="")
    """What the contract says."""


class PolicyView(Model):
    """The policy of one method, as this process calls it."""

    __slots__ = ()
    method: str = _v.field("method", _v.TEXT, default="")
    """Full path."""
    values: Sequence[PolicyValue] = _v.field("values", _v.many(_v.message("PolicyValue")), default=())
    """Its values."""


class Preferences(Model):
    """What somebody wants."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "recipients/{recipient}/preferences"; "preferences" are the tenant's."""
    choices: Sequence[PreferencesChoice] = _v.field("choices", _v.many(_v.message("PreferencesChoice")), default=())
    """What is on and off. The most specific choice about a message wins, the recipient's before the tenant's; of one about its category and
    one about its channel, the one that is off. What nobody chose is on. Mandatory categories are always on.
    """
    quiet_hours: PreferencesQuietHours | None = _v.field("quietHours", _v.message("PreferencesQuietHours"), default=None)
    """Quiet hours; unset: the tenant's. Set but without times: there are none."""
    cap: PreferencesCap | None = _v.field("cap", _v.message("PreferencesCap"), default=None)
    """How many messages are enough; unset: the tenant's."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When they changed last; unset: never."""


class PreferencesCap(Model):
    """Most deliveries to the recipient in a time."""

    __slots__ = ()
    count: int = _v.field("count", _v.INTEGER, default=0)
    """So many; 0: as many as there are."""
    window: timedelta | None = _v.field("window", _v.DURATION, default=None)
    """In any stretch of this length."""


class PreferencesChoice(Model):
    """Whether messages of a category come by a channel."""

    __slots__ = ()
    category: str = _v.field("category", _v.TEXT, default="")
    """Id of the category, without "categories/"; empty or "*": every one, and messages of none."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel, such as "email"; empty or "*": every one."""
    enabled: bool | None = _v.field("enabled", _v.optional(_v.BOOL), default=None)
    """Whether they come."""


class PreferencesQuietHours(Model):
    """When it is quiet, in the recipient's time zone, and what becomes of messages then. Critical ones pass."""

    __slots__ = ()
    times: Sequence[PreferencesQuietTime] = _v.field("times", _v.many(_v.message("PreferencesQuietTime")), default=())
    """The quiet times of a week; they may overlap, and must leave a minute of it."""
    normal: PreferencesPolicy | None = _v.field("normal", _v.ENUM, default=None)
    """What becomes of messages of normal priority; HOLD unless given."""
    bulk: PreferencesPolicy | None = _v.field("bulk", _v.ENUM, default=None)
    """What becomes of bulk messages; HOLD unless given."""


class PreferencesQuietTime(Model):
    """A quiet time of one weekday."""

    __slots__ = ()
    weekday: int = _v.field("weekday", _v.INTEGER, default=0)
    """The day that it begins on, 1 (Monday) to 7 (Sunday)."""
    start: str = _v.field("start", _v.TEXT, default="")
    """Local time, such as "22:00". One that the clocks leave out stands for the first instant after the gap, one that they show twice for
    the first time.
    """
    end: str = _v.field("end", _v.TEXT, default="")
    """Local time. Not after the start: of the next day, so that the same one is a whole day."""


class PreviewAlarmResponse(Model):
    """The next due times of a trigger."""

    __slots__ = ()
    occurrences: Sequence[Occurrence] = _v.field("occurrences", _v.many(_v.message("Occurrence")), default=())
    """In order. Those that would not fire are among them, with their label, and are not counted."""


class PreviewOnCallResponse(Model):
    """The schedules of all rotations."""

    __slots__ = ()
    schedules: Sequence[RotationSchedule] = _v.field("schedules", _v.many(_v.message("RotationSchedule")), default=())
    """One for each rotation, by name."""
    next_page_token: str = _v.field("nextPageToken", _v.TEXT, default="")
    """Token for the next page; empty on the last one."""


class PreviewRotationDraftResponse(Model):
    """The schedule of a rotation that is not stored."""

    __slots__ = ()
    intervals: Sequence[DutyInterval] = _v.field("intervals", _v.many(_v.message("DutyInterval")), default=())
    """What it comes to, in order and without a hole."""


class PreviewRotationResponse(Model):
    """The schedule of a rotation."""

    __slots__ = ()
    intervals: Sequence[DutyInterval] = _v.field("intervals", _v.many(_v.message("DutyInterval")), default=())
    """What it comes to, in order and without a hole; it begins with the rotation itself if that is younger."""


class PreviewSilenceResponse(Model):
    """The next windows."""

    __slots__ = ()
    windows: Sequence[SilenceWindow] = _v.field("windows", _v.many(_v.message("SilenceWindow")), default=())
    """The windows that go on now or begin later, in order; those that overlap or touch are one."""


class Provider(Model):
    """A far end that takes messages."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "providers/{id}"; the id is made at creation."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """What people call it."""
    kind: str = _v.field("kind", _v.TEXT, default="")
    """Kind, such as "smtp" or "fcm" (see ListProviderKinds); it never changes."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel that it is a way out for."""
    position: int = _v.field("position", _v.INTEGER, default=0)
    """Place among the tenant's providers of its channel, from 1; 0 means the last."""
    disabled: bool = _v.field("disabled", _v.BOOL, default=False)
    """Whether it is left out for now."""
    config: JsonObject | None = _v.field("config", _v.ANY, default=None)
    """Configuration, by the schema of its kind. Secrets are taken and never told: a reader finds "********" where one is set."""
    source: ProviderSource | None = _v.field("source", _v.ENUM, default=None)
    """Where it comes from."""
    circuit: str = _v.field("circuit", _v.TEXT, default="")
    """Whether it works: "CLOSED", "HALF_OPEN" or "OPEN", the state of its circuit breaker; empty while nothing has used it."""
    fault: str = _v.field("fault", _v.TEXT, default="")
    """What is wrong with it; empty while it works."""
    concurrency: int = _v.field("concurrency", _v.INTEGER, default=0)
    """Messages that it takes at once."""
    callback_path: str = _v.field("callbackPath", _v.TEXT, default="")
    """Path of its callbacks at the gateway; empty if its kind has none."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made; unset for one of the installation."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it last changed."""


class ProviderKind(Model):
    """A kind of providers."""

    __slots__ = ()
    kind: str = _v.field("kind", _v.TEXT, default="")
    """Name, such as "fcm"."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel that it is a way out for."""
    config_schema: JsonObject | None = _v.field("configSchema", _v.ANY, default=None)
    """JSON Schema of its configuration."""
    secrets: Sequence[str] = _v.field("secrets", _v.many(_v.TEXT), default=())
    """Fields of the configuration that are secrets."""


class Publish(Model):
    """One message to a broker that the operator named: Redis Streams, RabbitMQ or Kafka. Its message id is the id of the firing, the same
    at each try, so that a consumer knows what it has seen. Without a body and a text it says what fired, as a webhook does.
    """

    __slots__ = ()
    broker: str = _v.field("broker", _v.TEXT, default="")
    """Name of the broker, as in TOCSIN_PROCESSOR_BROKERS."""
    to: str = _v.field("to", _v.TEXT, default="")
    """Where it goes there: a stream of Redis, a topic of Kafka, a queue of RabbitMQ; with an exchange, the routing key."""
    exchange: str = _v.field("exchange", _v.TEXT, default="")
    """Exchange of RabbitMQ; the default one unless given, which takes the name of a queue."""
    key: str = _v.field("key", _v.TEXT, default="")
    """Key of a message of Kafka: messages with the same one stay in order."""
    headers: Mapping[str, str] = _v.field("headers", _v.mapped(_v.TEXT), default={})
    """Headers; further fields of an entry of a stream. Whoever may read the alarm sees them."""
    body: JsonObject | None = _v.field("body", _v.ANY, default=None)
    """Body: a JSON object; at most 256 KiB."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Body: a text."""
    content_type: str = _v.field("contentType", _v.TEXT, default="")
    """Content type of the text; "text/plain; charset=utf-8" unless given."""


class PublishEventResponse(Model):
    """What an event did."""

    __slots__ = ()
    id: str = _v.field("id", _v.TEXT, default="")
    """Its id."""
    firings: Sequence[str] = _v.field("firings", _v.many(_v.TEXT), default=())
    """Firings that it caused, "firings/{id}"; at most the first hundred."""
    matched: int = _v.field("matched", _v.INTEGER, default=0)
    """How many there are."""
    duplicate: bool = _v.field("duplicate", _v.BOOL, default=False)
    """True when an event of this id was published before: nothing happened."""


class PublishedEvent(Model):
    """Something that happened."""

    __slots__ = ()
    id: str = _v.field("id", _v.TEXT, default="")
    """Identity: an event with a known id is not published again. Made when it is empty."""
    topic: str = _v.field("topic", _v.TEXT, default="")
    """Topic: segments joined by dots, such as "orders.eu.paid"."""
    data: JsonObject | None = _v.field("data", _v.ANY, default=None)
    """What it says; at most 64 KiB of JSON."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it happened; now unless given."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Who says so."""


class PurgeAlarmsResponse(Model):
    """What was removed, or would be."""

    __slots__ = ()
    purge_count: int = _v.field("purgeCount", _v.INTEGER, default=0)
    """Alarms that were removed; without force those that would be."""
    purge_sample: Sequence[str] = _v.field("purgeSample", _v.many(_v.TEXT), default=())
    """Resource names of some that would be removed, 100 at most; only without force."""
    more: bool = _v.field("more", _v.BOOL, default=False)
    """Whether others may be left that meet the filter, because the call took its time, or because some were changed meanwhile: call again."""


class PurgedRows(Model):
    """How much was removed of one kind."""

    __slots__ = ()
    kind: str = _v.field("kind", _v.TEXT, default="")
    """A table, or another kind of place, such as "files/error_reports"."""
    count: int = _v.field("count", _v.INTEGER, default=0)
    """Rows, files or keys."""


class PushKey(Model):
    """The key by which push services know this installation (VAPID, RFC 8292)."""

    __slots__ = ()
    public_key: str = _v.field("publicKey", _v.TEXT, default="")
    """Public key, P-256, uncompressed, in base64url without padding: the applicationServerKey of PushManager.subscribe()."""


class QuotaUsage(Model):
    """What a tenant uses of one quota."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """The quota: "alarms", "fires_per_minute", "messages_per_day", and "storage_bytes" where it is bounded."""
    used: int = _v.field("used", _v.INTEGER, default=0)
    """How much is used."""
    limit: int = _v.field("limit", _v.INTEGER, default=0)
    """How much may be used; 0: without bound."""
    reset_time: datetime | None = _v.field("resetTime", _v.TIME, default=None)
    """When it begins anew; unset for what does not."""


class RateRule(Model):
    """How often methods may be called; each process counts by itself."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Name of the rule. An order of that name stands in the place of the file's rule."""
    methods: Sequence[str] = _v.field("methods", _v.many(_v.TEXT), default=())
    """The methods whose calls count together: paths, services "/package.Service/", or patterns of paths. Those of tocsin.api.mesh.v1 never
    count.
    """
    rate_class: str = _v.field("rateClass", _v.TEXT, default="")
    """Only methods of this rate class; of any unless given."""
    principals: Sequence[str] = _v.field("principals", _v.many(_v.TEXT), default=())
    """Patterns of the SPIFFE id of the service that calls; whoever calls unless given."""
    tenants: Sequence[str] = _v.field("tenants", _v.many(_v.TEXT), default=())
    """Patterns of the tenant; whatever tenant, or none, unless given."""
    owner: RateRuleOwner | None = _v.field("owner", _v.ENUM, default=None)
    """For whom calls are counted."""
    calls: int = _v.field("calls", _v.INTEGER, default=0)
    """Calls in a window."""
    window: timedelta | None = _v.field("window", _v.DURATION, default=None)
    """Length of the window in whole seconds; one second unless given."""


class Reading(Model):
    """A measured value."""

    __slots__ = ()
    metric: str = _v.field("metric", _v.TEXT, default="")
    """Name of the metric, such as "cellar.temperature"."""
    value: float = _v.field("value", _v.NUMBER, default=0.0)
    """The value."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it was measured; now unless given. One that is older than the last reading of its metric is logged and decides nothing."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Who measured."""
    id: str = _v.field("id", _v.TEXT, default="")
    """Identity: a reading with a known id is not recorded again. Made when it is empty."""


class ReceiveCallbackResponse(Model):
    """What was taken."""

    __slots__ = ()
    events: int = _v.field("events", _v.INTEGER, default=0)
    """Events in the callback."""
    taken: int = _v.field("taken", _v.INTEGER, default=0)
    """Those that were not known before and are of a delivery of ours."""


class ReceivedAlert(Model):
    """An alert, as it was read from a payload."""

    __slots__ = ()
    event: ReceivedAlertEvent | None = _v.field("event", _v.ENUM, default=None)
    """What happened."""
    dedup_key: str = _v.field("dedupKey", _v.TEXT, default="")
    """Key within the integration; that of the incident begins with the integration's name."""
    title: str = _v.field("title", _v.TEXT, default="")
    """What it is, in a line."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What there is to know."""
    severity: IncidentSeverity | None = _v.field("severity", _v.ENUM, default=None)
    """How bad it is."""
    labels: Mapping[str, str] = _v.field("labels", _v.mapped(_v.TEXT), default={})
    """Labels, by which routes and silences find it."""
    url: str = _v.field("url", _v.TEXT, default="")
    """Where to look at it."""


class Recipient(Model):
    """Somebody, or something, that messages are for."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "recipients/{id}". The id is the client's own, such as that of a user elsewhere, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    locale: str = _v.field("locale", _v.TEXT, default="")
    """Language of the messages, a BCP 47 tag such as "de-CH"; empty: the templates' default."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """Time zone of the quiet hours, an IANA name such as "Europe/Zurich"; empty: UTC."""
    attributes: JsonObject | None = _v.field("attributes", _v.ANY, default=None)
    """What templates may say about the recipient; at most 16 KiB of JSON."""
    addresses: Sequence[Address] = _v.field("addresses", _v.many(_v.message("Address")), default=())
    """Addresses, in the order in which they were added."""
    groups: Sequence[str] = _v.field("groups", _v.many(_v.TEXT), default=())
    """Groups that the recipient is in itself, "groups/{id}", in order."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""
    rules: PersonalRules | None = _v.field("rules", _v.message("PersonalRules"), default=None)
    """How to tell it of incidents; unset: there are no rules. In a line of an import, unset leaves what is there. ReplacePersonalRules
    changes them.
    """


class Record(Model):
    """A value under a key."""

    __slots__ = ()
    key: str = _v.field("key", _v.TEXT, default="")
    """The key."""
    value: str = _v.field("value", _v.TEXT, default="")
    """The value."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it was last stored."""


class RecordReadingResponse(Model):
    """What a reading did."""

    __slots__ = ()
    raised: Sequence[str] = _v.field("raised", _v.many(_v.TEXT), default=())
    """Alarms of its metric, "alarms/{id}", that are raised now by this reading; at most the first hundred."""
    resolved: Sequence[str] = _v.field("resolved", _v.many(_v.TEXT), default=())
    """Those that it resolved; at most the first hundred."""
    counted: bool = _v.field("counted", _v.BOOL, default=False)
    """False when a newer reading was known, or this one: it decides nothing."""
    pending: Sequence[str] = _v.field("pending", _v.many(_v.TEXT), default=())
    """Those that it made pending: beyond their limit, and raised if that is so for as long as they ask; at most the first hundred."""
    duplicate: bool = _v.field("duplicate", _v.BOOL, default=False)
    """True when a reading of this id was recorded before: nothing happened."""


class RegisterResponse(Model):
    """Who was made."""

    __slots__ = ()
    user: str = _v.field("user", _v.TEXT, default="")
    """Resource name of the user, such as "users/01J…"; empty until the address is confirmed."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Resource name of the tenant, such as "tenants/01J…"; empty until the address is confirmed."""
    confirmation_sent: bool = _v.field("confirmationSent", _v.BOOL, default=False)
    """True if a mail was sent whose link makes both. It is answered so for an address that has an account, too: the mail says so."""


class RegisteredRecipient(Model):
    """The recipient."""

    __slots__ = ()
    user_id: str = _v.field("userId", _v.TEXT, default="")
    """Its id, for notifications to "user_id"; its resource name is "recipients/{user_id}"."""
    name: str = _v.field("name", _v.TEXT, default="")
    """Name for people."""
    email: str = _v.field("email", _v.TEXT, default="")
    """Email address; empty if none was given."""


class RenderTemplateResponse(Model):
    """What a template renders to."""

    __slots__ = ()
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Text body."""
    html: str = _v.field("html", _v.TEXT, default="")
    """HTML body."""
    actions: Sequence[TemplateAction] = _v.field("actions", _v.many(_v.message("TemplateAction")), default=())
    """Buttons."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Channel of the part that was taken; empty: any."""
    locale: str = _v.field("locale", _v.TEXT, default="")
    """Language of the part that was taken; empty: any."""
    warnings: Sequence[TemplateWarning] = _v.field("warnings", _v.many(_v.message("TemplateWarning")), default=())
    """What is doubtful about a template that is not saved."""
    variables: Sequence[str] = _v.field("variables", _v.many(_v.TEXT), default=())
    """Names of the variables of a template that is not saved."""


class Replan(Model):
    """An alarm of the tenant whose next due time moved when the time-zone database changed."""

    __slots__ = ()
    alarm: str = _v.field("alarm", _v.TEXT, default="")
    """The alarm, "alarms/{id}"."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it was recomputed."""
    tzdata_before: str = _v.field("tzdataBefore", _v.TEXT, default="")
    """What it was computed with before: the version of the time-zone database, and the revision of our reading of rules, such as
    "2026f-r2".
    """
    tzdata_after: str = _v.field("tzdataAfter", _v.TEXT, default="")
    """And since."""
    due_before: datetime | None = _v.field("dueBefore", _v.TIME, default=None)
    """Its next due time before."""
    due_after: datetime | None = _v.field("dueAfter", _v.TIME, default=None)
    """And since; unset when there is none."""


class ReportStatusResponse(Model):
    """What was taken."""

    __slots__ = ()
    deliveries: Sequence[str] = _v.field("deliveries", _v.many(_v.TEXT), default=())
    """Resource names of the deliveries that the report is of."""


class ResetUserFactorsResponse(Model):
    """What was removed."""

    __slots__ = ()
    removed: int = _v.field("removed", _v.INTEGER, default=0)
    """Factors that the user had."""


class ResumeAlarmsResponse(Model):
    """What was resumed, or would be."""

    __slots__ = ()
    resume_count: int = _v.field("resumeCount", _v.INTEGER, default=0)
    """Alarms that were resumed; without force those that would be."""
    resume_sample: Sequence[str] = _v.field("resumeSample", _v.many(_v.TEXT), default=())
    """Resource names of some that would be resumed, 100 at most; only without force."""
    more: bool = _v.field("more", _v.BOOL, default=False)
    """Whether others may be left that meet the filter, because the call took its time, or because some were changed meanwhile: call again."""


class Retry(Model):
    """When and how often a failed call is tried again. Applies to methods whose idempotency_level allows it."""

    __slots__ = ()
    max_attempts: int = _v.field("maxAttempts", _v.INTEGER, default=0)
    """Attempts in all, the first included; 0 inherits, 1 never retries."""
    initial_backoff: timedelta | None = _v.field("initialBackoff", _v.DURATION, default=None)
    """Upper bound of the first, fully jittered wait."""
    max_backoff: timedelta | None = _v.field("maxBackoff", _v.DURATION, default=None)
    """Upper bound of every wait."""
    codes: Sequence[str] = _v.field("codes", _v.many(_v.TEXT), default=())
    """Names of the codes (google.rpc.Code) that another attempt may heal: UNAVAILABLE, ABORTED, INTERNAL, UNKNOWN, DATA_LOSS,
    DEADLINE_EXCEEDED, and RESOURCE_EXHAUSTED, which is tried again only when the server says when to come back. Unset: UNAVAILABLE
    alone.
    """
    attempt_timeout: timedelta | None = _v.field("attemptTimeout", _v.DURATION, default=None)
    """Longest time of one attempt at a unary method; what it cuts short is tried again, whatever the codes. Unset: what is left of the
    timeout.
    """


class RetryDeliveriesResponse(Model):
    """What is sent again."""

    __slots__ = ()
    deliveries: Sequence[str] = _v.field("deliveries", _v.many(_v.TEXT), default=())
    """Resource names of the deliveries."""
    more: bool = _v.field("more", _v.BOOL, default=False)
    """Whether others may be left that meet the filter: ask again."""


class RetryPolicy(Model):
    """How a failed firing is tried again."""

    __slots__ = ()
    max_attempts: int = _v.field("maxAttempts", _v.INTEGER, default=0)
    """Attempts in all; 5 unless given."""
    initial_backoff: timedelta | None = _v.field("initialBackoff", _v.DURATION, default=None)
    """Wait before the second attempt, doubled for each further one, with jitter; 1 s unless given."""
    max_backoff: timedelta | None = _v.field("maxBackoff", _v.DURATION, default=None)
    """Longest wait; 300 s unless given."""


class RevertAddressChangeResponse(Model):
    """Whose address it was."""

    __slots__ = ()
    user: str = _v.field("user", _v.TEXT, default="")
    """Resource name of the user."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Resource name of the tenant."""


class RevokeAllSessionsResponse(Model):
    """How many ended."""

    __slots__ = ()
    revoked: int = _v.field("revoked", _v.INTEGER, default=0)
    """Sessions that ended."""


class Role(Model):
    """A set of scopes that people and service accounts may have."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "roles/{id}": lower-case letters, digits and dashes, a letter first."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What it is for."""
    scopes: Sequence[str] = _v.field("scopes", _v.many(_v.TEXT), default=())
    """What it gives, such as "alarms:read". "profile:read" is in every token."""
    built_in: bool = _v.field("builtIn", _v.BOOL, default=False)
    """Whether it is in every tenant, and cannot be changed."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made; unset of those of every tenant."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it was last changed; likewise."""


class RoleRule(Model):
    """Gives a role to a group."""

    __slots__ = ()
    group: str = _v.field("group", _v.TEXT, default="")
    """The group, exactly as the issuer writes it."""
    role: str = _v.field("role", _v.TEXT, default="")
    """The role, such as "roles/admin"."""


class RotateApiKeyResponse(Model):
    """A key with its new secret."""

    __slots__ = ()
    api_key: ApiKey | None = _v.field("apiKey", _v.message("ApiKey"), default=None)
    """The key."""
    secret: str = _v.field("secret", _v.TEXT, secret=True, default="")
    """The secret; shown this once. It starts with "tk_"."""


class Rotation(Model):
    """Who is on call: people take turns. Local times are in its time zone; one that the clocks leave out stands for the first instant after
    the gap, one that they show twice for the first time.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "rotations/{id}". The id is the client's own, or is made if none is given."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone of its local times, such as "Europe/Paris"."""
    layers: Sequence[RotationLayer] = _v.field("layers", _v.many(_v.message("RotationLayer")), default=())
    """Whoever a layer says; where a later layer covers a time, it overrides the earlier ones."""
    owner: str = _v.field("owner", _v.TEXT, default="")
    """Who is told, a week before, that nobody will be on call within the hours of its layers: "recipients/{id}" or "groups/{id}". Empty:
    nobody.
    """
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    update_time: datetime | None = _v.field("updateTime", _v.TIME, default=None)
    """When it changed last."""
    revision: int = _v.field("revision", _v.INTEGER, default=0)
    """Grows by one with each change."""


class RotationLayer(Model):
    """People who take turns; or shifts, as a calendar has them."""

    __slots__ = ()
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people, such as "Nights"."""
    participants: Sequence[RotationLayerParticipant] = _v.field("participants", _v.many(_v.message("RotationLayerParticipant")), default=())
    """Who takes turns, in this order; the first one begins. A layer has participants, or else shifts, a calendar_url or an ics."""
    turn_unit: RotationLayerTurnUnit | None = _v.field("turnUnit", _v.ENUM, default=None)
    """Unit of a turn's length; for participants."""
    turn_count: int = _v.field("turnCount", _v.INTEGER, default=0)
    """Units in a turn, at least 1: up to 8,784 hours, 366 days or 52 weeks. Lengths are those of local time: a turn of a week, or of 12
    hours, ends at the same time of day on all days.
    """
    hand_over_time: str = _v.field("handOverTime", _v.TEXT, default="")
    """Local time at which turns change, such as "09:00"; that of the start unless given. Turns of hours are counted from it."""
    hand_over_weekday: int = _v.field("handOverWeekday", _v.INTEGER, default=0)
    """Day on which turns of weeks change, 1 (Monday) to 7 (Sunday); that of the start unless given."""
    start: str = _v.field("start", _v.TEXT, default="")
    """Local time at which the first turn begins, such as "2027-01-04T09:00". It may begin between two hand-overs; then it is shorter.
    Required for participants.
    """
    end: str = _v.field("end", _v.TEXT, default="")
    """Local time at which the layer ends; empty: never."""
    hours: Sequence[WeeklyWindow] = _v.field("hours", _v.many(_v.message("WeeklyWindow")), default=())
    """Hours of the week in which it holds; none: always. Turns go on counting outside of them."""
    shifts: Sequence[RotationLayerShift] = _v.field("shifts", _v.many(_v.message("RotationLayerShift")), default=())
    """Instead of participants: who is on call in each occurrence of an event. Where they overlap, all of them are."""
    calendar_url: str = _v.field("calendarUrl", _v.TEXT, default="")
    """Instead of participants: URL of a calendar (.ics) whose events are the shifts, read every 15 minutes; https://…, http:// only to what
    the operator opened. Whoever may read the rotation sees it. While it cannot be read the shifts stay as they were.
    """
    ics: str = _v.field("ics", _v.TEXT, default="")
    """Instead of participants: the text of a calendar (.ics), whose events become the shifts."""
    calendar_state: RotationLayerCalendarState | None = _v.field("calendarState", _v.message("RotationLayerCalendarState"), default=None)
    """How the calendar stands that the shifts come from; unset for other layers."""


class RotationLayerCalendarState(Model):
    """How a calendar stands."""

    __slots__ = ()
    read_time: datetime | None = _v.field("readTime", _v.TIME, default=None)
    """When it was read last; unset: it was not yet."""
    error: str = _v.field("error", _v.TEXT, default="")
    """Why it cannot be read now; empty: it can. The shifts are those of the last time."""
    unmatched: Sequence[str] = _v.field("unmatched", _v.many(_v.TEXT), default=())
    """Events of nobody: title and addresses of those that match no recipient by mail address, id or name, or what is wrong with an event;
    20 at most.
    """


class RotationLayerParticipant(Model):
    """Whose turn it is: one recipient, or several who are on call together."""

    __slots__ = ()
    recipients: Sequence[str] = _v.field("recipients", _v.many(_v.TEXT), default=())
    """"recipients/{id}"; each must exist."""


class RotationLayerShift(Model):
    """Who is on call in the occurrences of an event."""

    __slots__ = ()
    recipients: Sequence[str] = _v.field("recipients", _v.many(_v.TEXT), default=())
    """"recipients/{id}"; each must exist."""
    event: str = _v.field("event", _v.TEXT, default="")
    """When: a VEVENT with DTSTART and DTEND or DURATION, and RRULE, EXDATE and what else says when (RFC 5545); or a VCALENDAR of some."""
    level: int = _v.field("level", _v.INTEGER, default=0)
    """Where shifts of several levels overlap, those of the greatest hold."""


class RotationOverride(Model):
    """Somebody else for a time. Overrides are applied in the order of their creation: where two contradict each other, the later one wins."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "rotations/{id}/overrides/{id}"."""
    kind: RotationOverrideKind | None = _v.field("kind", _v.ENUM, default=None)
    """What it does."""
    recipients: Sequence[str] = _v.field("recipients", _v.many(_v.TEXT), default=())
    """Whom it adds, removes, or puts in place of all: "recipients/{id}"; each must exist."""
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When it begins."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When it ends; at most 366 days later."""
    comment: str = _v.field("comment", _v.TEXT, default="")
    """Why."""
    author: str = _v.field("author", _v.TEXT, default="")
    """Who made it: "users/{id}" or "apiKeys/{id}"."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""


class RotationSchedule(Model):
    """The schedule of a rotation in a range of time."""

    __slots__ = ()
    rotation: str = _v.field("rotation", _v.TEXT, default="")
    """The rotation, "rotations/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Its name for people."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone of its local times."""
    intervals: Sequence[DutyInterval] = _v.field("intervals", _v.many(_v.message("DutyInterval")), default=())
    """What it comes to, in order and without a hole; it begins with the rotation itself if that is younger."""
    error: str = _v.field("error", _v.TEXT, default="")
    """Why it cannot be shown; it has no intervals then. Empty: it can."""


class RouteMiss(Model):
    """A route that does not fit."""

    __slots__ = ()
    incident_route: str = _v.field("incidentRoute", _v.TEXT, default="")
    """Resource name of the route."""
    matcher: SilenceMatcher | None = _v.field("matcher", _v.message("SilenceMatcher"), default=None)
    """The first of its matchers that does not fit."""
    value: str = _v.field("value", _v.TEXT, default="")
    """The value that is there instead; empty without the label."""


class RunRecordResponse(Model):
    """What was queued."""

    __slots__ = ()
    task_id: str = _v.field("taskId", _v.TEXT, default="")
    """Id of the task; "GET /v1/tasks/{task_id}" reads it."""
    task: str = _v.field("task", _v.TEXT, default="")
    """Resource name of the task."""


class ScanTextResponse(Model):
    """What was found."""

    __slots__ = ()
    findings: Sequence[PiiFinding] = _v.field("findings", _v.many(_v.message("PiiFinding")), default=())
    """Each finding, in the order of the text."""
    redacted: str = _v.field("redacted", _v.TEXT, default="")
    """The text with a mark such as "[card]" in the place of each."""


class SchedulerStats(Model):
    """How the scheduler does. Numbers of the index, of lateness and of queues are those of the replica that answers."""

    __slots__ = ()
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it was asked."""
    replica: str = _v.field("replica", _v.TEXT, default="")
    """Identity of the replica that answers."""
    alarms: Mapping[str, int] = _v.field("alarms", _v.mapped(_v.INTEGER), default={})
    """Stored alarms by state, such as {"ACTIVE": 10}."""
    outcomes: Mapping[str, int] = _v.field("outcomes", _v.mapped(_v.INTEGER), default={})
    """Ledger rows by outcome since the replica started."""
    queued: Mapping[str, int] = _v.field("queued", _v.mapped(_v.INTEGER), default={})
    """Firings in memory that wait for a processor, by priority."""
    leased: int = _v.field("leased", _v.INTEGER, default=0)
    """Firings with processors."""
    processors: int = _v.field("processors", _v.INTEGER, default=0)
    """Connected processors."""
    index_alarms: int = _v.field("indexAlarms", _v.INTEGER, default=0)
    """Alarms in the time index."""
    horizon_seconds: float = _v.field("horizonSeconds", _v.NUMBER, default=0.0)
    """How far ahead the index reaches, in seconds."""
    index_spread: Sequence[SchedulerStatsBucket] = _v.field("indexSpread", _v.many(_v.message("SchedulerStatsBucket")), default=())
    """Alarms in the index by the second in which they are due, from now on."""
    lateness: Sequence[SchedulerStatsLatenessBucket] = _v.field("lateness", _v.many(_v.message("SchedulerStatsLatenessBucket")), default=())
    """Fires by lateness since the replica started: how many were at most so late."""
    oldest_overdue_seconds: float = _v.field("oldestOverdueSeconds", _v.NUMBER, default=0.0)
    """Age in seconds of the oldest due time that is not in the ledger; 0 when there is none."""
    replicas: Sequence[SchedulerStatsReplica] = _v.field("replicas", _v.many(_v.message("SchedulerStatsReplica")), default=())
    """Replicas with their shards."""
    free_shards: int = _v.field("freeShards", _v.INTEGER, default=0)
    """Shards without an owner."""
    memory_bytes: int = _v.field("memoryBytes", _v.INTEGER, default=0)
    """Resident memory of the replica in bytes."""
    cpu_seconds: float = _v.field("cpuSeconds", _v.NUMBER, default=0.0)
    """CPU time of the replica since its start, in seconds."""
    tzdata_version: str = _v.field("tzdataVersion", _v.TEXT, default="")
    """Version of the time-zone database, such as "2026a"."""
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When the replica started."""


class SchedulerStatsBucket(Model):
    """Alarms due within a second."""

    __slots__ = ()
    second: int = _v.field("second", _v.INTEGER, default=0)
    """When the second begins, counted from now, in seconds."""
    alarms: int = _v.field("alarms", _v.INTEGER, default=0)
    """Alarms."""


class SchedulerStatsLatenessBucket(Model):
    """Fires that were at most so late."""

    __slots__ = ()
    at_most_seconds: float = _v.field("atMostSeconds", _v.NUMBER, default=0.0)
    """Upper bound in seconds; infinite in the last one."""
    fires: int = _v.field("fires", _v.INTEGER, default=0)
    """Fires, those of the smaller bounds included."""


class SchedulerStatsReplica(Model):
    """One replica."""

    __slots__ = ()
    owner: str = _v.field("owner", _v.TEXT, default="")
    """Its identity."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Where it listens."""
    shards: str = _v.field("shards", _v.TEXT, default="")
    """Its shards, as ranges such as "0-84,86"."""
    shard_count: int = _v.field("shardCount", _v.INTEGER, default=0)
    """How many."""
    lease_until: datetime | None = _v.field("leaseUntil", _v.TIME, default=None)
    """When its lease ends."""


class SchedulerTask(Model):
    """A run of a registered handler."""

    __slots__ = ()
    handler: str = _v.field("handler", _v.TEXT, default="")
    """Name of the handler, such as "uppercase"."""
    input: JsonObject | None = _v.field("input", _v.ANY, default=None)
    """Input of the handler; at most 256 KiB of JSON."""


class SecurityAlert(Model):
    """Something that happened, once or often."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "security/alerts/{id}"."""
    kind: SecurityAlertKind | None = _v.field("kind", _v.ENUM, default=None)
    """What happened."""
    severity: SecurityAlertSeverity | None = _v.field("severity", _v.ENUM, default=None)
    """How soon somebody should look."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """"users/…" or "apiKeys/…" of who did it; empty when unknown."""
    place: str = _v.field("place", _v.TEXT, default="")
    """Where: a route or RPC of the gateway, a provider, or "records", "tasks", "events", "messages"."""
    latest: str = _v.field("latest", _v.TEXT, default="")
    """Where exactly the last time, such as "records/order-17"; personal data in it is replaced by marks."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """What, in few words, such as "card, email: redacted". Never a value, a secret or an address."""
    count: int = _v.field("count", _v.INTEGER, default=0)
    """How often it happened."""
    first_time: datetime | None = _v.field("firstTime", _v.TIME, default=None)
    """When it happened first."""
    last_time: datetime | None = _v.field("lastTime", _v.TIME, default=None)
    """When it happened last."""


class SendTestMessageResponse(Model):
    """A message that is on its way."""

    __slots__ = ()
    delivery: str = _v.field("delivery", _v.TEXT, default="")
    """Resource name of its delivery."""


class SensorTest(Model):
    """A test of a sensor."""

    __slots__ = ()
    test_id: str = _v.field("testId", _v.TEXT, default="")
    """Its id; also that of its task."""
    sensor_type: str = _v.field("sensorType", _v.TEXT, default="")
    """The metric that is looked at."""
    status: str = _v.field("status", _v.TEXT, default="")
    """"pending", "passed" or "failed"."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why it failed; empty otherwise."""
    result: JsonObject | None = _v.field("result", _v.ANY, default=None)
    """What it found: the value of the reading, and its age in seconds."""


class ServiceAccount(Model):
    """A program of a tenant."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "serviceAccounts/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """What it is called."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What it is for."""
    role: str = _v.field("role", _v.TEXT, default="")
    """What its keys may do at most: "roles/operator" or another role of the tenant."""
    creator: str = _v.field("creator", _v.TEXT, default="")
    """Who made it: "users/{id}" or "apiKeys/{id}"; empty if the installation did."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    deactivate_time: datetime | None = _v.field("deactivateTime", _v.TIME, default=None)
    """Since when its keys do not work; unset: they do."""


class ServicePurge(Model):
    """What one service has removed of a tenant."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Name of the service."""
    report_time: datetime | None = _v.field("reportTime", _v.TIME, default=None)
    """When it told last."""
    rows: Sequence[PurgedRows] = _v.field("rows", _v.many(_v.message("PurgedRows")), default=())
    """What was removed, by kind."""


class Session(Model):
    """What one sign-in began."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "sessions/{id}"; of a user of the tenant "users/{id}/sessions/{id}"."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When somebody signed in."""
    last_use_time: datetime | None = _v.field("lastUseTime", _v.TIME, default=None)
    """When it was last continued by its refresh token."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When it ends at the latest, however often it is continued."""
    client_address: str = _v.field("clientAddress", _v.TEXT, default="")
    """Address that it was last continued from; empty if nobody knows."""
    user_agent: str = _v.field("userAgent", _v.TEXT, default="")
    """Program that it was last continued by, as that called itself (User-Agent)."""
    scopes: Sequence[str] = _v.field("scopes", _v.many(_v.TEXT), default=())
    """Scopes that were asked for; none means all that the user has."""
    current: bool = _v.field("current", _v.BOOL, default=False)
    """Whether it is the session of the token that asks."""
    identity_provider: str = _v.field("identityProvider", _v.TEXT, default="")
    """Identity provider whose word began it, "identityProviders/{id}"; empty: none."""
    browser: bool = _v.field("browser", _v.BOOL, default=False)
    """Whether a browser has it, in a cookie."""


class SignInProvider(Model):
    """A provider, as somebody sees it who is not signed in."""

    __slots__ = ()
    provider: str = _v.field("provider", _v.TEXT, default="")
    """Its id."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """What people call it."""


class Signal(Model):
    """Where a threshold or a heartbeat stands."""

    __slots__ = ()
    status: SignalStatus | None = _v.field("status", _v.ENUM, default=None)
    """Whether it is raised."""
    since: datetime | None = _v.field("since", _v.TIME, default=None)
    """Since when."""
    value: float | None = _v.field("value", _v.optional(_v.NUMBER), default=None)
    """Last reading; unset for a heartbeat, or without one."""
    seen_time: datetime | None = _v.field("seenTime", _v.TIME, default=None)
    """When the last reading or ping came."""
    started_time: datetime | None = _v.field("startedTime", _v.TIME, default=None)
    """When the job of a heartbeat began that has not ended since; unset without one."""
    last_duration: timedelta | None = _v.field("lastDuration", _v.DURATION, default=None)
    """How long the last run of the job of a heartbeat took, if it said when it began."""


class Silence(Model):
    """A time in which steps of some incidents are held back, or, with a recurrence, many such times: maintenance windows. When one ends,
    and nobody has answered, the steps are taken.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "silences/{id}"."""
    matchers: Sequence[SilenceMatcher] = _v.field("matchers", _v.many(_v.message("SilenceMatcher")), default=())
    """Which incidents: those that all of these match."""
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When it begins; now unless given."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When it ends. Required unless there is a recurrence; then no window goes on beyond it, and without it they come until it is expired."""
    comment: str = _v.field("comment", _v.TEXT, default="")
    """Why."""
    author: str = _v.field("author", _v.TEXT, default="")
    """Who made it, such as "users/{id}"."""
    state: SilenceState | None = _v.field("state", _v.ENUM, default=None)
    """Whether it holds."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""
    recurrence: Window | None = _v.field("recurrence", _v.message("Window"), default=None)
    """It holds only in these windows, from start_time on; all the time unless given. The zone is the tenant's unless the window names one."""
    window_end_time: datetime | None = _v.field("windowEndTime", _v.TIME, default=None)
    """When the window ends that goes on now; unset unless one does."""
    next_window_time: datetime | None = _v.field("nextWindowTime", _v.TIME, default=None)
    """When the next window begins; unset without one."""


class SilenceMatcher(Model):
    """What an incident must have."""

    __slots__ = ()
    label: str = _v.field("label", _v.TEXT, default="")
    """A label of the incident, or one of these: "severity", such as "critical", "escalationPolicy", an id, "source", such as "alarms/{id}",
    "dedupKey".
    """
    value: str = _v.field("value", _v.TEXT, default="")
    """Its value; a * stands for any characters. An incident without the label has the empty value."""
    negate: bool = _v.field("negate", _v.BOOL, default=False)
    """True for incidents whose label has another value."""


class SilenceWindow(Model):
    """A stretch of time in which a silence holds."""

    __slots__ = ()
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When it begins."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When it ends; this instant does not belong to it."""


class SimpleNotification(Model):
    """A notification in one word."""

    __slots__ = ()
    notification_id: str = _v.field("notificationId", _v.TEXT, default="")
    """Its id; its resource name is "notifications/{notification_id}"."""
    status: str = _v.field("status", _v.TEXT, default="")
    """"pending" while a delivery may still go out, "delivered" when one has, "failed" when none will."""
    error: str = _v.field("error", _v.TEXT, default="")
    """Why it failed, such as "UNKNOWN_RECIPIENT" or "OPTED_OUT"; empty otherwise."""
    timestamp: datetime | None = _v.field("timestamp", _v.TIME, default=None)
    """When this last changed."""


class SimplePreferences(Model):
    """What a recipient wants to have."""

    __slots__ = ()
    email: bool | None = _v.field("email", _v.optional(_v.BOOL), default=None)
    """Messages by email; unset: yes."""
    push: bool | None = _v.field("push", _v.optional(_v.BOOL), default=None)
    """Messages by push; unset: yes."""


class SplitRule(Model):
    """Which share of the calls to methods goes to which version of their service. Replicas have a version where the target says one:
    "names:1;version=1,names-new:1;version=2". A version that nobody serves is gone round, unless its share is 0.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Name of the rule. An order of that name stands in the place of the file's rule."""
    methods: Sequence[str] = _v.field("methods", _v.many(_v.TEXT), default=())
    """The methods whose calls are split: paths, services "/package.Service/", or patterns of paths. Those of tocsin.api.mesh.v1 never are.
    No two rules are about one method.
    """
    not_methods: Sequence[str] = _v.field("notMethods", _v.many(_v.TEXT), default=())
    """Methods that it is not about, in the same words."""
    versions: Sequence[VersionShare] = _v.field("versions", _v.many(_v.message("VersionShare")), default=())
    """Shares, 100 % together at most. What is left over goes to replicas of other versions, and of none; where there are no such, to all."""


class SpooledCall(Model):
    """A call that a gateway took on and set aside, because it failed for good."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """"spooledCalls/{spool}-{number}"."""
    method: str = _v.field("method", _v.TEXT, default="")
    """The RPC, "/package.Service/Method"."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Whose it is."""
    accept_time: datetime | None = _v.field("acceptTime", _v.TIME, default=None)
    """When it was taken on."""
    set_aside_time: datetime | None = _v.field("setAsideTime", _v.TIME, default=None)
    """When it was set aside."""
    tries: int = _v.field("tries", _v.INTEGER, default=0)
    """How often it was tried."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Class of the last error, such as "REQUEST_INVALID"."""
    message: str = _v.field("message", _v.TEXT, default="")
    """What the last error said."""
    request_bytes: int = _v.field("requestBytes", _v.INTEGER, default=0)
    """Bytes of its request."""
    request: bytes = _v.field("request", _v.BYTES, default=b"")
    """Its request, serialised; only where one call is shown."""
    request_json: str = _v.field("requestJson", _v.TEXT, default="")
    """The same as JSON; empty when this version of the contract cannot read it."""


class Standing(Model):
    """How a heartbeat, a check or a threshold stands."""

    __slots__ = ()
    alarm: str = _v.field("alarm", _v.TEXT, default="")
    """The alarm, "alarms/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Its name for people."""
    labels: Mapping[str, str] = _v.field("labels", _v.mapped(_v.TEXT), default={})
    """Its labels."""
    kind: StandingKind | None = _v.field("kind", _v.ENUM, default=None)
    """What it is."""
    state: StandingState | None = _v.field("state", _v.ENUM, default=None)
    """How it stands."""
    since: datetime | None = _v.field("since", _v.TIME, default=None)
    """Since when; unset where that is not known."""
    seen_time: datetime | None = _v.field("seenTime", _v.TIME, default=None)
    """When the last ping or reading came."""
    expected_time: datetime | None = _v.field("expectedTime", _v.TIME, default=None)
    """When the next ping is expected, or the next check is due."""
    deadline: datetime | None = _v.field("deadline", _v.TIME, default=None)
    """When it counts as down unless a ping comes; grace included."""
    last_duration: timedelta | None = _v.field("lastDuration", _v.DURATION, default=None)
    """How long the last run of its job took."""
    started_time: datetime | None = _v.field("startedTime", _v.TIME, default=None)
    """When its job began that has not ended."""
    value: float | None = _v.field("value", _v.optional(_v.NUMBER), default=None)
    """The last reading of a threshold, or 1 and 0 of a check."""
    incident: str = _v.field("incident", _v.TEXT, default="")
    """Its incident that is open, "incidents/{id}"."""
    slug: str = _v.field("slug", _v.TEXT, default="")
    """The slug of a heartbeat."""


class Status(Model):
    """State of one process."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Service name, such as "scheduler_svc"."""
    incarnation: str = _v.field("incarnation", _v.TEXT, default="")
    """Identity of this start of the process; fresh at every start."""
    version: str = _v.field("version", _v.TEXT, default="")
    """Version of the software."""
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """When the process started."""
    health: StatusHealth | None = _v.field("health", _v.ENUM, default=None)
    """Whether it can do its work."""
    dependencies: Sequence[Dependency] = _v.field("dependencies", _v.many(_v.message("Dependency")), default=())
    """Its dependencies, each with its own health."""
    circuit_breakers: Sequence[CircuitBreaker] = _v.field("circuitBreakers", _v.many(_v.message("CircuitBreaker")), default=())
    """Its circuit breakers."""
    faults: Sequence[Fault] = _v.field("faults", _v.many(_v.message("Fault")), default=())
    """Faults that are injected now."""
    methods: Sequence[MethodStats] = _v.field("methods", _v.many(_v.message("MethodStats")), default=())
    """Calls served and made since the start, by method."""
    bucket_bounds: Sequence[float] = _v.field("bucketBounds", _v.many(_v.NUMBER), default=())
    """Upper bounds in seconds of the buckets of MethodStats; a last bucket is for what took longer."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """What its clock said when it answered."""
    certificate_expire_time: datetime | None = _v.field("certificateExpireTime", _v.TIME, default=None)
    """When its certificate expires; unset when it has none."""
    policy_digest: str = _v.field("policyDigest", _v.TEXT, default="")
    """Digest of the policies that are in force in this process. Replicas of one service have the same."""
    endpoints: Sequence[CalledEndpoint] = _v.field("endpoints", _v.many(_v.message("CalledEndpoint")), default=())
    """Endpoints of the services that it has called, in the mesh and outside of it."""
    foreign_services: Sequence[str] = _v.field("foreignServices", _v.many(_v.TEXT), default=())
    """Services outside of the mesh that it calls, by the names that they have here. Nobody but who calls them tells of their calls."""


class StatusPage(Model):
    """What a tenant shows to everybody."""

    __slots__ = ()
    enabled: bool = _v.field("enabled", _v.BOOL, default=False)
    """Whether the page is shown."""
    slug: str = _v.field("slug", _v.TEXT, default="")
    """Name of the page in its address, /status/{slug}: the first who asks for it has it."""
    title: str = _v.field("title", _v.TEXT, default="")
    """Its title."""
    alarms: Sequence[str] = _v.field("alarms", _v.many(_v.TEXT), default=())
    """The alarms that it shows, "alarms/{id}", in this order; none unless given, beside those of labels."""
    labels: Mapping[str, str] = _v.field("labels", _v.mapped(_v.TEXT), default={})
    """It shows those heartbeats, checks and thresholds that have all of these labels, too."""
    badge_key: str = _v.field("badgeKey", _v.TEXT, default="")
    """Key of the badges, /badge/{key}/…: who knows it sees how alarms stand, and their names."""


class StreamEventsResponse(Model):
    """What a stream of events did."""

    __slots__ = ()
    accepted: int = _v.field("accepted", _v.INTEGER, default=0)
    """Events that are committed."""
    duplicates: int = _v.field("duplicates", _v.INTEGER, default=0)
    """Of them, those that were known already."""
    matched: int = _v.field("matched", _v.INTEGER, default=0)
    """Firings that they caused."""


class StreamReadingsResponse(Model):
    """What a stream of readings did."""

    __slots__ = ()
    accepted: int = _v.field("accepted", _v.INTEGER, default=0)
    """Readings that are committed."""
    stale: int = _v.field("stale", _v.INTEGER, default=0)
    """Of them, those that were older than a known one."""
    duplicates: int = _v.field("duplicates", _v.INTEGER, default=0)
    """Of them, those that were known already."""


class SummarizeDeliveriesResponse(Model):
    """What was accepted lately."""

    __slots__ = ()
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """Those counted were accepted since then."""
    compute_time: datetime | None = _v.field("computeTime", _v.TIME, default=None)
    """When it was counted."""
    partial: bool = _v.field("partial", _v.BOOL, default=False)
    """Whether there were more than are counted: then only the newest are, and start_time is when the first of them was accepted."""
    counts: Sequence[SummarizeDeliveriesResponseStateCount] = _v.field("counts", _v.many(_v.message("SummarizeDeliveriesResponseStateCount")), default=())
    """Deliveries by state and channel, in the order of states; only those that there are."""


class SummarizeDeliveriesResponseStateCount(Model):
    """Deliveries of one state and channel."""

    __slots__ = ()
    state: DeliveryState | None = _v.field("state", _v.ENUM, default=None)
    """Where they stand now."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """The channel, such as "email"."""
    deliveries: int = _v.field("deliveries", _v.INTEGER, default=0)
    """Deliveries."""


class SummarizeFiringsResponse(Model):
    """What was due lately."""

    __slots__ = ()
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """The due times counted begin here."""
    compute_time: datetime | None = _v.field("computeTime", _v.TIME, default=None)
    """When it was counted."""
    partial: bool = _v.field("partial", _v.BOOL, default=False)
    """Whether there were more than are counted: then only the latest are, and start_time is the first due time of them."""
    outcomes: Sequence[SummarizeFiringsResponseOutcomeCount] = _v.field("outcomes", _v.many(_v.message("SummarizeFiringsResponseOutcomeCount")), default=())
    """Firings by outcome, in the order of their numbers; only those that there are."""
    lateness: Sequence[SummarizeFiringsResponseLatenessCount] = _v.field("lateness", _v.many(_v.message("SummarizeFiringsResponseLatenessCount")), default=())
    """Those that fired, by how late they did: every step, the shortest first."""


class SummarizeFiringsResponseLatenessCount(Model):
    """Firings of one step of lateness."""

    __slots__ = ()
    at_most: timedelta | None = _v.field("atMost", _v.DURATION, default=None)
    """The longest of the step; unset in the last one, which has no end."""
    firings: int = _v.field("firings", _v.INTEGER, default=0)
    """Firings that were later than the step before, and at most so late."""


class SummarizeFiringsResponseOutcomeCount(Model):
    """Firings of one outcome."""

    __slots__ = ()
    outcome: FiringOutcome | None = _v.field("outcome", _v.ENUM, default=None)
    """The outcome."""
    firings: int = _v.field("firings", _v.INTEGER, default=0)
    """Firings."""


class Suppression(Model):
    """An address that gets nothing."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "suppressions/{id}"."""
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel, such as "email"."""
    address: str = _v.field("address", _v.TEXT, default="")
    """What the channel would deliver to; kept in its normal form."""
    category: str = _v.field("category", _v.TEXT, default="")
    """"categories/{id}" of which it gets nothing; empty: of any."""
    reason: SuppressionReason | None = _v.field("reason", _v.ENUM, default=None)
    """Why; MANUAL unless given. Mandatory categories heed nothing but BOUNCE and PROVIDER."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Who says so, such as "users/{id}", "deliveries/{id}" or the name of a provider; the caller unless given."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """What they said."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When it ends; unset: never."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was made."""


class TappedCall(Model):
    """One call, without what it carried: one that the process served, or one that it made to a service outside of the mesh."""

    __slots__ = ()
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When it ended."""
    method: str = _v.field("method", _v.TEXT, default="")
    """Full path of its method."""
    caller: str = _v.field("caller", _v.TEXT, default="")
    """The service that called, by its certificate; empty for one that has none. The process itself, where target is set."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Id of the tenant that it was for; empty when it was for none, or refused before that was known."""
    code: str = _v.field("code", _v.TEXT, default="")
    """Name of the code that it ended with."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why it failed, as errors say it (google.rpc.ErrorInfo); empty otherwise."""
    duration: timedelta | None = _v.field("duration", _v.DURATION, default=None)
    """How long it was served; where target is set, how long the process waited, with all attempts."""
    request_bytes: int = _v.field("requestBytes", _v.INTEGER, default=0)
    """Bytes of the request; 0 when requests stream."""
    response_bytes: int = _v.field("responseBytes", _v.INTEGER, default=0)
    """Bytes of the answer; 0 when answers stream, or there was none."""
    trace: str = _v.field("trace", _v.TEXT, default="")
    """Id of its trace, in hexadecimal digits; empty when it has none."""
    target: str = _v.field("target", _v.TEXT, default="")
    """The service outside of the mesh that was called; empty for calls that the process served."""


class Task(Model):
    """A run of a handler."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "tasks/{id}"."""
    handler: str = _v.field("handler", _v.TEXT, default="")
    """Name of the handler."""
    input: JsonObject | None = _v.field("input", _v.ANY, default=None)
    """Its input."""
    state: TaskState | None = _v.field("state", _v.ENUM, default=None)
    """Where it stands."""
    result: JsonObject | None = _v.field("result", _v.ANY, default=None)
    """What the handler answered; set when it SUCCEEDED."""
    error: str = _v.field("error", _v.TEXT, default="")
    """Why the last attempt failed; empty otherwise."""
    attempts: int = _v.field("attempts", _v.INTEGER, default=0)
    """Attempts so far."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When it was submitted."""
    complete_time: datetime | None = _v.field("completeTime", _v.TIME, default=None)
    """When it ended; unset before."""


class Template(Model):
    """Text with variables, in Jinja's syntax. A template that is too large, too deep, or too expensive to render is refused with its
    measure.
    """

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "templates/{code}"; the code is chosen by the client."""
    version: int = _v.field("version", _v.INTEGER, default=0)
    """Version, from 1."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line. With text, html and actions it is the default part: what is said where no other part fits."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Text body. At least one of text and html."""
    html: str = _v.field("html", _v.TEXT, default="")
    """HTML body; variables are escaped. It is kept as it is written, and sent with the rules of its style elements in its elements."""
    variables: Sequence[str] = _v.field("variables", _v.many(_v.TEXT), default=())
    """Names of the variables that the template uses, in order."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When this version was made."""
    resend_if_unknown: bool = _v.field("resendIfUnknown", _v.BOOL, default=False)
    """What to do when the connection breaks after a message was handed over, so that its delivery is unknown: true sends it again, at the
    risk of a second copy; otherwise it ends as OUTCOME_UNKNOWN.
    """
    required_variables: Sequence[str] = _v.field("requiredVariables", _v.many(_v.TEXT), default=())
    """Names of the variables that have to be given a value. The others are empty without one: those that the template asks for with
    "default", "is defined" or a condition, and what a firing brings by itself (event, reading, heartbeat, signal, origin).
    """
    actions: Sequence[TemplateAction] = _v.field("actions", _v.many(_v.message("TemplateAction")), default=())
    """Buttons, where the channel has buttons."""
    parts: Sequence[TemplatePart] = _v.field("parts", _v.many(_v.message("TemplatePart")), default=())
    """What is said in a channel or a language, instead of the default part. The channel goes before the language: for push to a reader of
    de-CH it is the first there is of (push, de-CH), (push, de), (push, any), (any, de-CH), (any, de), and the default part.
    """
    declared_variables: Sequence[TemplateVariable] = _v.field("declaredVariables", _v.many(_v.message("TemplateVariable")), default=())
    """The variables of the template. When there are any, the text may use no others, and no others may be given; otherwise the variables
    are those that the text uses.
    """
    promoted: bool = _v.field("promoted", _v.BOOL, default=False)
    """Whether messages are made of this version."""
    warnings: Sequence[TemplateWarning] = _v.field("warnings", _v.many(_v.message("TemplateWarning")), default=())
    """What is doubtful about it, in the answer to a create or an update."""
    built_in: bool = _v.field("builtIn", _v.BOOL, default=False)
    """It ships with Tocsin. A template that the tenant makes of this name takes its place."""


class TemplateAction(Model):
    """A button that opens a web page. One whose label or URL turns out empty is left out."""

    __slots__ = ()
    label: str = _v.field("label", _v.TEXT, default="")
    """What it says; may hold variables."""
    url: str = _v.field("url", _v.TEXT, default="")
    """What it opens, http or https; may hold variables."""


class TemplatePart(Model):
    """What a template says in one channel and one language. Text or html is required; a subject that is missing is that of the default
    part. Push shows the subject as its title and the text as its body; chats show the text.
    """

    __slots__ = ()
    channel: str = _v.field("channel", _v.TEXT, default="")
    """Name of the channel, such as "push"; empty: every channel that has no part of its own."""
    locale: str = _v.field("locale", _v.TEXT, default="")
    """Language tag (BCP 47) such as "de" or "de-CH"; empty: every language that has no part of its own."""
    subject: str = _v.field("subject", _v.TEXT, default="")
    """Subject line."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Text body."""
    html: str = _v.field("html", _v.TEXT, default="")
    """HTML body; variables are escaped."""
    actions: Sequence[TemplateAction] = _v.field("actions", _v.many(_v.message("TemplateAction")), default=())
    """Buttons, where the channel has buttons."""


class TemplateVariable(Model):
    """A variable of a template."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Its name in the text."""
    description: str = _v.field("description", _v.TEXT, default="")
    """What it means."""
    required: bool = _v.field("required", _v.BOOL, default=False)
    """Whether it has to be given."""
    default: str = _v.field("default", _v.TEXT, default="")
    """What it is when it is not given."""
    example: str = _v.field("example", _v.TEXT, default="")
    """What it is in a preview that does not give it."""


class TemplateWarning(Model):
    """A doubt about a template that is saved all the same."""

    __slots__ = ()
    field: str = _v.field("field", _v.TEXT, default="")
    """The field, such as "template.parts[0].html"."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """What is doubtful about it."""


class Tenant(Model):
    """The wall between customers."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "tenants/{id}"."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name for people."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone that local times without a zone are meant in; "UTC" until set."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When the tenant was made."""
    state: TenantState | None = _v.field("state", _v.ENUM, default=None)
    """Whether it may work."""
    suspend_reason: str = _v.field("suspendReason", _v.TEXT, default="")
    """Why it is suspended, in the operator's words; empty unless it is."""
    quotas: TenantQuotas | None = _v.field("quotas", _v.message("TenantQuotas"), default=None)
    """The most that it may use; those of the installation where it has none of its own."""
    own_quotas: TenantQuotas | None = _v.field("ownQuotas", _v.message("TenantQuotas"), default=None)
    """Those quotas that the operator has set for this tenant."""
    operator: bool = _v.field("operator", _v.BOOL, default=False)
    """Whether it is the operator's, whose administrators run the platform as well."""
    delete_time: datetime | None = _v.field("deleteTime", _v.TIME, default=None)
    """When its deletion was asked for; unset unless it is being deleted."""
    purge_time: datetime | None = _v.field("purgeTime", _v.TIME, default=None)
    """When what it has begins to be removed for good; until then it can be undeleted. Unset unless it is being deleted."""
    password_off: bool = _v.field("passwordOff", _v.BOOL, default=False)
    """Whether nobody but owners signs in with a password: everybody else by an identity provider. Owners still can, for the day on which
    the issuer is away.
    """
    require_second_factor: bool | None = _v.field("requireSecondFactor", _v.optional(_v.BOOL), default=None)
    """Whether every user has to have a second factor: a session of one who has shown none can do nothing but enrol one."""


class TenantDeletion(Model):
    """The deletion of a tenant, and what was removed."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "tenants/{id}/deletion"."""
    state: TenantDeletionState | None = _v.field("state", _v.ENUM, default=None)
    """How far it is."""
    delete_time: datetime | None = _v.field("deleteTime", _v.TIME, default=None)
    """When it was asked for."""
    deleted_by: str = _v.field("deletedBy", _v.TEXT, default="")
    """Who asked for it, such as "users/..."."""
    purge_time: datetime | None = _v.field("purgeTime", _v.TIME, default=None)
    """When removing was to begin."""
    begin_time: datetime | None = _v.field("beginTime", _v.TIME, default=None)
    """When it began; unset until then."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """When everything was gone; unset until then."""
    export_sha256: str = _v.field("exportSha256", _v.TEXT, default="")
    """SHA-256 of the manifest of the export that was made before; empty without one."""
    services: Sequence[ServicePurge] = _v.field("services", _v.many(_v.message("ServicePurge")), default=())
    """What each service has removed, as far as it has told."""
    missing_services: Sequence[str] = _v.field("missingServices", _v.many(_v.TEXT), default=())
    """Services that have not told yet that nothing is left."""
    audit_log_count: int = _v.field("auditLogCount", _v.INTEGER, default=0)
    """Entries that the audit log of the tenant had."""
    audit_log_hash: str = _v.field("auditLogHash", _v.TEXT, default="")
    """Hash of the last of them: the head of its chain, which is kept."""


class TenantQuotas(Model):
    """The most that a tenant may use. 0 is without bound; what is unset is as the installation says (TOCSIN_AUTH_QUOTA_...)."""

    __slots__ = ()
    alarms: int | None = _v.field("alarms", _v.optional(_v.INTEGER), default=None)
    """Alarms that it may have."""
    fires_per_minute: int | None = _v.field("firesPerMinute", _v.optional(_v.INTEGER), default=None)
    """Firings that may begin in a minute."""
    messages_per_day: int | None = _v.field("messagesPerDay", _v.optional(_v.INTEGER), default=None)
    """Messages that may be sent in a day (UTC)."""
    storage_bytes: int | None = _v.field("storageBytes", _v.optional(_v.INTEGER), default=None)
    """Bytes of records that it may store."""


class TestIdentityProviderResponse(Model):
    """What the issuer says of itself."""

    __slots__ = ()
    usable: bool = _v.field("usable", _v.BOOL, default=False)
    """Whether people can sign in by it, as far as that shows without anybody who does."""
    findings: Sequence[str] = _v.field("findings", _v.many(_v.TEXT), default=())
    """What is wrong, or worth a look, in words."""
    authorization_endpoint: str = _v.field("authorizationEndpoint", _v.TEXT, default="")
    """Where browsers go."""
    token_endpoint: str = _v.field("tokenEndpoint", _v.TEXT, default="")
    """Where codes are exchanged."""
    jwks_uri: str = _v.field("jwksUri", _v.TEXT, default="")
    """Where its keys are."""
    userinfo_endpoint: str = _v.field("userinfoEndpoint", _v.TEXT, default="")
    """Where claims are asked for that the ID token lacks; empty: nowhere."""
    end_session_endpoint: str = _v.field("endSessionEndpoint", _v.TEXT, default="")
    """Where browsers go to sign out there; empty: nowhere."""
    algorithms: Sequence[str] = _v.field("algorithms", _v.many(_v.TEXT), default=())
    """Signature algorithms that it has and that are taken."""
    keys: int = _v.field("keys", _v.INTEGER, default=0)
    """Keys of it that can verify a signature."""
    client_authentication: str = _v.field("clientAuthentication", _v.TEXT, default="")
    """How the client shows its secret: "client_secret_basic", "client_secret_post" or "none"."""
    names_itself: bool = _v.field("namesItself", _v.BOOL, default=False)
    """Whether it says who it is when it sends the browser back (RFC 9207)."""


class TestProviderResponse(Model):
    """What came of a test message."""

    __slots__ = ()
    sent: bool = _v.field("sent", _v.BOOL, default=False)
    """Whether the provider took it."""
    outcome: str = _v.field("outcome", _v.TEXT, default="")
    """Outcome, such as "sent", "refused", "gone", "misconfigured" or "provider_down"."""
    code: int = _v.field("code", _v.INTEGER, default=0)
    """Provider's code; 0 if none."""
    detail: str = _v.field("detail", _v.TEXT, default="")
    """Provider's words, or ours."""


class Threshold(Model):
    """When a metric is beyond a limit, for a while."""

    __slots__ = ()
    metric: str = _v.field("metric", _v.TEXT, default="")
    """Name of the metric, such as "cellar.temperature"."""
    comparison: ThresholdComparison | None = _v.field("comparison", _v.ENUM, default=None)
    """How a reading compares with the value when it is beyond."""
    value: float = _v.field("value", _v.NUMBER, default=0.0)
    """The limit."""
    for_duration: timedelta | None = _v.field("forDuration", _v.DURATION, default=None)
    """It fires when the metric has been beyond the limit for so long; at once unless given."""
    hysteresis: float = _v.field("hysteresis", _v.NUMBER, default=0.0)
    """It resolves when the metric has come back behind the limit by this much."""
    notify_resolved: bool | None = _v.field("notifyResolved", _v.optional(_v.BOOL), default=None)
    """Whether the action also runs when it resolves; true unless given."""


class TokenResponse(Model):
    """A pair of tokens."""

    __slots__ = ()
    access_token: str = _v.field("accessToken", _v.TEXT, secret=True, default="")
    """JWT for the Authorization header."""
    token_type: str = _v.field("tokenType", _v.TEXT, default="")
    """Always "Bearer"."""
    expires_in: int = _v.field("expiresIn", _v.INTEGER, default=0)
    """Seconds until the access token expires."""
    refresh_token: str = _v.field("refreshToken", _v.TEXT, secret=True, default="")
    """Token for the next pair; used once."""
    scope: str = _v.field("scope", _v.TEXT, default="")
    """Scopes granted, separated by spaces."""
    device_token: str = _v.field("deviceToken", _v.TEXT, secret=True, default="")
    """Token by which this client is known at its next sign-in with a password; it opens nothing. Only in the answer to a password, if the
    client brought none that is known.
    """
    enrolment_required: bool = _v.field("enrolmentRequired", _v.BOOL, default=False)
    """The tenant requires a second factor and this session has shown none: it may do nothing but enrol or show one (FactorService,
    AccountService.Reauthenticate), and be refreshed then.
    """


class Trigger(Model):
    """When an alarm fires: one rule, and the options that all rules share."""

    __slots__ = ()
    at: datetime | None = _v.field("at", _v.TIME, default=None)
    """Once, at an instant."""
    daily: Daily | None = _v.field("daily", _v.message("Daily"), default=None)
    """At a time of day."""
    every: timedelta | None = _v.field("every", _v.DURATION, default=None)
    """At a fixed interval from start_time, or from when the alarm was made; at least one second."""
    cron: str | None = _v.field("cron", _v.optional(_v.TEXT), default=None)
    """By cron expressions, a line each: 5 fields, 6 with the seconds first or a year last, 7 with both, or a macro such as "@daily" or
    "@every 5m"; "H" is a hash of the alarm's id.
    """
    rrule: str | None = _v.field("rrule", _v.optional(_v.TEXT), default=None)
    """By the lines of an iCalendar recurrence (RFC 5545), RRULE with DTSTART, RDATE, EXDATE and EXRULE as needed; or by whole events, a
    VEVENT or the text of an .ics file.
    """
    event: Event | None = _v.field("event", _v.message("Event"), default=None)
    """Whenever a matching event is published."""
    threshold: Threshold | None = _v.field("threshold", _v.message("Threshold"), default=None)
    """When a metric is beyond a limit."""
    heartbeat: Heartbeat | None = _v.field("heartbeat", _v.message("Heartbeat"), default=None)
    """When a ping does not come."""
    at_local: str | None = _v.field("atLocal", _v.optional(_v.TEXT), default=None)
    """Once, at a local time in time_zone, such as "2027-01-15T09:00:00": it stays that local time when the rules of the zone change."""
    on_calendar: str | None = _v.field("onCalendar", _v.optional(_v.TEXT), default=None)
    """By a calendar expression of systemd, such as "Mon..Fri *-*-* 09:00:00 Europe/Berlin" (systemd.time(7))."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone of local times; the tenant's zone unless given."""
    start_time: datetime | None = _v.field("startTime", _v.TIME, default=None)
    """No due time before this instant; the anchor of "every"."""
    end_time: datetime | None = _v.field("endTime", _v.TIME, default=None)
    """No due time at or after this instant."""
    count: int = _v.field("count", _v.INTEGER, default=0)
    """Number of due times in all; 0 means without end. Together with end_time, what comes first ends it."""
    dst: DstPolicy | None = _v.field("dst", _v.message("DstPolicy"), default=None)
    """What a change of the clocks does to a local time."""
    catch_up: CatchUp | None = _v.field("catchUp", _v.message("CatchUp"), default=None)
    """What happens with due times that passed while nothing could fire."""
    exclude_dates: Sequence[str] = _v.field("excludeDates", _v.many(_v.TEXT), default=())
    """Due times left out: a local date "2026-12-25", a local time "2026-12-25T09:00:00", or an instant "2026-12-25T09:00:00Z"."""
    jitter: timedelta | None = _v.field("jitter", _v.DURATION, default=None)
    """Each due time moves later by a part of this that is its own; never past the due time after it."""
    overlap: TriggerOverlap | None = _v.field("overlap", _v.ENUM, default=None)
    """What happens at a due time while the firing before still runs."""
    spread: timedelta | None = _v.field("spread", _v.DURATION, default=None)
    """The alarm may fire up to this much later, at a fixed offset where the forecast has room."""
    spread_offset: timedelta | None = _v.field("spreadOffset", _v.DURATION, default=None)
    """The offset that was chosen within spread."""
    offset: timedelta | None = _v.field("offset", _v.DURATION, default=None)
    """Each due time comes so much later than the rule says or, if it is negative, earlier: "-600s" is ten minutes before. It is time that
    passes, whatever the clocks do in it. Bounds mean the due time, exclusions what the rule says.
    """
    exclude_windows: Sequence[Window] = _v.field("excludeWindows", _v.many(_v.message("Window")), default=())
    """Due times left out: all that lie within one of these windows."""
    exclude_calendars: Sequence[str] = _v.field("excludeCalendars", _v.many(_v.TEXT), default=())
    """Due times left out: all that lie within one of these shared calendars, "calendars/{id}"."""
    include_calendars: Sequence[str] = _v.field("includeCalendars", _v.many(_v.TEXT), default=())
    """Due times left out: all that lie outside of one of these shared calendars, "calendars/{id}", such as business days."""


class TriggerLog(Model):
    """Something that came from outside."""

    __slots__ = ()
    id: str = _v.field("id", _v.TEXT, default="")
    """Its id."""
    kind: TriggerLogKind | None = _v.field("kind", _v.ENUM, default=None)
    """What it is."""
    topic: str = _v.field("topic", _v.TEXT, default="")
    """The topic of an event, the metric of a reading, the key of a ping whose client chose it."""
    time: datetime | None = _v.field("time", _v.TIME, default=None)
    """When it happened."""
    receive_time: datetime | None = _v.field("receiveTime", _v.TIME, default=None)
    """When it came."""
    data: JsonObject | None = _v.field("data", _v.ANY, default=None)
    """What the event said, or {"value": 21.5}."""
    source: str = _v.field("source", _v.TEXT, default="")
    """Who says so."""
    matched: int = _v.field("matched", _v.INTEGER, default=0)
    """Firings that it caused."""
    damaged: Sequence[str] = _v.field("damaged", _v.many(_v.TEXT), default=())
    """Fields that are stored and that cannot be shown, such as "data": they are left out."""


class TriggerStats(Model):
    """Counts of a tenant."""

    __slots__ = ()
    events: int = _v.field("events", _v.INTEGER, default=0)
    """Events that were published."""
    event_firings: int = _v.field("eventFirings", _v.INTEGER, default=0)
    """Firings that events caused."""
    readings: int = _v.field("readings", _v.INTEGER, default=0)
    """Readings that were recorded."""
    pings: int = _v.field("pings", _v.INTEGER, default=0)
    """Pings that came."""
    raised: int = _v.field("raised", _v.INTEGER, default=0)
    """Firings of thresholds and heartbeats that were raised."""
    resolved: int = _v.field("resolved", _v.INTEGER, default=0)
    """And of those that resolved."""
    topics: Mapping[str, int] = _v.field("topics", _v.mapped(_v.INTEGER), default={})
    """Events by topic: the hundred with the most."""
    listening: int = _v.field("listening", _v.INTEGER, default=0)
    """Alarms that wait for an event, a reading or a ping."""


class TryIntegrationResponse(Model):
    """What a payload would do."""

    __slots__ = ()
    alerts: Sequence[ReceivedAlert] = _v.field("alerts", _v.many(_v.message("ReceivedAlert")), default=())
    """The alerts in it; at most the first hundred."""
    total: int = _v.field("total", _v.INTEGER, default=0)
    """How many there are."""


class Usage(Model):
    """What a tenant uses."""

    __slots__ = ()
    quotas: Sequence[QuotaUsage] = _v.field("quotas", _v.many(_v.message("QuotaUsage")), default=())
    """Each quota, whether it is bounded or not; one that is counted by a service that does not answer now is missing."""


class User(Model):
    """A person of a tenant."""

    __slots__ = ()
    name: str = _v.field("name", _v.TEXT, default="")
    """Resource name, "users/{id}"."""
    email: str = _v.field("email", _v.TEXT, default="")
    """Address that signs in; empty if only the username does."""
    display_name: str = _v.field("displayName", _v.TEXT, default="")
    """Name of the person."""
    role: UserRole | None = _v.field("role", _v.ENUM, default=None)
    """What role_name says, as far as earlier versions knew it."""
    create_time: datetime | None = _v.field("createTime", _v.TIME, default=None)
    """When the user was made."""
    username: str = _v.field("username", _v.TEXT, default="")
    """Name that signs in; empty if only the address does."""
    verify_time: datetime | None = _v.field("verifyTime", _v.TIME, default=None)
    """When the user showed that mail to the address arrives; unset until then."""
    role_name: str = _v.field("roleName", _v.TEXT, default="")
    """Name of its role: what the user may do, such as "roles/operator"."""
    deactivate_time: datetime | None = _v.field("deactivateTime", _v.TIME, default=None)
    """Since when the user can do nothing; unset: it can."""
    locale: str = _v.field("locale", _v.TEXT, default="")
    """Language of mails to the person; empty: English."""


class ValidateAlarmResponse(Model):
    """What is wrong with a trigger."""

    __slots__ = ()
    valid: bool = _v.field("valid", _v.BOOL, default=False)
    """Whether an alarm could be made of it."""
    problems: Sequence[ValidateAlarmResponseProblem] = _v.field("problems", _v.many(_v.message("ValidateAlarmResponseProblem")), default=())
    """What is wrong."""
    description: str = _v.field("description", _v.TEXT, default="")
    """The rule in words; empty when it is wrong."""
    occurrences: Sequence[Occurrence] = _v.field("occurrences", _v.many(_v.message("Occurrence")), default=())
    """The next due times; empty when it is wrong."""
    warnings: Sequence[Warning] = _v.field("warnings", _v.many(_v.message("Warning")), default=())
    """What to know about it, although an alarm could be made of it."""


class ValidateAlarmResponseProblem(Model):
    """One thing that is wrong."""

    __slots__ = ()
    field: str = _v.field("field", _v.TEXT, default="")
    """The field, such as "trigger.cron"."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """What is wrong with it."""
    position: int | None = _v.field("position", _v.optional(_v.INTEGER), default=None)
    """Where in the text, from 0; unset when it is not about a place in a text."""


class ValueSource(Model):
    """Where a value is found."""

    __slots__ = ()
    paths: Sequence[str] = _v.field("paths", _v.many(_v.TEXT), default=())
    """Singular queries of JSONPath (RFC 9535, 2.3.5.1), such as "$.alert.labels['host.name']" or "items[0].id"; the "$." may be left out.
    The first that finds something other than null is the value. Objects and lists are taken as JSON.
    """
    default: str = _v.field("default", _v.TEXT, default="")
    """The value if no path finds one; without paths, a constant."""


class VerifyAddressResponse(Model):
    """Whose address it is."""

    __slots__ = ()
    user: str = _v.field("user", _v.TEXT, default="")
    """Resource name of the user."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Resource name of the tenant."""


class VerifyTokenResponse(Model):
    """Who the caller is."""

    __slots__ = ()
    subject: str = _v.field("subject", _v.TEXT, default="")
    """"users/…" or "apiKeys/…"."""
    tenant: str = _v.field("tenant", _v.TEXT, default="")
    """Resource name of the tenant."""
    scopes: Sequence[str] = _v.field("scopes", _v.many(_v.TEXT), default=())
    """Scopes of the token."""
    expire_time: datetime | None = _v.field("expireTime", _v.TIME, default=None)
    """When the token expires."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """Time zone of the tenant, an IANA name."""
    session: str = _v.field("session", _v.TEXT, default="")
    """Session that the token is of, "sessions/…"; empty for the token of an API key."""


class VersionShare(Model):
    """The share of one version."""

    __slots__ = ()
    version: str = _v.field("version", _v.TEXT, default="")
    """As targets name it."""
    percent: float = _v.field("percent", _v.NUMBER, default=0.0)
    """Percent of the calls; of 0 not one, even when no other replica serves."""


class Warning(Model):
    """Something that may keep an alarm from doing what it shall, and that may be right later."""

    __slots__ = ()
    field: str = _v.field("field", _v.TEXT, default="")
    """The field, such as "action.task.handler"."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """What is doubtful about it."""


class WatchAlertsResponse(Model):
    """One alert."""

    __slots__ = ()
    alert: SecurityAlert | None = _v.field("alert", _v.message("SecurityAlert"), default=None)
    """The alert as it now is."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Token to continue after it."""


class WatchAuditLogsResponse(Model):
    """An entry that was written."""

    __slots__ = ()
    audit_log: AuditLog | None = _v.field("auditLog", _v.message("AuditLog"), default=None)
    """The entry."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Continues after this one."""


class WatchCallsResponse(Model):
    """Some calls that one process served, or made to services outside of the mesh, or why it shows none."""

    __slots__ = ()
    service: str = _v.field("service", _v.TEXT, default="")
    """Its service."""
    address: str = _v.field("address", _v.TEXT, default="")
    """Where it listens; "gateway" for the one that answers."""
    calls: Sequence[TappedCall] = _v.field("calls", _v.many(_v.message("TappedCall")), default=())
    """In the order in which they ended."""
    dropped: int = _v.field("dropped", _v.INTEGER, default=0)
    """Calls that were left out before these, because there were more than the reader took."""
    missed: str = _v.field("missed", _v.TEXT, default="")
    """Why this process shows no further calls; empty otherwise."""


class WatchChangesResponse(Model):
    """One change."""

    __slots__ = ()
    firing: Firing | None = _v.field("firing", _v.message("Firing"), default=None)
    """A firing as it now is."""
    incident: WatchChangesResponseIncidentChange | None = _v.field("incident", _v.message("WatchChangesResponseIncidentChange"), default=None)
    """An incident as it now is, and what happened."""
    delivery: Delivery | None = _v.field("delivery", _v.message("Delivery"), default=None)
    """A delivery as it now is."""
    mesh: MeshPicture | None = _v.field("mesh", _v.message("MeshPicture"), default=None)
    """The mesh as it now is."""
    alert: SecurityAlert | None = _v.field("alert", _v.message("SecurityAlert"), default=None)
    """An alert as it now is."""
    standing: WatchChangesResponseStanding | None = _v.field("standing", _v.message("WatchChangesResponseStanding"), default=None)
    """Whether changes of a kind can be followed."""
    rotation: OnCall | None = _v.field("rotation", _v.message("OnCall"), default=None)
    """Who is on call now in a rotation that, or in which that, changed."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Token to continue after this change."""


class WatchChangesResponseIncidentChange(Model):
    """What happened to an incident."""

    __slots__ = ()
    event: IncidentEvent | None = _v.field("event", _v.message("IncidentEvent"), default=None)
    """What happened."""
    incident: Incident | None = _v.field("incident", _v.message("Incident"), default=None)
    """The incident as it now is."""


class WatchChangesResponseStanding(Model):
    """Whether changes of a kind can be followed; sent for each kind at the beginning, and when it changes."""

    __slots__ = ()
    kind: ChangeKind | None = _v.field("kind", _v.ENUM, default=None)
    """The kind."""
    reason: str = _v.field("reason", _v.TEXT, default="")
    """Why its changes do not come now, such as "UNAVAILABLE" or "PERMISSION_DENIED"; empty: they do."""


class WatchDeliveriesResponse(Model):
    """One change."""

    __slots__ = ()
    delivery: Delivery | None = _v.field("delivery", _v.message("Delivery"), default=None)
    """The delivery as it now is."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Token to continue after this change."""


class WatchFiringsResponse(Model):
    """One change."""

    __slots__ = ()
    firing: Firing | None = _v.field("firing", _v.message("Firing"), default=None)
    """The firing as it now is."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Token to continue after this change."""


class WatchIncidentsResponse(Model):
    """One event."""

    __slots__ = ()
    event: IncidentEvent | None = _v.field("event", _v.message("IncidentEvent"), default=None)
    """What happened."""
    incident: Incident | None = _v.field("incident", _v.message("Incident"), default=None)
    """The incident as it is now."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Token to continue after this event."""


class WatchMeshResponse(Model):
    """One picture."""

    __slots__ = ()
    mesh: MeshPicture | None = _v.field("mesh", _v.message("MeshPicture"), default=None)
    """The mesh."""


class WatchRotationsResponse(Model):
    """One change."""

    __slots__ = ()
    on_call: OnCall | None = _v.field("onCall", _v.message("OnCall"), default=None)
    """Who is on call in the rotation now; without an interval the rotation is gone."""
    resume_token: str = _v.field("resumeToken", _v.TEXT, default="")
    """Token to continue after this change."""


class WatchTaskResponse(Model):
    """A task, or how far its run is."""

    __slots__ = ()
    task: Task | None = _v.field("task", _v.message("Task"), default=None)
    """The task; unset in a report of progress."""
    progress: WatchTaskResponseProgress | None = _v.field("progress", _v.message("WatchTaskResponseProgress"), default=None)
    """How far its run is; unset otherwise."""


class WatchTaskResponseProgress(Model):
    """What a handler reports."""

    __slots__ = ()
    fraction: float = _v.field("fraction", _v.NUMBER, default=0.0)
    """How much is done, from 0 to 1."""
    message: str = _v.field("message", _v.TEXT, default="")
    """What it does."""


class Webhook(Model):
    """One HTTP request, signed after Standard Webhooks with the secret of the tenant (GetCallbackSecret). Its webhook-id is the id of the
    firing, the same at each try. Without a body and a text it says what fired: {"type": "alarm.fired", "timestamp": …, "data": {…}}.
    """

    __slots__ = ()
    url: str = _v.field("url", _v.TEXT, default="")
    """Where it goes: https://…; http:// only to what the operator opened."""
    method: str = _v.field("method", _v.TEXT, default="")
    """Method; POST unless given."""
    headers: Mapping[str, str] = _v.field("headers", _v.mapped(_v.TEXT), default={})
    """Further headers. Whoever may read the alarm sees them."""
    body: JsonObject | None = _v.field("body", _v.ANY, default=None)
    """Body: a JSON object; at most 64 KiB."""
    text: str = _v.field("text", _v.TEXT, default="")
    """Body: a text."""
    content_type: str = _v.field("contentType", _v.TEXT, default="")
    """Content type of the text; "text/plain; charset=utf-8" unless given."""
    timeout: timedelta | None = _v.field("timeout", _v.DURATION, default=None)
    """Longest time that the request may take; 30 s unless given."""


class WeeklyHours(Model):
    """The same hours of some days of the week."""

    __slots__ = ()
    days: Sequence[int] = _v.field("days", _v.many(_v.INTEGER), default=())
    """Days on which a range begins: 1 is Monday, 7 Sunday; every day unless given."""
    start: str = _v.field("start", _v.TEXT, default="")
    """When it begins, such as "08:00"."""
    end: str = _v.field("end", _v.TEXT, default="")
    """When it ends, such as "18:00"; of the next day unless it is after start; "24:00" is the end of the day."""


class WeeklyWindow(Model):
    """Hours of one weekday, in local time."""

    __slots__ = ()
    weekday: int = _v.field("weekday", _v.INTEGER, default=0)
    """The day that it begins on, 1 (Monday) to 7 (Sunday)."""
    start: str = _v.field("start", _v.TEXT, default="")
    """Local time, such as "22:00"."""
    end: str = _v.field("end", _v.TEXT, default="")
    """Local time. Not after the start: of the next day, so that the same one is a whole day."""


class Window(Model):
    """Stretches of time that begin by a rule."""

    __slots__ = ()
    cron: str | None = _v.field("cron", _v.optional(_v.TEXT), default=None)
    """At the times of cron expressions, as in a trigger."""
    rrule: str | None = _v.field("rrule", _v.optional(_v.TEXT), default=None)
    """At the times of an iCalendar recurrence, or of whole events, as in a trigger. Without DTSTART it begins in 1970."""
    on_calendar: str | None = _v.field("onCalendar", _v.optional(_v.TEXT), default=None)
    """At the times of a calendar expression of systemd, as in a trigger."""
    duration: timedelta | None = _v.field("duration", _v.DURATION, default=None)
    """How long each lasts, in time that passes. Unless it or end is given, as long as the event, or the minute or second that is named."""
    end: str = _v.field("end", _v.TEXT, default="")
    """The local time at which each ends, "07:00": the next one after its start."""
    time_zone: str = _v.field("timeZone", _v.TEXT, default="")
    """IANA time zone of its local times; that of whatever it is a part of unless given."""
