"""What the mails of an installation have alike, whoever carries them."""

from mailer_svc.channels.mime import MailComposer, Sender
from mailer_svc.domain import MessageEvent, ReturnPaths, SendJob, UnsubscribeTokens, Unsubscription

CHANNEL_NAME = "email"
_INCIDENTS = "incidents/"


class OutgoingMail:
    """Makes mails of jobs: with a way to leave what may be left, and a return path that tells deliveries apart."""

    def __init__(
        self,
        *,
        sender: Sender,
        composer: MailComposer,
        return_paths: ReturnPaths | None = None,
        reply_paths: ReturnPaths | None = None,
        tokens: UnsubscribeTokens | None = None,
    ) -> None:
        """Puts the parts together.

        Args:
            sender: who mails are from.
            composer: writes them.
            return_paths: where reports of failures go; None: to the sender.
            reply_paths: where people answer mails about incidents; None: nobody reads answers.
            tokens: seals what is left by a click; None: mails have no links.
        """
        self.sender = sender
        self._composer = composer
        self._return_paths = return_paths
        self._reply_paths = reply_paths
        self._tokens = tokens

    def compose(self, job: SendJob) -> bytes:
        """The mail, see `MailComposer.compose`."""
        return self._composer.compose(
            to=job.to,
            content=job.content,
            message_id=job.message_id,
            created=job.created,
            name=job.recipient_name,
            leave=self.token(job),
            reply_to=self.reply_to(job),
        )

    def reply_to(self, job: SendJob) -> str:
        """Where its recipient answers it; empty: where mails are answered that ask nothing."""
        alert = job.content.alert
        asks = job.notification and alert.event is MessageEvent.TRIGGER and alert.key.startswith(_INCIDENTS)
        return self._reply_paths.of(job.id) if self._reply_paths and asks else ""

    def token(self, job: SendJob) -> str:
        """What its recipient leaves it by; empty if it may not be left, or there is no way to."""
        if self._tokens is None or not job.may_leave:
            return ""
        return self._tokens.seal(Unsubscription(job.tenant, job.recipient_id, job.to, job.category, CHANNEL_NAME))

    def leaving_headers(self, job: SendJob) -> dict[str, str]:
        """What says how to leave, for who writes no mail of their own."""
        token = self.token(job)
        return self._composer.links.fields(token) if token else {}

    def return_path(self, job: SendJob) -> str:
        """Where reports of its failure go."""
        return self._return_paths.of(job.id) if self._return_paths else self.sender.address
