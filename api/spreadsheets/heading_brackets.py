"""What stands in the brackets of a heading: 必填 says nothing, 万元 is a unit, 配偶 makes it somebody else's column.

Invariant: no word in brackets that may change what a column means is dropped in silence. The words are data
(`policies/import_columns.yaml`, `brackets`).
"""

import re
from dataclasses import dataclass

from api.spreadsheets.heading_parts import (
    WAGE,
    cuts_of,
    in_brackets_of,
    money_tags,
    outside_brackets,
    parts_in,
    vocabulary,
)
from schemas.base import Text

DATES = {
    "birth",
    "id_expires",
    "permit_issued",
    "permit_expires",
    "residence_expires",
    "contract_start",
    "contract_end",
}
_SAYS_NO_MORE = {"date", "month", "held"}  # (日/月/年), (元/月), (有/无)
_DATE = re.compile(r"\d{4}[-/.年]?\d{1,2}[-/.月]?(?:\d{1,2}日?)?")


@dataclass(frozen=True)
class Brackets:
    """What brackets do to a heading: it means something else, is not read (why), or is read with a remark."""

    means_other: bool = False
    refusal: Text | None = None
    remark: Text | None = None


def brackets_of(heading: str, names: tuple[str, ...]) -> Brackets:
    """What the brackets of a heading do that means `names` without them."""
    found = [_one(inside.strip(), heading, names) for inside in in_brackets_of(heading)]
    return next(
        (b for b in sorted(found, key=lambda b: (b.means_other, b.refusal is not None), reverse=True)), Brackets()
    )


def _one(inside: str, heading: str, names: tuple[str, ...]) -> Brackets:
    outside = parts_in(outside_brackets(heading))
    says_no_more = _SAYS_NO_MORE | (money_tags() if WAGE in names else set())
    if _is_example(inside) or _lists_choices(inside, names) or _DATE.fullmatch(inside):
        return Brackets()
    if cuts := cuts_of(inside, in_brackets=True):
        return Brackets(means_other=not any(parts - says_no_more <= outside for parts in cuts))
    if _is_of_another(inside):
        return Brackets(means_other=True)
    if names and (WAGE in names or set(names) & DATES):
        return Brackets(refusal=_may_mean_more(heading, inside))
    return Brackets(means_other=not parts_in(inside) - says_no_more <= outside, remark=_not_understood(heading, inside))


def _is_example(inside: str) -> bool:
    return any(re.match(rf"{re.escape(word)}(?![a-z])", inside.lower()) for word in vocabulary()["brackets"]["example"])


def _lists_choices(inside: str, names: tuple[str, ...]) -> bool:
    """(男/女), (直聘、派遣): what may be written below."""
    choices = vocabulary()["choices"].get(names[0], {}) if len(names) == 1 else {}
    allowed = {word.lower() for value, words in choices.items() for word in (value, *words)}
    return bool(allowed) and all(word in allowed for word in re.split(r"[/、,;|或\s]+", inside.lower()) if word)


def _is_of_another(inside: str) -> bool:
    """Latin words count as wholes, Chinese ones wherever they stand."""
    latin = set(re.findall(r"[a-z]+", inside.lower()))
    words = vocabulary()["brackets"]["other"]
    return any(word in latin if word.isascii() else word in inside for word in words)


def _may_mean_more(heading: str, inside: str) -> Text:
    return Text(
        zh=f"列名“{heading}”括号中的“{inside}”没有读懂，可能改变该列的含义，没有读取。请删去括号，或写明含义。",
        en=f"Of the heading {heading!r} the words {inside!r} in brackets are not understood and may change what the "
        "column means; it was not read. Remove the brackets, or say what is meant.",
    )


def _not_understood(heading: str, inside: str) -> Text:
    return Text(
        zh=f"列名“{heading}”括号中的“{inside}”没有读懂，该列按括号外的列名读取，请核对。",
        en=f"Of the heading {heading!r} the words {inside!r} in brackets are not understood; the column was read by "
        "the words outside of them: please check.",
    )
