"""Handing in for many at one agency: who is ready with what, one receipt for them, and the results per person.

Personal numbers stand in bodies and answers only, never in an address; a person is named by the task or the case.
"""

from datetime import date
from typing import Literal

from pydantic import Field

from schemas.api import Answer, TaskItem
from schemas.base import Body, Text
from schemas.batch import KEY, MOST_ITEMS

ResultOutcome = Literal["done", "unchanged", "pending", "refused"]


class AgencyCount(Answer):
    """An agency with how many wait there for the viewer: to be handed in, and for a result."""

    id: str
    title: Text
    mode: str  # portal or http; by hand are also those of `http` that a person took over
    ready: int
    waiting: int


class FilledField(Answer):
    """One column of the agency's layout with a person's value."""

    heading: str
    value: str


class ReadyPerson(Answer):
    """Somebody whose hand-in is ready. `gaps`: required columns without a value; such a person is left out of the file
    until the record is complete."""

    task: TaskItem
    fields: list[FilledField]
    gaps: list[str] = []


class WaitingPerson(Answer):
    """Somebody who was handed in, and whose result is not recorded."""

    task: TaskItem
    receipt_no: str | None = None
    handed_in_on: date | None = None


class HandInView(Answer):
    """What one agency waits for. Lists hold the most urgent; `ready_total` and `waiting_total` count all."""

    agency: str
    title: Text
    mode: str
    form_title: Text
    form_sample: bool
    ready: list[ReadyPerson]
    ready_total: int
    waiting: list[WaitingPerson]
    waiting_total: int


class HandInFileBody(Body):
    """The tasks whose people are to stand in the agency's import file."""

    tasks: list[str] = Field(min_length=1, max_length=MOST_ITEMS)


class HandInItem(Body):
    """One hand-in task, as it was seen, under a key of its own."""

    id: str = Field(max_length=60, examples=["5f0c5b0e-7d2c-4a55-9a40-3b1f8c9d2f12"])
    key: str = KEY
    version: int = Field(ge=1)


class ResultRow(Body):
    """What the agency said of one person, who is named by case number or document number. Either `number` (approved) or
    `code` (refused, a code of rejection_reasons.yaml). `day`: when; without one the day of the whole."""

    case_no: str = Field(default="", max_length=60, examples=["FE2026-0001"])
    id_number: str = Field(default="", max_length=60)
    number: str = Field(default="", max_length=60)
    code: str = Field(default="", max_length=200, examples=["R08"])
    day: date | None = None
    note: str = Field(default="", max_length=300)


class ResultsBody(Body):
    """Results typed as a table."""

    rows: list[ResultRow] = Field(min_length=1, max_length=MOST_ITEMS)
    day: date | None = None


class ResultFault(Answer):
    column: str
    code: str
    message: str


class ResultRowView(Answer):
    """What became of one row. `unchanged`: recorded before, by the same row; `pending`: kept and on its way."""

    row: int
    sheet: str = ""
    name: str = ""
    process_id: str | None = None
    case_no: str | None = None
    outcome: ResultOutcome
    faults: list[ResultFault] = []


class ResultsView(Answer):
    """A list of results and what became of each row; `notes` are sentences on the whole file."""

    id: str
    agency: str
    filename: str
    notes: list[str] = []
    counts: dict[str, int]
    rows: list[ResultRowView]
