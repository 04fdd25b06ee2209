"""Colleges by name: the one that is meant, or a fault that offers the near ones."""

import difflib
import re
from dataclasses import dataclass

from api.spreadsheets.cells import CellFault, text_of
from api.spreadsheets.headings import normalise
from api.spreadsheets.reader import Cell


@dataclass(frozen=True)
class Unit:
    """A college as the reader needs it."""

    id: str
    zh: str
    en: str = ""


def find_unit(cell: Cell, units: list[Unit]) -> str:
    """The id of a college, by id or name.

    Errors: `CellFault` org_unit_unknown, which offers near names.
    """
    text = text_of(cell)
    key = normalise(text)
    for unit in units:
        if key in (normalise(unit.id), normalise(unit.zh), normalise(unit.en)) and key:
            return unit.id
    near = near_units(text, units)
    offer_zh = "、".join(u.zh for u in near)
    offer_en = ", ".join(u.en or u.zh for u in near)
    raise CellFault(
        "org_unit_unknown",
        f"系统中没有“{text}”。" + (f"是否应为：{offer_zh}？" if near else "请填写学院全称，或请系统管理员添加该学院。"),
        f"No college is called {text!r}. "
        + (f"Did you mean: {offer_en}?" if near else "Write its full name, or ask the administrator to add it."),
    )


def near_units(text: str, units: list[Unit], n: int = 3) -> list[Unit]:
    """Colleges whose name is near to what was typed, nearest first.

    All names end alike (学院), so stems are compared."""

    def stem(name: str) -> str:
        return re.sub(r"(学院|学部|系|college of|school of|college|school|department of)", "", name.lower()).strip()

    def likeness(unit: Unit) -> float:
        typed = stem(text)
        best = 0.0
        for name in (stem(unit.zh), stem(unit.en)):
            if name and typed:
                ratio = difflib.SequenceMatcher(None, typed, name).ratio()
                # An abbreviation leaves signs out but keeps their order: 外语 for 外国语.
                letters = iter(name)
                short = len(typed) > 1 and all(c in letters for c in typed)
                best = max(best, ratio, 0.9 if short else 0.0)
        return best

    ranked = sorted(((likeness(u), u) for u in units), key=lambda pair: -pair[0])
    return [u for score, u in ranked[:n] if score >= 0.4]
