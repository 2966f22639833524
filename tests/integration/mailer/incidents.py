"""Incidents as a test says that they stand, in place of the scheduler's."""

from collections.abc import Sequence

from mailer_svc.domain.answers import AnswerTokens
from mailer_svc.ports.incidents import IncidentFacts, IncidentKey, IncidentStanding, LinkAnswer, PersonalAnswer
from mailer_svc.service.answering import Answering
from tocsin.clock import Clock
from tocsin.errors import FailedPrecondition, NotFound, Unavailable

KEY = bytes(range(64))


class KnownIncidents:
    """Incidents that wait until they are answered; ``going``: a step of them is on its way; ``away``: nobody can be asked."""

    def __init__(self) -> None:
        self.standing: dict[IncidentKey, IncidentFacts] = {}
        self.said: list[tuple[IncidentKey, str, str, PersonalAnswer]] = []
        self.going: set[IncidentKey] = set()
        self.away = False

    def open(self, incident: str, *, tenant: str = "t1") -> IncidentKey:
        """Opens one."""
        key = IncidentKey(tenant, incident)
        self.standing[key] = IncidentFacts("Disk <full>", IncidentStanding.WAITING, "")
        return key

    async def answer(self, key: IncidentKey, *, actor: str, via: str, answer: PersonalAnswer) -> IncidentFacts:
        """As the scheduler does: the first one who acknowledges has it."""
        self._ask()
        self.said.append((key, actor, via, answer))
        if key not in self.standing:
            raise NotFound
        facts = self.standing[key]
        if answer.kind is LinkAnswer.SNOOZE and facts.standing is IncidentStanding.RESOLVED:
            raise FailedPrecondition
        if answer.kind is LinkAnswer.ACKNOWLEDGE and facts.standing is IncidentStanding.WAITING:
            facts = facts._replace(standing=IncidentStanding.ACKNOWLEDGED, actor=actor)
        elif answer.kind is LinkAnswer.RESOLVE and facts.standing is not IncidentStanding.RESOLVED:
            facts = facts._replace(standing=IncidentStanding.RESOLVED, actor=actor)
        self.standing[key] = facts
        return facts

    async def waiting(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Whether each waits."""
        self._ask()
        return [key in self.standing and self.standing[key].standing is IncidentStanding.WAITING for key in keys]

    async def telling(self, keys: Sequence[IncidentKey]) -> Sequence[bool]:
        """Whether a step of each is on its way."""
        self._ask()
        return [key in self.going for key in keys]

    def _ask(self) -> None:
        if self.away:
            raise Unavailable


def no_links(clock: Clock) -> Answering:
    """Of a mailer that nobody can reach by a link."""
    return Answering(tokens=AnswerTokens(KEY), incidents=KnownIncidents(), base="", clock=clock)
