"""A countersign as people see it: who signed, who is open, whom the viewer may take off."""

from collections.abc import Sequence

from api.views import Lookup
from runtime import clock
from schemas.countersign import UNSIGNED, CountersignView, Seat, SignerView
from schemas.tasks import TaskSpec
from store.tables.processes import Task


def view(spec: TaskSpec, look: Lookup) -> CountersignView | None:
    """The countersign that a task is one signature of; None where it is none."""
    group = spec.sign
    if group is None:
        return None
    return CountersignView(
        id=group.id,
        title=spec.title,
        mode=group.mode,
        need=group.need,
        places=len({s.place for s in group.seats}),
        signers=[_signer(s, look) for s in group.seats],
    )


def of_case(tasks: Sequence[Task], look: Lookup) -> list[CountersignView]:
    """Every countersign of a case with more than one person, as its newest task has it."""
    newest: dict[str, tuple[int, TaskSpec]] = {}
    for task in tasks:
        sign = task.spec.get("sign")
        if not sign or len(sign["seats"]) < 2:
            continue
        if sign["id"] not in newest or newest[sign["id"]][0] < task.revision:
            newest[sign["id"]] = (task.revision, TaskSpec.model_validate(task.spec))
    return [found for _, spec in newest.values() if (found := view(spec, look)) is not None]


def may_remove(seat: Seat, look: Lookup) -> bool:
    """减签: who added them, or a supervisor, while they have not signed."""
    if clock.looked_at():
        return False
    added = seat.added_by is not None and seat.state in UNSIGNED
    return added and (seat.added_by in look.viewer.names or look.viewer.has("supervisor"))


def _signer(seat: Seat, look: Lookup) -> SignerView:
    return SignerView(
        seat=seat.id,
        place=seat.place,
        role=seat.signer.role,
        username=seat.signer.username,
        name=look.users.get(seat.signer.username),
        state=seat.state,
        added_by=seat.added_by,
        added_by_name=look.users.get(seat.added_by or ""),
        actor=seat.actor,
        actor_name=look.users.get(seat.actor or ""),
        task_id=seat.task_id,
        removable=may_remove(seat, look),
    )
