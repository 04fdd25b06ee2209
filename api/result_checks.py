"""What is wrong with rows of an agency's results before anything is recorded: each alone, and beside the others.

Invariants: what is not certain is a fault of the row, and of two rows that contradict each other both are given back.
Whose row it is and what it does is in `api/result_rows.py`.
"""

from collections import Counter
from collections.abc import Sequence

from pydantic import ValidationError

from api.result_rows import Found
from api.spreadsheets.results import Said
from schemas.amendment import FIELDS
from schemas.messages_of_fields import message_of
from store.sealed import number_hash

NUMBER = FIELDS["registration.number"]


def doubled(rows: Sequence[Said], persons: Sequence[Found]) -> None:
    """Of two rows for one person nobody knows which is meant: both are given back."""
    ids = [f.tasks[0][0].subject if f.tasks else None for f in persons]
    twice = {i for i, n in Counter(x for x in ids if x).items() if n > 1}
    for subject in twice:
        places = [r.row for r, i in zip(rows, ids, strict=True) if i == subject]
        for said, i in zip(rows, ids, strict=True):
            if i == subject:
                others = "、".join(str(p) for p in places if p != said.row) or str(said.row)
                said.fault(
                    "id_number" if said.id_number else "case_no",
                    "person_twice",
                    f"同一人在表中不止一行（另见第 {others} 行），请只保留正确的一行。",
                    f"The same person stands in more than one row (see row {others}): keep the right one only.",
                )


def one_number_for_two(rows: Sequence[Said], persons: Sequence[Found]) -> None:
    """Nobody knows whose a number is that stands beside two people: both rows are given back."""
    named = [f.tasks[0][0].subject if f.tasks and r.number else None for r, f in zip(rows, persons, strict=True)]
    places: dict[str, list[tuple[Said, str]]] = {}
    for said, subject in zip(rows, named, strict=True):
        if subject is not None:
            places.setdefault(number_hash(said.number), []).append((said, subject))
    for same in places.values():
        for said, subject in same:
            others = "、".join(str(r.row) for r, s in same if s != subject)
            if others:
                said.fault(
                    "number",
                    "number_twice",
                    f"同一编号在表中用于不同的人（另见第 {others} 行），请核对后只保留正确的一行。",
                    f"This number stands beside different people (see row {others}): check, and keep the right row.",
                )


def check(said: Said, found: Found) -> None:
    """What a row must have whoever it is about, and the form of its number."""
    if not said.id_number and not said.case_no and not said.faults:
        said.fault(
            "id_number",
            "person_missing",
            "没有证件号码或业务编号，无法确定是谁。请补填。",
            "Neither document number nor case number: fill one in.",
        )
    elif said.number and said.code:
        said.fault(
            "code",
            "both_given",
            "同一行既有参保编号又有退回原因，请只保留一个。",
            "A number and a refusal in one row: keep one of them.",
        )
    elif not said.number and not said.code and not said.faults and found.tasks:
        said.fault(
            "number",
            "result_missing",
            "没有参保编号：办结的请填编号，被退回的请填退回原因代码。",
            "The number is missing: write it for an approval, or the code of the refusal.",
        )
    if said.number:
        try:
            NUMBER.clean(said.number)
        except ValidationError as error:
            text = message_of(error.errors()[0])
            said.fault("number", error.errors()[0]["type"], text.zh, text.en)
