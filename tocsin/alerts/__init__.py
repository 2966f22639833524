"""Security alerts: what an operator should look at, told to auth_svc, which keeps them (docs/pii.md).

`tocsin.alerts.reporter` tells them; `Node` has one.
"""

from tocsin.alerts.model import SEVERITIES, Alert, AlertKind, Alerts, Severity

__all__ = ["SEVERITIES", "Alert", "AlertKind", "Alerts", "Severity"]
