"""The states that this service's errors name."""

from tocsin.errors import FailedPrecondition, InvalidInput, NotFound, ResourceExhausted


class DeliveryNotFound(NotFound):
    """There is no such delivery."""


class DeliverySuppressed(FailedPrecondition):
    """The delivery was suppressed, and is not sent again."""


class MessageNotFound(NotFound):
    """There is no such message in the inbox."""


class TemplateNotFound(NotFound):
    """There is no such template."""


class TemplateBreaks(FailedPrecondition):
    """Alarms that use the template could not be sent after this change."""


class SubjectInvalid(InvalidInput):
    """The subject is not a single line of text."""


class MessageInvalid(InvalidInput):
    """The message is not complete or not well-formed."""


class ContentTooLarge(ResourceExhausted):
    """The content is larger than a message may be."""


class NoProvider(FailedPrecondition):
    """No provider is configured for this channel."""


class UnsupportedChannel(FailedPrecondition):
    """This mailer does not know the channel; another one may."""


class UnsubscribeTokenInvalid(NotFound):
    """The link is not one of ours, or not whole."""


class NotificationNotFound(NotFound):
    """There is no such notification."""


class NotificationStarted(FailedPrecondition):
    """The notification is on its way; only one that is PENDING can be cancelled."""
