"""What an import knows of the rules of alarms, apart from the standard ones."""

from typing import Any, Final

from tocsin.addresses import PLAIN
from tocsin.channels import CHANNELS, EMAIL_ADDRESS
from tocsin.protojson.constraints import KnownRules

_BY_MAIL: Final = frozenset(name for name, pattern in CHANNELS.items() if pattern == EMAIL_ADDRESS)


def _one_content(this: Any) -> bool:
    return not (this.subject or this.text or this.html) if this.template else bool(this.subject and (this.text or this.html))


def _plain(this: Any) -> bool:
    """Whether a message has nothing but a subject and a text, as an incident does."""
    other = (this.template, this.html, this.channels, this.category, this.resolved_subject, this.resolved_text, this.resolved_html)
    return not any(other)


ALARM_RULES: Final = KnownRules(
    texts={"tocsin.api.scheduler.v1.Notify.to": {"pattern": f"^{PLAIN}"}},
    programs={
        (
            "this.template != '' ? this.subject == '' && this.text == '' && this.html == '' : "
            "this.subject != '' && (this.text != '' || this.html != '')"
        ): lambda this: _one_content(this) and _BY_MAIL.issuperset(this.channels or ()),  # others have addresses of other forms
        "(size(this.to) + size(this.recipients) > 0) != (this.escalation_policy != '')": (
            lambda this: bool(this.to or this.recipients) is not bool(this.escalation_policy)
        ),
        (
            "this.escalation_policy == '' || (this.template == '' && this.html == '' && size(this.channels) == 0 && "
            "this.category == '' && this.resolved_subject == '' && this.resolved_text == '' && this.resolved_html == '')"
        ): lambda this: not this.escalation_policy or _plain(this),
        "[has(this.every), this.cron != '', this.on_calendar != '', this.rrule != ''].filter(given, given).size() == 1": (
            lambda this: [bool(this.every), bool(this.cron), bool(this.on_calendar), bool(this.rrule)].count(True) == 1
        ),
        "this.template != '' || size(this.variables) == 0": lambda this: bool(this.template or not this.variables),
        "this.template == '' || (this.resolved_subject == '' && this.resolved_text == '' && this.resolved_html == '')": (
            lambda this: not (this.template and (this.resolved_subject or this.resolved_text or this.resolved_html))
        ),
    },
)
