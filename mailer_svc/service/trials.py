"""Messages that show an author how a template looks where it is read."""

from collections.abc import Callable
from dataclasses import replace

from mailer_svc.domain import Channels, MessageInvalid, Priority, Submission
from mailer_svc.service.accepting import Accepting
from mailer_svc.service.templates import Templates, Trial
from tocsin.errors import InvalidInput, Unavailable


class TrialSender:
    """Sends what a template says to one address, the way that every message goes."""

    def __init__(self, *, templates: Templates, accepting: Accepting, channels: Channels, new_key: Callable[[], str]) -> None:
        self._templates = templates
        self._accepting = accepting
        self._channels = channels
        self._new_key = new_key

    async def send(self, *, tenant: str, code: str, version: int, to: str, trial: Trial) -> str:
        """The id of the delivery, which is of no firing and no notification.

        Raises:
            TemplateNotFound: there is no such template or version.
            UnsupportedChannel: this mailer does not know the channel.
            NoProvider: nothing can be sent by it.
            InvalidInput: it cannot be filled in, or the channel cannot send it to the address.
            Unavailable: not now.
        """
        channel = self._channels.usable_channel(trial.channel, tenant=tenant)
        channel.normal_address(to)  # its refusal names the field
        by = replace(trial, channel=channel.name)
        _, content = await self._templates.render(tenant=tenant, code=code, version=version, trial=by)
        message = Submission(
            key=0,
            tenant=tenant,
            firing="",
            alarm="",
            to=to,
            channel=trial.channel,
            priority=int(Priority.NORMAL),
            content=content,
            occasion=f"test-{self._new_key()}",
        )
        async for acks in self._accepting.accept([message]):
            for ack in acks:
                if not ack.reason:
                    return ack.delivery
                if ack.retryable:
                    raise Unavailable(ack.message, reason=ack.reason)
                raise InvalidInput(ack.message, reason=ack.reason)
        raise MessageInvalid("The message was not taken")
