"""Rules of deadlines by date: the event decides which one is in force, the day of knowledge which one is known."""

from datetime import date

import pytest

import policies
from domain import policy, policy_findings
from domain.benefit_tables import retirement_rules
from domain.deadlines import compute
from domain.policy import PolicyError
from domain.policy_changes import current, overlay
from domain.recount import recounted
from domain.retirement import choose, retirement
from schemas.base import Text
from schemas.deadlines import PolicySnapshot
from schemas.policy import ChangeKind, PolicyChange

TEXTS = policies.read_all()
RULE = "DL-REG-FOR"


def changed(**new: str) -> PolicyChange:
    return PolicyChange(
        file="deadlines.yaml", kind=ChangeKind.FIELDS, key=f"rules[{RULE}]", new=new, source="试验文件",
        published_on=date(2026, 11, 20),
    )  # fmt: skip


def laid(*changes: PolicyChange) -> dict[str, str]:
    texts = overlay(TEXTS, changes)
    policy_findings.refuse(texts)
    return texts


def snapshot(*changes: PolicyChange) -> PolicySnapshot:
    return policy.snapshot(laid(*changes))


def test_the_event_decides_and_the_old_rule_stays() -> None:
    new = snapshot(changed(n="20", valid_from="2027-01-01"))
    assert [r.n for r in new.rules if r.id == RULE] == [30, 20]
    assert [new.rule(RULE, d).n for d in (date(2026, 12, 31), date(2027, 1, 1), "2026-12", "2027-01")] == [
        30,
        20,
        30,
        20,
    ]
    assert new.rule(RULE).n == 20
    assert new.rule(RULE, date(2026, 12, 31)) == policy.snapshot(TEXTS).rule(RULE)
    assert new.rule(RULE, date(2001, 1, 1)).n == 30  # a running case never stands without a rule


def test_what_was_not_published_yet_was_not_known() -> None:
    new = snapshot(changed(n="20", valid_from="2026-10-01"))
    event = date(2026, 10, 5)
    known = {d: new.rule_known(RULE, event, date.fromisoformat(d)) for d in ("2026-11-19", "2026-11-20", "2011-01-01")}
    assert {d: r and r.n for d, r in known.items()} == {"2026-11-19": 30, "2026-11-20": 20, "2011-01-01": None}
    assert new.rule_known(RULE, date(2011, 10, 14), date(2026, 11, 24)) is None


def test_a_third_change_stands_beside_the_second_and_a_correction_has_no_day() -> None:
    third = changed(n="10", valid_from="2028-01-01")
    new = snapshot(changed(n="20", valid_from="2027-01-01"), third)
    assert [new.rule(RULE, date(y, 6, 1)).n for y in (2026, 2027, 2028)] == [30, 20, 10]
    corrected = snapshot(changed(n="25"))
    assert [r.n for r in corrected.rules if r.id == RULE] == [25]


def test_a_case_that_takes_the_rules_over_goes_by_those_of_its_event() -> None:
    old = policy.snapshot(TEXTS)
    for day, n in ((date(2026, 12, 1), 30), (date(2027, 1, 5), 20)):
        held = compute(old.rule(RULE), day, old, remaining_steps=[])
        after = recounted(
            held, snapshot(changed(n="20", valid_from="2027-01-01")), rules=True, why=Text(zh="试", en="try")
        )
        assert (after.due - day).days == n


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((changed(n="20", valid_from="2027-01-01", valid_to="2026-12-31"),), "ends before"),
        ((changed(n="20", valid_from="soon"),), "valid_from"),
        ((changed(n="20", valid_from="2027-01-01", anchor="entry"),), "different events"),
        (
            (changed(n="20", valid_from="2027-01-01", valid_to="2027-12-31"), changed(n="9", valid_from="2027-06-01")),
            "overlaps",
        ),
    ],
)
def test_nonsense_is_refused(changes: tuple[PolicyChange, ...], says: str) -> None:
    with pytest.raises(PolicyError) as refused:
        laid(*changes)
    assert says in refused.value.text.en and refused.value.text.zh


def test_a_gap_is_said() -> None:
    texts = laid(
        changed(n="20", valid_from="2027-01-01", valid_to="2027-12-31"), changed(n="9", valid_from="2028-02-01")
    )
    found = [f for f in policy_findings.warnings(texts, date(2026, 11, 24), ["deadlines.yaml"]) if f.kind == "gap"]
    assert ["2028-01-01–2028-01-31" in f.text.en for f in found] == [True]
    assert not [f for f in policy_findings.warnings(TEXTS, date(2026, 11, 24), ["deadlines.yaml"]) if f.kind == "gap"]


def test_the_notice_of_early_retirement_goes_by_the_month_chosen() -> None:
    longer = PolicyChange(
        file="deadlines.yaml", kind=ChangeKind.FIELDS, key="rules[DL-RET-EARLY]",
        new={"n": "-6", "valid_from": "2028-01-01"}, source="试验文件", published_on=date(2026, 11, 20),
    )  # fmt: skip
    rules = retirement_rules(laid(longer))
    found = retirement("1967-06", rules.groups["male60"], rules)
    notice = {m: choose(found, m, rules).notice_no_later_than for m in ("2027-12", "2028-01")}
    assert notice == {"2027-12": "2027-09", "2028-01": "2027-07"}


@pytest.mark.parametrize(
    ("file", "kind", "key", "new"),
    [
        ("materials.yaml", "fields", "checklists.FOREIGN_WORK_PERMIT[M06]", {"required": True}),
        ("materials.yaml", "row", "checklists.FOREIGN_WORK_PERMIT", {"code": "M31", "required": "true"}),
        ("procedures.yaml", "row", "procedures[work_injury].documents", {"code": "M31", "required": "true"}),
        ("agency_forms.yaml", "row", "bills.tax_office.insurances", {"word": "年金", "insurance": "annuity"}),
    ],
)
def test_a_change_of_a_list_brings_its_source(file: str, kind: str, key: str, new: dict[str, object]) -> None:
    change = PolicyChange(
        file=file, kind=ChangeKind(kind), key=key, new=new, source="试验文件", published_on=date(2026, 11, 20)
    )
    assert "试验文件" in laid(change)[file]


def test_of_two_corrections_of_one_limit_the_later_one_stands() -> None:
    row = {
        "scheme": "enterprise",
        "insurance": "pension",
        "locality": "SC",
        "valid_from": "2026-01-01",
        "floor": "4600",
    }
    older = PolicyChange(
        file="contribution_limits.csv", kind=ChangeKind.ROW, key="", new=row, source="a", published_on=date(2026, 11, 1)
    )
    newer = older.model_copy(update={"new": {**row, "floor": "4500"}, "published_on": date(2026, 11, 20)})
    texts = {**TEXTS, "contribution_limits.csv": TEXTS["contribution_limits.csv"].splitlines()[0] + "\n"}
    found = current(overlay(texts, [older, newer]), newer)
    assert found is not None and found["floor"] == "4500"
