"""What is to be said about the rule files: broken rows, missing sources, samples, overdue reviews, and what rows mean
together (`domain/policy_series.py`).

Invariants: everything is found in one go and named by file and line; an error is a file that must not be used (`refuse`
raises the first), a warning is what a person should know. Nothing here reads a file or knows today's date.
"""

import csv
import io
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, cast

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from domain import policy_check, policy_series
from domain.calendar_changes import CALENDAR
from domain.policy import DEADLINES, LOADER, PolicyError, Texts, calendar_years, load_mapping
from domain.policy_changes import IDENTITY, LAYOUT, PROVENANCE, WORDS, ident, key_columns
from domain.policy_series import Finding, below, lines
from schemas.base import Text
from schemas.deadlines import LegalKind
from schemas.messages_of_fields import message_of
from schemas.policy_files import FILES, TABLES

# So long before the year begins its arrangement should be known.
AHEAD = timedelta(days=90)  # lint: allow law-number - when a warning begins, no rule


@dataclass(frozen=True)
class Value:
    """One value of the rules with what is said of it, its own or inherited from what surrounds it."""

    file: str
    key: str
    line: int
    fields: dict[str, Any]
    said: dict[str, Any]
    dated: bool  # it, or what surrounds it, has a date from which it holds
    stays: bool = False  # a row that nothing of its kind follows: it stays in use when it has ended


def check(texts: Texts, today: date) -> list[Finding]:
    """All findings: the errors, or the warnings where there is no error."""
    return errors(texts) or warnings(texts, today, texts)


def warnings(texts: Texts, today: date, names: Iterable[str]) -> list[Finding]:
    """What a person should know of these files, which have no error."""
    found: list[Finding] = []
    for name in sorted(names):
        found += _of_values(name, texts, today)
        if name == CALENDAR:
            found += _calendar(texts, today)
        found += policy_series.warnings(name, texts)
    return found


def errors(texts: Texts) -> list[Finding]:
    """What makes the files unusable."""
    return next(filter(None, _stages(texts)), list[Finding]())


def worse(before: Texts, after: Texts) -> list[Finding]:
    """The errors that are in `after` and were not in `before`. What stands behind an error could not be seen, and is
    no new one when it shows."""
    for old, new in zip(_stages(before), _stages(after), strict=True):
        there = {(f.file, f.text.en) for f in old}
        added = [f for f in new if (f.file, f.text.en) not in there]
        if added or old:
            return added
    return []


def _stages(texts: Texts) -> Iterator[list[Finding]]:
    """The errors in the order in which they can be looked for: the next may be asked for where one found none."""
    names = sorted(texts)
    yield [f for n in names for f in (_table(n, texts[n]) if n.endswith(".csv") else _file(n, texts))]
    yield [f for n in names for f in (*_sources(n, texts), *policy_series.errors(n, texts))]
    try:
        policy_check.check_all(texts)
        across = list(policy_series.across(texts))
    except PolicyError as error:
        across = [_of_error(error)]
    yield across


def _of_error(error: PolicyError) -> Finding:
    """The finding of an error whose sentence names the file, and the line where it begins with it."""
    named = re.search(r"(?P<file>\w+\.(?:yaml|csv))(?::(?P<line>\d+))?", error.text.en)
    file, line = (named["file"], named["line"]) if named else ("", None)
    place = f"{file}:{line}" if line else file
    said = Text(
        zh=error.text.zh.removeprefix(place).lstrip(" ，：,"), en=error.text.en.removeprefix(place).lstrip(" :,")
    )
    return Finding("error", "schema", file, int(line) if line else None, said)


@contextmanager
def in_words(texts: Texts) -> Generator[None]:
    """While texts are parsed: a fault that the parser trips over is said in the words of `errors`. PolicyError."""
    try:
        yield
    except PolicyError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError, csv.Error):
        refuse(texts)
        raise


def refuse(texts: Texts) -> None:
    """PolicyError with the first error, where there is one."""
    for finding in errors(texts)[:1]:
        raise PolicyError(f"{finding.place} {finding.text.zh}", f"{finding.place}: {finding.text.en}")


def values(name: str, texts: Texts) -> list[Value]:
    """Every value of a file: the rows of a table, the entries of a YAML file that hold more than words."""
    if name.endswith(".csv"):
        found: list[Value] = []
        kinds: list[str] = []
        last: dict[str, str] = {}
        for line, row in lines(texts[name]):
            said = {k: row[k] for k in ("valid_from", "valid_to", *PROVENANCE) if k in row}
            fields = {k: v for k, v in row.items() if k not in said}
            keys = [row[c] for c in key_columns(list(row))]
            dates = [row["valid_from"]] if "valid_from" in row else []
            kinds.append(" ".join(keys))
            last[kinds[-1]] = max([last.get(kinds[-1], ""), *dates])
            found.append(Value(name, " ".join(keys + dates), line, fields, said, bool(dates)))
        return [
            replace(v, stays=v.dated and last[kind] == v.said["valid_from"])
            for v, kind in zip(found, kinds, strict=True)
        ]
    loaded = load_mapping(texts, name)
    node = yaml.compose(texts[name], Loader=LOADER)
    return list(_entries(name, "", loaded, node, {}, dated=False))


def _entries(
    name: str, key: str, entry: Mapping[str, Any], node: Any, above: Mapping[str, Any], *, dated: bool
) -> Iterator[Value]:
    said = {**above, **{k: entry[k] for k in ("valid_from", "valid_to", *PROVENANCE) if k in entry}}
    dated = dated or "valid_from" in entry
    fields: dict[str, Any] = {}
    for field, value in entry.items():
        if field in ("valid_from", "valid_to", *PROVENANCE):
            continue
        under = below(node, field)
        path = f"{key}.{field}" if key else str(field)
        if isinstance(value, dict) and (not key or _says_something(value)):
            yield from _entries(name, path, cast("dict[str, Any]", value), under, said, dated=dated)
        elif _is_entries(field, value):
            items = cast("list[dict[str, Any]]", value)
            for index, item in enumerate(items):
                address = f"{path}[{ident(item, index)}]"
                yield from _entries(name, address, item, below(under, index), said, dated=dated)
        else:
            fields[str(field)] = value
    if fields:
        yield Value(name, key, node.start_mark.line + 1 if node is not None else 0, fields, said, dated)


def _says_something(value: Any) -> bool:
    """Whether a mapping inside an entry is a value of its own: it, or something in it, has a source or dates."""
    if isinstance(value, list):
        return any(_says_something(v) for v in cast("list[Any]", value))
    if not isinstance(value, dict):
        return False
    mapping = cast("dict[str, Any]", value)
    return bool({"valid_from", *PROVENANCE, *IDENTITY} & set(mapping)) or any(map(_says_something, mapping.values()))


def _is_entries(field: str, value: Any) -> bool:
    """Whether a list holds values of their own; the columns of a form are its layout."""
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return field not in LAYOUT and bool(items) and all(isinstance(i, dict) for i in items) and _says_something(items)


# --- one file --------------------------------------------------------------------------------------------------------


def _file(name: str, texts: Texts) -> list[Finding]:
    try:
        loaded = load_mapping(texts, name)
    except PolicyError as error:
        return [Finding("error", "schema", name, None, error.text)]
    try:
        FILES[name].model_validate(loaded)
    except ValidationError as error:
        node = yaml.compose(texts[name], Loader=LOADER)
        return [_broken(name, _line_of(node, e["loc"]), e) for e in error.errors()]
    return []


def _line_of(node: Any, where: tuple[Any, ...]) -> int:
    line = node.start_mark.line + 1
    for step in where:
        node = below(node, step)
        if node is None:
            break
        line = node.start_mark.line + 1
    return line


def _broken(name: str, line: int, error: ErrorDetails) -> Finding:
    place, said = ".".join(str(p) for p in error["loc"] if p != "[key]"), message_of(error)
    if not place:  # the file or the row as a whole
        return Finding("error", "schema", name, line, said)
    return Finding("error", "schema", name, line, Text(zh=f"{place} 有误：{said.zh}", en=f"{place}: {said.en}"))


def _table(name: str, text: str) -> list[Finding]:
    model = TABLES[name]
    found: list[Finding] = []
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        if None in row or None in row.values():
            said = Text(zh="列数与表头不符", en="the number of columns differs from the heading")
            found.append(Finding("error", "schema", name, reader.line_num, said))
        else:
            found += _row(name, reader.line_num, model, row)
    if reader.line_num < 2:
        found.append(Finding("error", "schema", name, None, Text(zh="没有数据行", en="there are no rows")))
    return found


def _row(name: str, line: int, model: type[BaseModel], row: Mapping[str, str]) -> list[Finding]:
    try:
        model.model_validate(row)
    except ValidationError as error:
        return [_broken(name, line, e) for e in error.errors()]
    return []


# --- what values say of themselves -----------------------------------------------------------------------------------


def _sources(name: str, texts: Texts) -> list[Finding]:
    found: list[Finding] = []
    for value in values(name, texts) if name not in WORDS else ():
        if not value.said.get("source"):
            key = value.key or name
            said = Text(zh=f"{key} 没有来源 source", en=f"{key} has no source")
            found.append(Finding("error", "source", name, value.line, said))
        if "uncertain" in str(value.said.get("confidence", "")) and not is_sample(value):
            said = Text(
                zh=f"{value.key} 不确定（uncertain），须标为示例 sample",
                en=f"{value.key} is uncertain and must be marked sample",
            )
            found.append(Finding("error", "unmarked", name, value.line, said))
    return found


def is_sample(value: Value) -> bool:
    """Whether the value is an example that the school has not confirmed."""
    return str(value.said.get("sample", "")).lower() == "true"


def _of_values(name: str, texts: Texts, today: date) -> list[Finding]:
    found: list[Finding] = []
    if name in WORDS:
        return found
    samples: list[Value] = []
    silent: list[Value] = []
    for value in values(name, texts):
        by = review_day(value)
        if review_overdue(value, today):
            said = Text(zh=f"{value.key or name} 应于 {by} 前复核", en=f"{value.key or name}: to be reviewed by {by}")
            found.append(Finding("warning", "review", name, value.line, said))
        if is_sample(value) and not _ended(value, today):
            samples.append(value)
        if unpublished(value) and not _ended(value, today):
            silent.append(value)
    if samples:
        keys = _first_keys(samples)
        said = Text(
            zh=f"{len(samples)} 个示例值在用：{keys}",
            en=f"{len(samples)} sample values in use: {keys.replace('、', ', ')}",
        )
        found.append(Finding("warning", "sample", name, samples[0].line, said))
    if silent:
        keys = _first_keys(silent)
        zh, en = (
            ("一直已知", "always known") if name == CALENDAR else ("生效之日起已知", "known from the day they hold")
        )
        said = Text(
            zh=f"{len(silent)} 个在用值的来源没有写明公布日期，按{zh}处理：{keys}",
            en=f"the sources of {len(silent)} values in use name no day of publication, they are taken as {en}: "
            f"{keys.replace('、', ', ')}",
        )
        found.append(Finding("warning", "unpublished", name, silent[0].line, said))
    return found


def _first_keys(found: list[Value]) -> str:
    return "、".join(v.key or v.file for v in found[:8]) + ("…" if len(found) > 8 else "")


def unpublished(value: Value) -> bool:
    """Whether the value is one that a notice brings (a limit, a rate, a year's holidays, a deadline that is not the
    school's own) and its source names no day of publication."""
    if value.file == DEADLINES:
        noticed = value.fields.get("legal_kind", LegalKind.INTERNAL) != LegalKind.INTERNAL
    elif value.file == CALENDAR:
        noticed = not value.fields.get("provisional")
    else:
        noticed = "published_on" in value.said and value.file.endswith(".csv")
    return noticed and not value.said.get("published_on")


def review_day(value: Value) -> date | None:
    """The day by which the value must be looked at again."""
    text = str(value.said.get("review_by") or "")
    return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None


def review_overdue(value: Value, today: date) -> bool:
    """Whether the value is in use past the day by which it had to be looked at again."""
    by = review_day(value)
    return by is not None and by < today and not _ended(value, today)


def stem(value: Value) -> str:
    """The key without the day from which it holds: the same for all rows that tell one thing for different dates."""
    day = str(value.said.get("valid_from") or "")
    return value.key.replace(f"[{day}]", "[]") if "[" in value.key else value.key.removesuffix(day).rstrip()


def _ended(value: Value, today: date) -> bool:
    """Whether the value is out of use: it has ended and another of its kind has followed."""
    end = str(value.said.get("valid_to") or "")
    return bool(end) and date.fromisoformat(end) < today and not value.stays


def _calendar(texts: Texts, today: date) -> list[Finding]:
    """Years that have begun or soon begin, and whose arrangement is not in."""
    published = {y.year for y in calendar_years(texts) if not y.provisional}
    found: list[Finding] = []
    for year in range(today.year, (today + AHEAD).year + 1):
        if year not in published:
            said = Text(
                zh=f"{year} 年放假安排尚未录入，该年的期限为暂定",
                en=f"the arrangement of {year} is not in: its deadlines are provisional",
            )
            found.append(Finding("warning", "calendar", CALENDAR, None, said))
    return found
