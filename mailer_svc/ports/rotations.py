"""Where rotations are kept, with all that they were."""

from collections.abc import Collection, Mapping, Sequence, Set
from typing import NamedTuple, Protocol

from mailer_svc.domain.rotations import Rotation, RotationHistory, RotationOverride, RotationPlan


class ParticipantProblem(NamedTuple):
    """Why a recipient cannot take turns."""

    id: str
    why: str


class GapClaim(NamedTuple):
    """A rotation whose gaps are to be looked for."""

    tenant: str
    rotation: str


class RotationChange(NamedTuple):
    """The last change of a rotation: its number in the order of all changes."""

    change: int
    rotation: str


class RotationStore(Protocol):
    """Keeps rotations and overrides. Times in microseconds since the epoch."""

    async def create(self, rotation: Rotation) -> Rotation:
        """Stores a new rotation; one that was removed goes on counting its revisions.

        Raises:
            RotationExists: the id is in use.
        """
        ...

    async def get(self, *, tenant: str, id: str) -> Rotation | None:  # noqa: A002 - the word of the contract
        """One rotation."""
        ...

    async def page(self, *, tenant: str, after: str, limit: int) -> list[Rotation]:
        """Rotations by id, those behind the id ``after``."""
        ...

    async def change(self, *, tenant: str, id: str, revision: int, plan: RotationPlan, now: int) -> Rotation | None:  # noqa: A002
        """Puts a plan in place of that of ``revision``. None: there is no such rotation, or it has another revision by now."""
        ...

    async def delete(self, *, tenant: str, id: str, now: int) -> bool:  # noqa: A002 - the word of the contract
        """Removes a rotation, also from groups, and takes back its overrides. False: there was none."""
        ...

    async def revisions(self, *, tenant: str, id: str, before: int | None, limit: int) -> list[Rotation]:  # noqa: A002
        """What it was, the newest first; those before the revision ``before``."""
        ...

    async def add_override(self, *, tenant: str, rotation: str, override: RotationOverride, most: int) -> RotationOverride | None:
        """Stores an override, made later than all others of the rotation. None: ``most`` of them have not ended.

        Raises:
            RotationNotFound: there is no such rotation.
        """
        ...

    async def overrides(self, *, tenant: str, rotation: str, running_at: int | None, after: int, limit: int) -> list[RotationOverride]:
        """Overrides in the order of their creation, those made after ``after``; with ``running_at`` only those that end later than that."""
        ...

    async def delete_override(self, *, tenant: str, rotation: str, id: str, now: int) -> bool:  # noqa: A002
        """Takes one back. False: there is none that has not ended."""
        ...

    async def end_of_changes(self) -> int:
        """The number behind which changes from now on are."""
        ...

    async def changes(self, *, tenant: str, after: int, limit: int) -> list[RotationChange]:
        """The rotations that were changed behind a number, in the order of their last change."""
        ...

    async def problems(self, *, tenant: str, recipients: Collection[str]) -> Sequence[ParticipantProblem]:
        """Those of the recipients who cannot take turns: they do not exist, or all their addresses are RETIRED."""
        ...

    async def exists(self, *, tenant: str, name: str) -> bool:
        """Whether there is a recipient ("recipients/{id}"), group or rotation of this name."""
        ...


class RotationHistories(Protocol):
    """Reads what was in force."""

    async def in_force(self, *, tenant: str, ids: Collection[str], at: int, around: int) -> Mapping[str, RotationHistory]:
        """The revisions that are in force at an instant, each with the overrides that hold within ``around`` of it."""
        ...

    async def between(self, *, tenant: str, id: str, start: int, end: int, most: int) -> RotationHistory | None:  # noqa: A002
        """All revisions and overrides that are in force in a stretch of time. None: there are more than ``most``."""
        ...

    async def behind(self, *, tenant: str, targets: Sequence[str]) -> list[str]:
        """Ids of the rotations that are among the targets, or in groups that are, or in groups in those; also of ones that do not exist."""
        ...

    async def existed(self, *, tenant: str, id: str) -> bool:  # noqa: A002 - the word of the contract
        """Whether there is or was such a rotation."""
        ...

    async def ever(self, *, tenant: str, after: str, limit: int) -> list[str]:
        """Ids of rotations, removed ones too, behind the id ``after``, in order."""
        ...

    async def gone(self, *, tenant: str, recipients: Collection[str]) -> Set[str]:
        """Those of the recipients who do not exist."""
        ...

    async def claim_gaps(self, *, now: int, again: int, limit: int) -> list[GapClaim]:
        """Takes rotations whose gaps are to be looked for by ``now``; they are due again at ``again``, whoever claims them then."""
        ...
