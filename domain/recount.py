"""Counting the deadlines of a running case again: a calendar year was published, or the case takes over newer rules.

Invariants: a deadline is counted again from its own basis, never from what its rule says today, unless the case takes
over the rules as well; one that is met, or that was set by a decision, stays as it is; one whose day moves counts its
generation up. The preview of a change and the workflow use the same functions, so that the numbers shown before are
what happens. Nothing here decides whether a case takes over anything.
"""

from collections.abc import Collection, Sequence
from datetime import date

from domain.deadlines import DeadlineError, compute
from schemas.base import Text
from schemas.deadlines import Calendar, Deadline, DerivationStep, LegalKind, PolicySnapshot, Rung, Unit

MONTHLY = (Unit.DAY_OF_MONTH, Unit.LAST_WORKING_DAY_OF_MONTH)
MONTH_LENGTH = 7  # of "2026-12"


def with_published_years(old: PolicySnapshot, new: PolicySnapshot) -> PolicySnapshot:
    """The old rules with the arrangements of those years that were not published when they were loaded.

    The same object when there is none; the newer rules' version when nothing else differs between the two.
    """
    calendars = [_published(c, new) for c in old.calendars]
    if calendars == old.calendars:
        return old
    first = next(c for c in calendars if c not in old.calendars)
    merged = old.model_copy(
        update={"calendars": calendars, "version": f"{old.version.partition('+')[0]}+{first.version[:6]}"}
    )
    plain = {"calendars": [_years_only(c) for c in merged.calendars], "version": ""}
    theirs = {"calendars": [_years_only(c) for c in new.calendars], "version": ""}
    return new if merged.model_copy(update=plain) == new.model_copy(update=theirs) else merged


def _published(calendar: Calendar, new: PolicySnapshot) -> Calendar:
    known = {c.authority: c for c in new.calendars}
    if calendar.authority not in known:
        return calendar
    published = {y.year: y for y in known[calendar.authority].years if not y.provisional}
    provisional = {y.year for y in calendar.years if y.provisional}
    missing = [y for n, y in published.items() if n not in {y.year for y in calendar.years}]
    years = [published.get(y.year, y) if y.year in provisional else y for y in calendar.years] + missing
    if years == calendar.years:
        return calendar
    return calendar.model_copy(update={"years": years, "version": known[calendar.authority].version})


def _years_only(calendar: Calendar) -> Calendar:
    return calendar.model_copy(update={"version": ""})


def recounted(deadline: Deadline, policy: PolicySnapshot, *, rules: bool, why: Text) -> Deadline:
    """The deadline by the calendars of `policy`; with `rules` also by its rule, norm and durations.

    The same object when nothing about it changes. `why` goes into the derivation where the day moves.
    """
    basis = deadline.basis
    if basis is None or deadline.met_at is not None or all(r.id != basis.rule for r in policy.rules):
        return deadline
    anchor = basis.anchor if len(basis.anchor) == MONTH_LENGTH else date.fromisoformat(basis.anchor)
    rule = policy.rule(basis.rule, anchor)
    number = None if rules and not basis.kept else basis.n
    if number is not None or not rules:
        rule = rule.model_copy(update={"n": basis.n, "unit": basis.unit, "shift_policy": basis.shift_policy})
    if not rules:
        rule = rule.model_copy(
            update={
                "legal_kind": deadline.legal_kind,
                "source": deadline.source,
                "sample": deadline.sample,
                "consequence": deadline.consequence,
            }
        )
    rule = rule.model_copy(update={"authority": deadline.authority})
    try:
        fresh = compute(rule, anchor, policy, remaining_steps=basis.steps, number=number)
    except DeadlineError:
        return deadline  # the new rule gives no date from this anchor: the old one stands
    kept = {
        "id": deadline.id,
        "title": deadline.title,
        "met_by": deadline.met_by,
        "generation": deadline.generation,
        "breached": deadline.breached,
        "basis": fresh.basis.model_copy(update={"kept": basis.kept}) if fresh.basis else None,
    }
    fresh = fresh.model_copy(update=kept)
    if fresh.due_at != deadline.due_at:
        step = DerivationStep(
            kind="extended",
            text=Text(
                zh=f"原为 {deadline.due}，{why.zh}，重新计算为 {fresh.due}",
                en=f"Was {deadline.due}; {why.en}: counted again, {fresh.due}",
            ),
            days=[deadline.due.isoformat(), fresh.due.isoformat()],
        )
        moved = {"generation": deadline.generation + 1, "breached": False, "derivation": [*fresh.derivation, step]}
        return fresh.model_copy(update=moved)
    explained = fresh.model_copy(update={"derivation": deadline.derivation})
    return deadline if explained == deadline else fresh


def carried(fired: Collection[str], old: Deadline, new: Deadline, ladder: Sequence[Rung]) -> set[str]:
    """Keys of the moved deadline's rungs that count as fired, because they fired before it moved.

    What tells of the due day itself or comes after it is armed again when that day had already come.
    """
    found: set[str] = set()
    ids = [(r.id, r.offset <= 0 or r.on_breach) for r in ladder]
    if old.legal_kind is LegalKind.NORM:
        ids.append(("chase", False))
    for rung, at_the_end in ids:
        if f"{old.id}:{old.generation}:{rung}" in fired and not at_the_end:
            found.add(f"{new.id}:{new.generation}:{rung}")
    return found
