"""What the rows of one rule file mean together: overlaps, gaps, doubled rows, missing years, impossible filing days.

Invariants: of two rows of one key and first day the one published later is a correction and wins (both stay); any other
overlap is said. In a list of a YAML file the correction stands below what it corrects; without a later publication it
would be chance which of the two held. One row alone is checked by `schemas/policy_files.py`, all files by
`domain/policy_findings.py`.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, cast

import yaml

from domain.calendar import work_calendar
from domain.calendar_changes import CALENDAR
from domain.policy import DEADLINES, LOADER, Texts, calendars, load_mapping
from domain.policy_changes import IDENTITY, key_columns
from domain.times import first_day
from schemas.base import Text

FILING, TREATIES = "tax_filing_due.csv", "treaties.yaml"
# What makes two rows the same is said in `domain/policy.py` for the first two; a form has many words for one insurance.
_OTHERWISE = (DEADLINES, "authority_days.yaml", "agency_forms.yaml")
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Finding:
    """`level`: error or warning. `kind`: schema, overlap, doubled, gap, country, filing, source, unmarked, review,
    sample, unpublished, calendar."""

    level: str
    kind: str
    file: str
    line: int | None
    text: Text

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


def errors(name: str, texts: Texts) -> list[Finding]:
    """What no reader of the file could decide."""
    if not name.endswith(".csv"):
        found = [] if name in _OTHERWISE else list(_twice(name, load_mapping(texts, name), _root(name, texts)))
        if name == CALENDAR:
            years = [(int(y["year"]), line) for y, line in _items(name, texts, "years")]
            found += _missing_years(name, "", years)
        return [*found, *(f for f in _periods(name, texts) if f.level == "error")]
    rows = list(lines(texts[name]))
    if not rows or "valid_from" in rows[0][1]:
        return [f for f in _periods(name, texts) if f.level == "error"]
    return _undated(name, rows)


def warnings(name: str, texts: Texts) -> list[Finding]:
    """What holds, but should be known."""
    found = [f for f in _periods(name, texts) if f.level == "warning"]
    return found + _classes(name, texts[name]) if name.endswith(".csv") else found


def across(texts: Texts) -> list[Finding]:
    """Errors of rows that do not fit what another file says. The files must be readable."""
    return [*_countries(texts), *_filing_days(texts)]


def lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with their line."""
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        yield reader.line_num, {k: v or "" for k, v in row.items() if k}


def below(node: Any, step: Any) -> Any:
    """The YAML node below another, by key or index; None where there is none."""
    if isinstance(node, yaml.MappingNode):
        return next((v for k, v in node.value if getattr(k, "value", None) == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None


def _root(name: str, texts: Texts) -> Any:
    return yaml.compose(texts[name], Loader=LOADER)


def _items(name: str, texts: Texts, key: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The entries of a list of a YAML file with their line."""
    node = below(_root(name, texts), key)
    for index, item in enumerate(load_mapping(texts, name)[key]):
        yield item, below(node, index).start_mark.line + 1


# --- the same row twice, a year left out -----------------------------------------------------------------------------


def _twice(name: str, loaded: Any, node: Any, path: str = "") -> Iterator[Finding]:
    """Rows of a list that are the same thing, or the same thing from the same day and no later correction, at any
    depth."""
    if isinstance(loaded, dict):
        for key, value in cast("dict[str, Any]", loaded).items():
            yield from _twice(name, value, below(node, key), f"{path}.{key}" if path else str(key))
    if not isinstance(loaded, list):
        return
    seen: dict[tuple[str, str], str] = {}
    for index, item in enumerate(cast("list[Any]", loaded)):
        yield from _twice(name, item, below(node, index), path)
        if not isinstance(item, dict):
            continue
        row = cast("dict[str, Any]", item)
        who = next((str(row[i]) for i in IDENTITY if i in row), "")
        start = str(row.get("valid_from") or "")
        published = str(row.get("published_on") or "")
        before = seen.get((who, start))
        if before is not None and (who or start) and not (start and published > before):
            yield _same(name, below(node, index).start_mark.line + 1, f"{path} {who}".strip(), start)
        seen[who, start] = max(published, before or "")


def _same(name: str, line: int, what: str, start: str) -> Finding:
    if not start:
        said = Text(zh=f"{what} 重复，只能有一项", en=f"{what} occurs twice: keep one of them")
        return Finding("error", "doubled", name, line, said)
    said = Text(
        zh=f"{name} 的 {what} 已有自 {start} 起生效的一行，新行不会起作用：新规定请填写另一个生效日期；"
        "更正原来那一行，请填写比它更晚的公布日期（录入错误的，填发现错误之日）",
        en=f"{what} of {name} has a row from {start} already, another would have no effect: give another first day, or "
        "to correct that row a later day of publication (of a wrong entry the day on which it was noticed)",
    )
    return Finding("error", "overlap", name, line, said)


def _undated(name: str, rows: list[tuple[int, dict[str, str]]]) -> list[Finding]:
    found: list[Finding] = []
    seen: set[str] = set()
    years: dict[str, list[tuple[int, int]]] = {}
    for line, row in rows:
        columns = key_columns(list(row))
        key = "/".join(row[c] for c in columns)
        if key in seen:
            found.append(_same(name, line, key, ""))
        seen.add(key)
        if "year" in row:
            rest = "/".join(row[c] for c in columns if c != "year")
            years.setdefault(rest, []).append((int(row["year"]), line))
    for key, of_key in years.items():
        found += _missing_years(name, key, of_key)
    return found


def _missing_years(name: str, key: str, years: list[tuple[int, int]]) -> list[Finding]:
    """The years between the first and the last that are not there, said at the year that follows."""
    known = sorted(years)
    found: list[Finding] = []
    for (before, _), (after, line) in pairwise(known):
        for year in range(before + 1, after):
            said = Text(
                zh=f"{key} 缺少 {year} 年，前后年份都有：请先录入该年".lstrip(),
                en=f"{key} lacks {year} between {before} and {after}: enter that year first".lstrip(),
            )
            found.append(Finding("error", "gap", name, line, said))
    return found


def _classes(name: str, text: str) -> list[Finding]:
    """Risk classes that a set of rates leaves out: what was in force before would go on for them."""
    sets: dict[str, dict[str, int]] = {}
    for line, row in lines(text):
        if "class" in row:
            sets.setdefault(row["valid_from"], {})[row["class"]] = line
    every = {c for known in sets.values() for c in known}
    found: list[Finding] = []
    for start, known in sets.items():
        missing = sorted(every - set(known), key=int)
        if missing:
            said = Text(
                zh=f"自 {start} 起的费率缺少类别 {'、'.join(missing)}",
                en=f"the rates from {start} lack class {', '.join(missing)}",
            )
            found.append(Finding("warning", "gap", name, max(known.values()), said))
    return found


# --- periods ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Period:
    line: int
    start: date
    end: date | None
    published: str

    @property
    def known(self) -> str:
        return self.published or self.start.isoformat()


def _periods(name: str, texts: Texts) -> list[Finding]:
    """Overlaps and gaps of the rows of one key; an open row ends where the next one begins."""
    groups: dict[str, list[_Period]] = {}
    for rule, line in _items(name, texts, "rules") if name == DEADLINES else ():
        published = str(rule.get("published_on") or "")
        period = _Period(line, rule.get("valid_from") or date.min, rule.get("valid_to"), published)
        groups.setdefault(f"rules[{rule['id']}]", []).append(period)
    for line, row in lines(texts[name]) if name.endswith(".csv") else ():
        if "valid_from" not in row:
            continue
        key = "/".join(row[c] for c in key_columns(list(row)))
        start, end = date.fromisoformat(row["valid_from"]), row["valid_to"]
        period = _Period(line, start, date.fromisoformat(end) if end else None, row.get("published_on", ""))
        groups.setdefault(key, []).append(period)
    found: list[Finding] = []
    for key, rows in groups.items():
        rows.sort(key=lambda p: (p.start, p.line))
        found += [*_overlaps(name, key, rows), *_gaps(name, key, rows)]
    return found


def _overlaps(name: str, key: str, rows: list[_Period]) -> list[Finding]:
    found: list[Finding] = []
    for i, first in enumerate(rows):
        for later in rows[i + 1 :]:
            ended_by_the_next = first.end is None and later.start > first.start
            if ended_by_the_next or (first.end is not None and later.start > first.end):
                continue
            if first.published == later.published:
                said = Text(
                    zh=f"{key} 与第 {first.line} 行有效期重叠（{later.start} 起），且公布日期相同",
                    en=f"{key} overlaps line {first.line} from {later.start} on, published on the same day",
                )
                found.append(Finding("error", "overlap", name, later.line, said))
            elif first.start == later.start:
                continue  # the same period published again: a correction
            elif first.known > later.known:
                said = Text(
                    zh=f"{key} 的有效期（{first.start} 起）与第 {later.line} 行重叠，后者自 {later.start} 起、"
                    "公布在前，会被取代：更正过去的值请按原来的起始日期逐段录入",
                    en=f"{key} from {first.start} overlaps line {later.line}, which begins on {later.start}, was "
                    "published before and would be replaced: correct old values by a row for each of their first days",
                )
                found.append(Finding("error", "overlap", name, first.line, said))
            else:
                said = Text(
                    zh=f"{key} 自 {later.start} 起与第 {first.line} 行重叠，该行有效期至 {first.end}：以后公布的为准",
                    en=f"{key} overlaps line {first.line} from {later.start} on, which holds until {first.end}: "
                    "what was published later counts",
                )
                found.append(Finding("warning", "overlap", name, later.line, said))
    return found


def _gaps(name: str, key: str, rows: list[_Period]) -> list[Finding]:
    found: list[Finding] = []
    reached = rows[0].end or date.max
    for row in rows[1:]:
        if reached < date.max and row.start > reached + _DAY:
            gap = f"{reached + _DAY}–{row.start - _DAY}"
            said = Text(zh=f"{key} 在 {gap} 没有数据", en=f"{key} has nothing for {gap}")
            found.append(Finding("warning", "gap", name, row.line, said))
        ends = row.end or date.max
        reached = ends if reached == date.max else max(reached, ends)
    return found


# --- against another file --------------------------------------------------------------------------------------------


def _countries(texts: Texts) -> list[Finding]:
    known = {row["alpha3"] for _, row in lines(texts["countries.csv"])}
    found: list[Finding] = []
    for treaty, line in _items(TREATIES, texts, "treaties"):
        code = str(treaty["country"])
        if code not in known:
            said = Text(
                zh=f"国家代码 {code} 不在 countries.csv 中，请核对",
                en=f"the country {code} is not in countries.csv: check the code",
            )
            found.append(Finding("error", "country", TREATIES, line, said))
    return found


def _filing_days(texts: Texts) -> list[Finding]:
    """Filing days that no shift gives (征管法实施细则 art. 109): before the nominal day, on a rest day, later than the
    next working day; after a long holiday in the month, later than all rest days of the month could move it."""
    calendar = work_calendar(calendars(texts)[0]).statutory
    long = calendar.extending_rest_days
    found: list[Finding] = []
    for line, row in lines(texts[FILING]):
        for month in range(1, 13):
            begins = first_day(f"{row['year']}-{month:02d}")
            nominal, day = (begins.replace(day=int(row[c])) for c in ("nominal_day", f"m{month:02d}"))
            fault = (
                Text(zh=f"早于应申报日 {nominal}", en=f"before its nominal day {nominal}") if day < nominal else None
            )
            if fault is None and calendar.is_published(begins.year):
                latest = calendar.next_working_day(nominal, include_self=True)
                if long is not None and any(len(b) >= long for b in calendar.holiday_blocks(begins, nominal)):
                    latest = nominal + len(calendar.rest_days_between(begins, day)) * _DAY
                if calendar.is_rest(day):
                    fault = Text(zh="为休息日", en="a rest day")
                elif day > latest:
                    fault = Text(zh=f"晚于顺延最多能到的 {latest}", en=f"later than any shift gives ({latest})")
            if fault is not None:
                said = Text(zh=f"申报期限 {day} {fault.zh}，请核对", en=f"the filing day {day} is {fault.en}: check it")
                found.append(Finding("error", "filing", FILING, line, said))
    return found
