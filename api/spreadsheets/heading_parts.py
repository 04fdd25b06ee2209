"""Headings that stand in no list, read by their parts: 居留证到期日 is a residence permit and an end.

The words and what they mean together are data (`policies/import_columns.yaml`, `parts`). Invariants: a heading is read
only when every word of it is known, so 合同编号 is no date and 配偶姓名 is no name; where the parts fit several fields,
all of them are given and nothing is chosen.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import combinations, product
from typing import Any, cast

import yaml

import policies

Atoms = tuple[str, ...]
MAX_ATOMS = 40
WAGE = "monthly_wage"
_FILLERS, _MEANINGS = "fillers", "meanings"
_BRACKETS = re.compile(r"[(\[【〔]([^)\]】〕]*)[)\]】〕]")


@cache
def vocabulary() -> dict[str, Any]:
    """The data file of headings and words."""
    return cast("dict[str, Any]", yaml.safe_load(policies.path("import_columns.yaml").read_text(encoding="utf-8")))


def atoms(heading: str) -> Atoms:
    """What words are made of: each Chinese sign and sign of a currency, each run of Latin letters; other signs only
    separate."""
    text = unicodedata.normalize("NFKC", heading).lower()
    return tuple(re.findall(r"[a-z]+|\d+|[^\W\d_a-z]|[$€£¥₩₽฿₹]", text))


def outside_brackets(heading: str) -> str:
    """A heading without what stands in brackets."""
    return _BRACKETS.sub(" ", unicodedata.normalize("NFKC", heading))


def in_brackets_of(heading: str) -> list[str]:
    """What stands in the brackets of a heading, each pair by itself."""
    return [inside for inside in _BRACKETS.findall(unicodedata.normalize("NFKC", heading)) if inside.strip()]


@cache
def _words(in_brackets: bool = False) -> dict[Atoms, set[str]]:
    """Each word with the parts that it stands for; a filler stands for none (''), and so do in brackets the words that
    tell how to fill a column."""
    found: dict[Atoms, set[str]] = {}
    for part, words in vocabulary()["parts"].items():
        for word in words if part != _MEANINGS else ():
            found.setdefault(atoms(word), set()).add("" if part == _FILLERS else part)
    for word in vocabulary()["brackets"]["harmless"] if in_brackets else ():
        found.setdefault(atoms(word), set()).add("")
    return found


@cache
def _meanings() -> dict[frozenset[str], list[str]]:
    """Parts that together are a field, or several."""
    found: dict[frozenset[str], list[str]] = {}
    for field, wholes in vocabulary()["parts"][_MEANINGS].items():
        for whole in wholes.split("|"):
            needed = {part for part in whole.split() if not part.endswith("?")}
            optional = sorted(part[:-1] for part in whole.split() if part.endswith("?"))
            for size in range(len(optional) + 1):
                for extra in combinations(optional, size):
                    fields = found.setdefault(frozenset({*needed, *extra}), [])
                    if field not in fields:
                        fields.append(field)
    return found


def fields_of(heading: str) -> list[str]:
    """The fields that a heading means by its parts; [] when it has a word that is not known or means nothing."""
    return _fields_of_parts(cuts_of(heading))


def fields_with_brackets(heading: str) -> list[str]:
    """The fields that a heading means together with what its brackets say: 姓名(英文,必填). [] as `fields_of`."""
    insides = [cuts_of(inside, in_brackets=True) for inside in in_brackets_of(heading)]
    if not insides:
        return []
    choices = product(cuts_of(outside_brackets(heading)), *insides)
    return _fields_of_parts(frozenset[str]().union(*parts) for parts in choices)


def _fields_of_parts(wholes: Iterable[frozenset[str]]) -> list[str]:
    found: list[str] = []
    for parts in sorted(wholes, key=sorted):
        found += [*_meanings().get(parts, []), *([WAGE] if _is_wage(parts) else [])]
    return list(dict.fromkeys(found))


@cache
def money_tags() -> frozenset[str]:
    """Parts that say of amounts how they are meant: unit, currency, period, gross or net."""
    money = vocabulary()["money"]
    return frozenset({*money["factors"], *money["wrong"], *money["harmless"]})


def _is_wage(parts: frozenset[str]) -> bool:
    return WAGE in _meanings().get(parts - money_tags(), [])


def wage_parts_of(heading: str) -> list[frozenset[str]]:
    """The parts of each way to read a heading as a wage."""
    return [parts for parts in cuts_of(heading) if _is_wage(parts)]


def parts_in(text: str) -> set[str]:
    """All parts that some words of a text may stand for, known or not what the rest is."""
    signs = atoms(text)
    pieces = (signs[i:j] for i in range(len(signs)) for j in range(i + 1, len(signs) + 1))
    return {part for piece in pieces for part in _words().get(piece, ()) if part}


def cuts_of(text: str, *, in_brackets: bool = False) -> set[frozenset[str]]:
    """The parts of each way to cut a text into known words; none when it has a word that is not known."""
    signs = atoms(text)
    if not signs or len(signs) > MAX_ATOMS:
        return set()
    reached: list[set[frozenset[str]]] = [{frozenset()}, *(set[frozenset[str]]() for _ in signs)]
    for start, end, parts in _known(signs, in_brackets):
        for before in reached[start]:
            reached[end] |= {before | {part} if part else before for part in parts}
    return reached[-1]


@cache
def _longest(in_brackets: bool) -> int:
    return max(map(len, _words(in_brackets)))


def _known(signs: Atoms, in_brackets: bool) -> Iterator[tuple[int, int, set[str]]]:
    """Each known word of a heading with its place, by where it begins."""
    words, longest = _words(in_brackets), _longest(in_brackets)
    for start in range(len(signs)):
        for end in range(start + 1, min(start + longest, len(signs)) + 1):
            if parts := words.get(signs[start:end]):
                yield start, end, parts
