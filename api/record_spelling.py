"""The one spelling in which numbers and addresses of a record are kept, however they come: by file, as a single person,
or in a task's form.

Invariants: the readers are those of a spreadsheet's cells, or the same person would have two numbers; what has no
spelling of its own is left as typed and said. Must not be done here: judging the record (`domain/enrolment_checks.py`).
"""

from typing import Any

from api.spreadsheets.cells import CellFault, parse_email, parse_number_text, parse_phone
from schemas.base import Text

_SPELLED = {
    "id_number": parse_number_text,
    "work_permit_no": parse_number_text,
    "phone": parse_phone,
    "email": parse_email,
}


def spelled(data: dict[str, Any], under: str) -> tuple[dict[str, Any], list[tuple[str, str, Text]]]:
    """The record in that spelling, and what is wrong with the values that have none; `under` is the pointer above."""
    clean, faults = dict(data), list[tuple[str, str, Text]]()
    for name, parse in _SPELLED.items():
        value = data.get(name)
        if not isinstance(value, str) or not value.strip():
            continue
        try:
            clean[name] = parse(value)
        except CellFault as fault:
            faults.append((f"{under}/{name}", fault.code, fault.text))
    return clean, faults
