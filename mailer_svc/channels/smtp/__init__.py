"""Email by SMTP (RFC 5321): pooled connections, pipelined commands, an outcome for every reply and every silence."""

from mailer_svc.channels.smtp.connect import SmtpConnector, SmtpServer
from mailer_svc.channels.smtp.provider import SmtpProvider, SmtpRule

__all__ = ["SmtpConnector", "SmtpProvider", "SmtpRule", "SmtpServer"]
