"""Approved changes laid over the texts of the rules. Pure: texts and changes in, texts out.

Invariants: the shipped texts are never changed; a value with dates stays and a new one stands beside it, so that old
months are computed as before (an open row ends where the next of its kind begins; of two for one period the one
published later wins); changes are laid on in the order in which they were applied. What comes out is checked by
`domain.policy_findings` like a file that was shipped. A PolicyError says in both languages what is wrong with a change.
"""

import csv
import io
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, cast

import yaml

from domain.calendar_changes import CALENDAR, one_day, publish
from domain.policy import DEADLINES, PolicyError, Texts, load_mapping, text_of
from domain.table_files import UNREADABLE
from schemas.base import Text
from schemas.policy import ChangeKind, PolicyChange

IDENTITY = ("id", "code", "step", "year", "insurance", "country", "kind")
NO_NAMES = {"age_limits.yaml": ("step",)}  # there it is a number of births
PROVENANCE = ("source", "article", "confidence", "sample", "published_on", "review_by")
FROM_SETTINGS = {"agencies.yaml": ("mode",)}  # decided by the installation's settings, not by the rules
LAYOUT = ("columns",)  # lists whose items are no values of their own but parts of a form
WORDS = ("countries.csv", "provinces.csv", "glossary.csv", "sources.csv", "import_columns.yaml")  # no values of the law
_STEP = re.compile(r"([a-z_A-Z0-9]+)(?:\[([^\[\]]+)\])?")


class Misfit(PolicyError):
    """Applied changes that cannot be laid on the files as they are: one, or all of a file that cannot be read."""

    def __init__(self, text: Text, changes: Sequence[PolicyChange]) -> None:
        super().__init__(text.zh, text.en)
        self.changes = list(changes)


def effective(changes: Sequence[PolicyChange]) -> list[PolicyChange]:
    """The changes that are laid on: without those that were taken back, and without those that take back."""
    gone = {c.key for c in changes if c.kind is ChangeKind.REVOKE}
    return [c for c in changes if c.kind is not ChangeKind.REVOKE and str(c.id) not in gone]


def overlay(texts: Texts, changes: Sequence[PolicyChange]) -> dict[str, str]:
    """The texts with the changes laid on. Each file is read and written once, however many changes it has. PolicyError,
    a Misfit where it is not the fault of a change that is only proposed."""
    found = dict(texts)
    changes = effective(changes)
    for name in dict.fromkeys(c.file for c in changes):
        mine = [c for c in changes if c.file == name]
        if name.endswith(".csv"):
            for change in mine:
                with _named(change):
                    found[name] = _table(name, text_of(found, name), change)
        else:
            try:
                loaded = _own(load_mapping(found, name))
            except PolicyError as error:
                raise Misfit(error.text, mine) from error
            for change in mine:
                with _named(change):
                    _edit(name, loaded, change)
            found[name] = yaml.safe_dump(loaded, allow_unicode=True, sort_keys=False, width=1000)
    return found


def fitting(texts: Texts, changes: Sequence[PolicyChange]) -> tuple[dict[str, str], list[Misfit]]:
    """The texts with those changes laid on that can be, and what is wrong with the others."""
    left, misfits = effective(changes), list[Misfit]()
    while True:
        try:
            return overlay(texts, left), misfits
        except Misfit as misfit:
            misfits.append(misfit)
            left = [c for c in left if c not in misfit.changes]


@contextmanager
def _named(change: PolicyChange) -> Generator[None]:
    """A fault of an applied change says which one it is: the files may have been replaced by others since."""
    try:
        yield
    except (PolicyError, KeyError, TypeError, ValueError, AttributeError) as error:
        if change.applied_at is None:
            raise
        said = error.text if isinstance(error, PolicyError) else UNREADABLE
        text = Text(
            zh=f"已生效的第 {change.id} 号变更与规则文件不再相符：{said.zh}请撤销该变更。",
            en=f"Change {change.id}, which is applied, fits the files of the rules no more: {said.en} Take it back.",
        )
        raise Misfit(text, [change]) from error


def current(texts: Texts, change: PolicyChange) -> dict[str, Any] | None:
    """What stands now where the change goes: the entry, or the row that would be ended or replaced. JSON values."""
    if change.file.endswith(".csv"):
        rows = [r for r in _rows(text_of(texts, change.file)) if _same_row(change.file, r, change.new)]
        return max(rows, key=lambda r: (r.get("valid_from", ""), r.get("published_on", ""))) if rows else None
    loaded = _own(load_mapping(texts, change.file))
    if change.kind in (ChangeKind.YEAR, ChangeKind.DAY):
        year = int(change.key[:4])
        return plain(next((y for y in loaded["years"] if y["year"] == year), None))
    if change.kind is ChangeKind.ROW:
        items = _list_at(change.file, loaded, change.key)
        return plain(items[-1]) if items else None
    return plain(_entry(change.file, loaded, change.key))


# --- tables ----------------------------------------------------------------------------------------------------------


def columns(text: str) -> list[str]:
    """The heading of a table."""
    return next(csv.reader(io.StringIO(text)))


def key_columns(heading: Sequence[str]) -> list[str]:
    """What tells one row of a table from another, its dates apart."""
    for known in (("insurance", "scheme", "locality"), ("class",), ("year", "nominal_day"), ("year",)):
        if all(c in heading for c in known):
            return list(known)
    return [heading[0]]


def _rows(text: str) -> list[dict[str, str]]:
    return [{k: v or "" for k, v in row.items() if k} for row in csv.DictReader(io.StringIO(text))]


def _same_row(name: str, row: Mapping[str, str], new: Mapping[str, Any]) -> bool:
    del name
    return all(row[c] == str(new.get(c, "")) for c in key_columns(list(row)))


def _table(name: str, text: str, change: PolicyChange) -> str:
    if change.kind is not ChangeKind.ROW:
        raise PolicyError(f"{name} 只能增加数据行。", f"{name}: only rows can be added.")
    heading = columns(text)
    unknown = sorted(set(change.new) - set(heading))
    if unknown:
        raise PolicyError(f"{name} 没有列：{'、'.join(unknown)}。", f"{name} has no column {', '.join(unknown)}.")
    row = {c: _cell(change.new.get(c, "")) for c in heading} | {
        c: v for c, v in _provenance(change).items() if c in heading and not change.new.get(c)
    }
    rows = _rows(text)
    if "valid_from" not in heading:  # a value without dates is replaced; what was before stands in the change
        rows = [r for r in rows if not _same_row(name, r, row)]
    out = io.StringIO()
    writer = csv.DictWriter(out, heading, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, row])
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is not None and not isinstance(value, str | int):
        raise PolicyError(f"表格的值应为文字：{value!r}。", f"A cell of a table is text, not {value!r}.")
    return "" if value is None else str(value).strip()


def _provenance(change: PolicyChange) -> dict[str, str]:
    return {
        "source": change.source,
        "confidence": change.confidence,
        "sample": str(change.sample).lower(),
        "published_on": str(change.published_on or ""),
        "review_by": str(change.review_by or ""),
    }


# --- YAML files ------------------------------------------------------------------------------------------------------


def _edit(name: str, loaded: dict[str, Any], change: PolicyChange) -> None:
    if change.kind in (ChangeKind.YEAR, ChangeKind.DAY):
        if name != CALENDAR:
            raise PolicyError(f"{name} 不是日历文件。", f"{name} is no calendar.")
        (publish if change.kind is ChangeKind.YEAR else one_day)(loaded, change, _sourced(change))
    elif change.kind is ChangeKind.ROW:
        items = _list_at(name, loaded, change.key)
        example = items[-1] if items else {}
        known = {k for i in items for k in i} | set(PROVENANCE) | {"note", "doc"}
        item = _typed(name, change.new, example, known)
        ident = next((i for i in IDENTITY if i in item), None)
        if ident is not None and "valid_from" not in item and any(i.get(ident) == item[ident] for i in items):
            raise PolicyError(
                f"{name} 已有 {item[ident]}，请修改该项。", f"{name} has {item[ident]} already: change that entry."
            )
        items.append(item)
        _saying(name, loaded, change.key, item).update(_sourced(change))
    else:
        entry = _entry(name, loaded, change.key)
        from_a_day = name == DEADLINES and bool(change.new.get("valid_from"))
        if "valid_from" in entry and name != DEADLINES:
            raise PolicyError(
                f"{name}：{change.key} 按日期生效，请增加新的一行，旧值保留；更正录入错误的，"
                "新行的生效日期不变，公布日期填发现错误之日。",
                f"{name}: {change.key} holds from a date: add a row with its own date, the old one stays. To correct a "
                "wrong entry give the same date, and as day of publication the day on which it was noticed.",
            )
        siblings = _siblings(loaded, change.key)
        known = {k for s in siblings for k in s} | set(PROVENANCE) | {"note", "doc"}
        forbidden = sorted(set(change.new) & {*FROM_SETTINGS.get(name, ()), *(i for i in naming(name) if i in entry)})
        if forbidden or not change.new:
            raise PolicyError(
                f"{name}：{'、'.join(forbidden) or '（空）'} 不能在此修改。",
                f"{name}: {', '.join(forbidden) or 'nothing'} cannot be changed here.",
            )
        example = {k: s[k] for s in reversed(siblings) for k in s if s[k] is not None} | {
            k: v for k, v in entry.items() if v is not None
        }
        if from_a_day:  # what was in force stays for the events before that day
            rows, first = _list_at(name, loaded, change.key.rpartition("[")[0]), str(change.new["valid_from"])
            named = next(i for i in IDENTITY if i in entry)
            same = [r for r in rows if r[named] == entry[named] and str(r.get("valid_from")) == first]
            entry = max(same, key=_published, default=entry)
            if not same:
                entry = {k: v for k, v in entry.items() if k not in ("valid_to", "published_on", "review_by")}
                rows.append(entry)
            elif change.published_on is not None and str(change.published_on) > _published(entry):
                entry = dict(entry)  # what was known until then stays on record
                rows.append(entry)
            example |= {"valid_from": date.min, "valid_to": date.max}
            known |= {"valid_from", "valid_to"}
        entry.update(_typed(name, change.new, example, known))
        if not all(isinstance(v, dict) for v in entry.values()):
            _saying(name, loaded, change.key, entry).update(_sourced(change))


def _published(row: Mapping[str, Any]) -> str:
    return str(row.get("published_on") or "")


def _saying(name: str, loaded: dict[str, Any], key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """What says where an entry comes from: the entry itself; what surrounds it where it is a part of that, a column of
    a form (whose `source` is a field of the record) or a mapping that has nothing but lists."""
    path = key.split(".")
    while path and (path[-1].partition("[")[0] in LAYOUT or all(isinstance(v, list) for v in entry.values())):
        path.pop()
        entry = _entry(name, loaded, ".".join(path))
    return entry


def _sourced(change: PolicyChange) -> dict[str, Any]:
    found: dict[str, Any] = {"source": change.source, "confidence": change.confidence, "sample": change.sample}
    if change.published_on is not None:
        found["published_on"] = change.published_on
    if change.review_by is not None:
        found["review_by"] = change.review_by
    return found


def _entry(name: str, loaded: dict[str, Any], key: str) -> dict[str, Any]:
    """The mapping at "rules[DL-REG-FOR]", "male" or "medical.continuous"; "" is the file's own top."""
    node: Any = loaded
    for step in key.split(".") if key else []:
        match = _STEP.fullmatch(step)
        if match is None or not isinstance(node, dict) or match[1] not in node:
            raise _no_entry(name, key)
        node = cast("dict[str, Any]", node)[match[1]]
        if match[2] is not None:
            same = [i for n, i in enumerate(_mappings(node)) if match[2] == ident(i, n)]
            node = max(same, key=lambda i: (str(i.get("valid_from") or ""), _published(i)), default=None)  # the newest
    if not isinstance(node, dict):
        raise _no_entry(name, key)
    return cast("dict[str, Any]", node)


def _mappings(node: Any) -> list[dict[str, Any]]:
    """The mappings of a list; none when it is no list."""
    items = cast("list[Any]", node) if isinstance(node, list) else []
    return [cast("dict[str, Any]", i) for i in items if isinstance(i, dict)]


def naming(file: str) -> list[str]:
    """The fields by which an entry of the file is told from others: they stay as they are."""
    return [i for i in IDENTITY if i not in NO_NAMES.get(file, ())]


def ident(item: Mapping[str, Any], index: int) -> str:
    """What names an item of a list: its id, code, year…, the day from which it holds, or its place."""
    return next((str(item[i]) for i in (*IDENTITY, "valid_from") if i in item), str(index))


def _siblings(loaded: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """All entries of the list in which the entry stands; the entry alone where it stands in none."""
    if not key.endswith("]"):
        return [_entry("", loaded, key)]
    above, _, last = key.rpartition("[")
    del last
    head, _, name = above.rpartition(".")
    return _mappings(_entry("", loaded, head)[name])


def _list_at(name: str, loaded: dict[str, Any], key: str) -> list[dict[str, Any]]:
    head, _, last = key.rpartition(".")
    found: Any = _entry(name, loaded, head).get(last)
    if not isinstance(found, list) or len(_mappings(found)) != len(cast("list[Any]", found)):
        raise _no_entry(name, key)
    return cast("list[dict[str, Any]]", found)  # the list itself: it is added to


def _no_entry(name: str, key: str) -> PolicyError:
    return PolicyError(f"{name} 中没有 {key}。", f"{name} has no {key}.")


def _typed(name: str, new: Mapping[str, Any], example: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """The new values in the types that the file uses: "20" becomes 20 where the old value is a number."""
    unknown = sorted(set(new) - known)
    if unknown:
        raise PolicyError(f"{name} 没有字段 {'、'.join(unknown)}。", f"{name} has no field {', '.join(unknown)}.")
    return {k: _as(name, k, v, example.get(k)) for k, v in new.items()}


def _as(name: str, field: str, value: Any, example: Any) -> Any:
    wrong = PolicyError(
        f"{name}：{field} 的值 {value!r} 无效。", f"{name}: {value!r} is not a valid {field}.", field=field
    )
    if isinstance(value, float):
        raise PolicyError(
            f"{name}：{field} 请用带引号的数字。", f"{name}: write {field} as a quoted number, it is exact then."
        )
    if not isinstance(value, str):
        return value
    try:
        if isinstance(example, bool):
            return {"true": True, "false": False}[value]
        if isinstance(example, int):
            return int(value) if value else None
        if isinstance(example, date):
            return date.fromisoformat(value) if value else None
        if isinstance(example, list):
            return [part for part in re.split(r"[\s,，、]+", value) if part]
    except (KeyError, ValueError) as error:
        raise wrong from error
    return value


def _own(node: Any) -> Any:
    """The tree with nothing shared: YAML's anchors make one mapping of two places."""
    if isinstance(node, dict):
        return {k: _own(v) for k, v in cast("dict[Any, Any]", node).items()}
    if isinstance(node, list):
        return [_own(v) for v in cast("list[Any]", node)]
    return node


def plain(node: Any) -> Any:
    """The tree with dates as text, as JSON carries it."""
    if isinstance(node, dict):
        return {str(k): plain(v) for k, v in cast("dict[Any, Any]", node).items()}
    if isinstance(node, list):
        return [plain(v) for v in cast("list[Any]", node)]
    return node.isoformat() if isinstance(node, date) else node
