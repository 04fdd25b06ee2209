"""Changes of the calendar: a year published as its notice says, one of its days set right, and what was known when.

Invariants: pure, and of `calendar.yaml` alone; `domain/policy_changes.py` lays them on. `said` is where a value
comes from.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, cast

from domain.calendar import days_of
from domain.policy import PolicyError, Texts, calendar_years
from domain.times import day_of
from schemas.policy import ChangeKind, PolicyChange

CALENDAR = "calendar.yaml"


def publish(loaded: dict[str, Any], change: PolicyChange, said: Mapping[str, Any]) -> None:
    """The year as its notice enumerates it, instead of the provisional one."""
    if not re.fullmatch(r"\d{4}", change.key):
        raise PolicyError(f"年份 {change.key} 无效。", f"{change.key} is no year.")
    unknown = sorted(set(change.new) - {"doc", "rest", "work", "names"})
    rest: Any = change.new.get("rest")
    work: Any = change.new.get("work") or []
    if unknown or not rest or not isinstance(rest, list) or not isinstance(work, list) or not change.new.get("doc"):
        raise PolicyError(
            "公布年份需要文号 doc、放假 rest 和调休 work。", "A published year needs doc, rest and work, nothing else."
        )
    year: dict[str, Any] = {
        "year": int(change.key),
        "doc": str(change.new["doc"]),
        "rest": [str(d) for d in cast("list[Any]", rest)],
        "work": [str(d) for d in cast("list[Any]", work)],
        "names": dict(change.new.get("names") or {}),
        **said,
    }
    years = [y for y in cast("list[dict[str, Any]]", loaded["years"]) if y["year"] != year["year"]]
    loaded["years"] = sorted([*years, year], key=lambda y: int(y["year"]))


def one_day(loaded: dict[str, Any], change: PolicyChange, said: Mapping[str, Any]) -> None:
    """One day of a published year becomes a rest day, a working day, or what its weekday makes it (plain)."""
    try:
        day = date.fromisoformat(change.key)
    except ValueError as error:
        raise PolicyError(f"日期 {change.key} 无效。", f"{change.key} is no date.") from error
    year = next((y for y in loaded["years"] if y["year"] == day.year and not y.get("provisional")), None)
    kind = change.new.get("kind")
    if year is None or kind not in ("rest", "work", "plain"):
        raise PolicyError(
            f"{day.year} 年尚未公布，或类别不是 rest、work、plain。",
            f"{day.year} is not published, or the kind is not rest, work or plain.",
        )
    names: dict[str, Any] = dict(year.get("names") or {})
    for group in ("rest", "work"):
        entries: list[str] = []
        for entry in cast("list[str]", year.get(group) or []):
            days = days_of(entry)
            if day not in days:
                entries.append(entry)
                continue
            pieces = _ranges([d for d in days if d < day]) + _ranges([d for d in days if d > day])
            name = names.pop(entry, None)
            names |= {p: name for p in pieces if name is not None}
            entries += pieces
        year[group] = entries
    if kind != "plain":
        year[kind] = sorted([*year[kind], day.isoformat()])
        if change.new.get("zh"):
            names[day.isoformat()] = {"zh": str(change.new["zh"]), "en": str(change.new.get("en") or change.new["zh"])}
    year["names"] = names
    amended = {k: v for k, v in said.items() if k != "source"}
    year.update(amended | {"source": f"{year.get('source') or year.get('doc')}；{change.source}"})


def _ranges(days: list[date]) -> list[str]:
    if not days:
        return []
    first, last = days[0].isoformat(), days[-1].isoformat()
    return [first if first == last else f"{first}/{last}"]


def refuse_unfit(texts: Texts, change: PolicyChange) -> None:
    """PolicyError for a change of the calendar that could be laid on and would not do what it is meant to: fields of a
    year leave it provisional, and a notice that leaves out a public holiday was not copied in full."""
    if change.file != CALENDAR:
        return
    if change.kind in (ChangeKind.ROW, ChangeKind.FIELDS) and change.key:
        raise PolicyError(
            "日历的年度不能逐项修改：尚未公布的年度请按放假通知整年录入（kind 为 year），"
            "已公布的年度请逐日更正（kind 为 day）。",
            "The fields of a calendar year are not changed one by one: enter the year as its notice says (kind year), "
            "or correct one day of a published year (kind day).",
            field="kind",
        )
    known = [y for y in calendar_years(texts) if change.kind is ChangeKind.YEAR and str(y.year) == change.key]
    rest: Any = change.new.get("rest")
    if not known or not isinstance(rest, list):
        return
    try:
        off = {d for entry in cast("list[Any]", rest) for d in days_of(str(entry))}
    except ValueError:
        return  # said with its place when the year is read
    names = {d: known[0].names.get(e) for e in known[0].public_holidays for d in days_of(e)}
    missing = {d: name for d, name in names.items() if d not in off}
    if missing:
        zh = "、".join(f"{d}（{n.zh}）" if n else str(d) for d, n in missing.items())
        en = ", ".join(f"{d} ({n.en})" if n else str(d) for d, n in missing.items())
        raise PolicyError(
            f"放假日期中没有法定节日 {zh}，请核对通知并补上。",
            f"Public holidays are not among the days off: {en}. Check the notice and add them.",
            field="rest",
        )


def calendar_known(changes: Sequence[PolicyChange], known_on: date) -> list[PolicyChange]:
    """The changes of the calendar that were known on a day, by their publication, or where they name none by the day
    on which they were applied. A day of a year that was not out then is not known either."""
    known: list[PolicyChange] = []
    not_out: set[str] = set()
    for change in changes:
        if change.file != CALENDAR:
            continue
        since = change.published_on or (day_of(change.applied_at) if change.applied_at is not None else date.min)
        if change.kind is ChangeKind.YEAR:
            (not_out.add if since > known_on else not_out.discard)(change.key)
        if since <= known_on and change.key[:4] not in not_out:
            known.append(change)
    return known
