"""A good request for every public RPC: what is hostile in it is one field at a time."""

from collections.abc import Mapping
from typing import Any, Final

TRIGGER: Final = {"every": "3600s"}
NOTIFY: Final = {"to": ["ann@example.com"], "subject": "hostile", "text": "t"}
ALARM: Final = {"display_name": "hostile", "trigger": TRIGGER, "action": {"notify": NOTIFY}}
EVENT: Final = {"topic": "hostile.x", "data": {"a": 1}}
READING: Final = {"metric": "hostile", "value": 1}
TEMPLATE: Final = {"name": "templates/hostile", "subject": "s", "text": "{{ a }}"}

GOOD: Final[Mapping[str, Mapping[str, Any]]] = {
    "CreateApiKey": {"display_name": "k", "scopes": ["alarms:read"]},
    "GetApiKey": {"name": "apiKeys/none"},
    "DeleteApiKey": {"name": "apiKeys/none"},
    "Register": {"email": "new@example.com", "password": "correct horse battery"},
    "IssueToken": {"email": "nobody@example.com", "password": "correct horse battery"},
    "RefreshToken": {"refresh_token": "none"},
    "RevokeToken": {"refresh_token": "none"},
    "CreateUser": {"email": "second@example.com", "password": "correct horse battery"},
    "GetUser": {"name": "users/none"},
    "DeleteUser": {"name": "users/none"},
    "UpdateTenant": {"tenant": {"display_name": "hostile"}},
    "GetDelivery": {"name": "deliveries/none"},
    "SendSimpleNotification": {"notification_type": "inbox", "user_id": "ann", "template_code": "hostile", "variables": {"a": "b"}},
    "GetSimpleNotification": {"notification_id": "none"},
    "GetMessage": {"name": "inbox/messages/none"},
    "CreateTemplate": {"template": TEMPLATE},
    "GetTemplate": {"name": "templates/hostile"},
    "UpdateTemplate": {"template": TEMPLATE},
    "DeleteTemplate": {"name": "templates/none"},
    "RenderTemplate": {"name": "templates/hostile", "variables": {"a": "b"}},
    "ResetServiceBreakers": {"service": "scheduler_svc"},
    "ResetBreaker": {"id": "database"},
    "OpenBreaker": {"id": "database"},
    "CloseBreaker": {"id": "database"},
    "SetRecord": {"key": "hostile", "value": "v"},
    "GetRecord": {"key": "hostile"},
    "DeleteRecord": {"key": "none"},
    "RunRecord": {"key": "hostile", "handler": "uppercase"},
    "SubmitTask": {"handler": "uppercase", "input": {"text": "t"}},
    "GetTask": {"name": "tasks/none"},
    "CancelTask": {"name": "tasks/none"},
    "WatchTask": {"name": "tasks/none"},
    "StartSensorTest": {"sensor_type": "hostile"},
    "GetSensorTest": {"test_id": "none"},
    "GetReading": {"metric": "hostile"},
    "GetFiring": {"name": "firings/none"},
    "AuditFirings": {"start_time": "2026-01-01T00:00:00Z"},
    "ReplayFiring": {"name": "firings/none"},
    "CreateAlarm": {"alarm": ALARM},
    "CreateSimpleAlarm": {"code_id": "hostile", "email": "ann@example.com", "time": "03:30:00"},
    "GetAlarm": {"name": "alarms/none"},
    "UpdateAlarm": {"alarm": {"name": "alarms/none", **ALARM}},
    "DeleteAlarm": {"name": "alarms/none"},
    "PauseAlarm": {"name": "alarms/none"},
    "ResumeAlarm": {"name": "alarms/none"},
    "PreviewAlarm": {"trigger": TRIGGER, "count": 5},
    "ValidateAlarm": {"trigger": TRIGGER},
    "BackfillAlarm": {"name": "alarms/none", "start_time": "2026-01-01T00:00:00Z"},
    "ImportAlarms": {"alarms": {"alarms": [ALARM]}},
    "FireAlarm": {"name": "alarms/none"},
    "PublishEvent": {"event": EVENT},
    "StreamEvents": {"event": EVENT},
    "RecordReading": {"reading": READING},
    "StreamReadings": {"reading": READING},
    "Ping": {"key": "hostile"},
}
"""By the name of the method, with the names of the contract; RPCs that are not here need nothing."""
