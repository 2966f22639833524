"""Incidents that become part of another one."""

from scheduler_svc.domain.incidents import Incident, IncidentChange, IncidentOver, noted


def with_part(whole: Incident, part: IncidentChange) -> IncidentChange:
    """What becomes of ``whole`` when another incident becomes part of it: its timeline says so, once.

    Raises:
        IncidentOver: it is not open, part of another one, or the same.
    """
    if not whole.open or whole.id == part.incident.id:
        raise IncidentOver(f"incidents/{whole.id} is not open by itself, so that nothing can become part of it.")
    if not part.happened:
        return IncidentChange(whole)
    merging = part.happened[0]
    return noted(whole, merging.by._replace(note=f"incidents/{part.incident.id} became part of it"), merging.at)
