"""The states that this service's errors name."""

from tocsin.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidInput, NotFound, PermissionDenied, ResourceExhausted


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


class AnswerLinkInvalid(NotFound):
    """The link is not one of ours, or not whole."""


class AnswerLinkExpired(FailedPrecondition):
    """The time of the link is over."""


class FeedNotFound(NotFound):
    """There is no such calendar feed."""


class ReplyOfAnother(PermissionDenied):
    """Only the address that the message went to may answer it."""


class NotificationNotFound(NotFound):
    """There is no such notification."""


class NotificationStarted(FailedPrecondition):
    """The notification is on its way; only one that is PENDING can be cancelled."""


class RecipientNotFound(NotFound):
    """There is no such recipient."""


class RecipientExists(AlreadyExists):
    """A recipient of this id exists already."""


class AddressNotFound(NotFound):
    """There is no such address."""


class AddressTaken(AlreadyExists):
    """The address is a recipient's already."""


class AddressSuppressed(FailedPrecondition):
    """The address is suppressed: nothing is sent to it, not even a code."""


class CodeNotNeeded(FailedPrecondition):
    """The address needs no code."""


class CodeTooSoon(ResourceExhausted):
    """A code was sent to this address a moment ago."""


class CodeWrong(InvalidInput):
    """The code is not the one that was sent."""


class CodeVoid(FailedPrecondition):
    """There is no code that could come back: none was sent, it is too old, or wrong ones came too often."""


class GroupNotFound(NotFound):
    """There is no such group."""


class GroupExists(AlreadyExists):
    """A group of this id exists already."""


class GroupCycle(InvalidInput):
    """A group would be in itself."""


class RotationNotFound(NotFound):
    """There is no such rotation."""


class RotationExists(AlreadyExists):
    """A rotation of this id exists already."""


class RotationChanged(Aborted):
    """The rotation was changed by others meanwhile; read it again."""


class OverrideNotFound(NotFound):
    """There is no such override that has not ended."""


class TooManyOverrides(ResourceExhausted):
    """The rotation has too many overrides that have not ended."""


class NobodyOnCall(FailedPrecondition):
    """Nobody is on call in the rotation."""


class CategoryNotFound(NotFound):
    """There is no such category."""


class CategoryExists(AlreadyExists):
    """A category of this id exists already."""


class SuppressionNotFound(NotFound):
    """There is no such suppression."""
