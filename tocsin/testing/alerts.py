"""Security alerts that a test can read."""

from tocsin.alerts import SEVERITIES, Alert, AlertKind, Severity


class RecordedAlerts:
    """Implements `tocsin.alerts.Alerts`: keeps everything."""

    def __init__(self) -> None:
        self.all: list[Alert] = []

    def report(
        self,
        *,
        kind: AlertKind,
        place: str,
        tenant: str = "",
        subject: str = "",
        latest: str = "",
        detail: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Keeps one."""
        self.all.append(
            Alert(
                kind=kind,
                severity=severity or SEVERITIES[kind],
                tenant=tenant,
                subject=subject,
                place=place,
                latest=latest,
                detail=detail,
                count=1,
                first=0,
                last=0,
            )
        )

    @property
    def kinds(self) -> list[AlertKind]:
        """What happened, in order."""
        return [alert.kind for alert in self.all]
