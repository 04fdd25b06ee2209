"""A value as people say it, where a sentence about a row names it: 女, not `female`; a college by its name, not its id.

Must not be done here: compare. Values are compared as they are kept (`api/import_checks.differences`).
"""

from collections.abc import Iterable

from api.spreadsheets.cells import countries
from api.spreadsheets.headings import vocabulary
from api.spreadsheets.units import Unit
from schemas.base import Text

EMPTY = Text(zh="（空）", en="(empty)")


def value_words(name: str, value: str, units: Iterable[Unit]) -> Text:
    """The words for a field's value; a value that is its own word (dates, numbers, names) stays as it is."""
    if not value:
        return EMPTY
    if name in vocabulary()["choices"]:
        synonyms = vocabulary()["choices"][name].get(value, [value])
        return Text(zh=synonyms[0], en=value.replace("_", " ").lower())
    if name == "org_unit":
        unit = next((u for u in units if u.id == value), None)
        return Text(zh=unit.zh, en=unit.en or unit.zh) if unit else Text(zh=value, en=value)
    if name == "country" and value in countries():
        _, zh, en = countries()[value]
        return Text(zh=zh, en=en)
    return Text(zh=value, en=value)
