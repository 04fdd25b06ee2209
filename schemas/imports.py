"""Uploads of spreadsheets and starts of processes: bodies and answers of the JSON API.

Invariants: the outcome of a row is one of four words; every row that did not start carries at least one sentence;
nothing of an open case is overwritten by an upload, differences are shown; a new document of the same person is taken
over only where a clerk says so of that row.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from schemas.base import Body
from schemas.retirement import TrackBody

RowOutcome = Literal["started", "refused", "duplicate", "changed"]
PersonDecision = Literal["another_person", "same_person"]
ImportMode = Literal["preview", "good_rows"]


class RowRemark(BaseModel):
    """A sentence about one cell. `column` is the heading as the file has it."""

    column: str
    code: str
    message: str
    field: str = ""


class RowChange(BaseModel):
    """One field of an open case that the file has otherwise. Nothing was overwritten."""

    column: str
    field: str
    before: str
    after: str


class ImportRowView(BaseModel):
    """What became of one row. In a preview `started` means: would start, and `process_id` is empty."""

    row: int
    key: int = Field(default=0, description="the row's number in the whole file, by which decisions name it")
    sheet: str = Field(default="", description="the sheet's name where the file has several lists, else empty")
    name: str = ""
    outcome: RowOutcome
    process_id: str | None = None
    repairs: list[RowRemark] = []
    faults: list[RowRemark] = []
    watch: list[RowRemark] = []  # noticed, hinders nothing
    changes: list[RowChange] = []
    decisions: list[PersonDecision] = Field(default=[], description="what a clerk can decide about an alike person")


class ImportView(BaseModel):
    """An upload. `sheet` names all sheets that were read; `notes` are sentences on the whole file."""

    id: str
    kind: str
    mode: ImportMode
    filename: str
    sheet: str
    notes: list[str] = []
    unread: list[RowRemark] = Field(default=[], description="columns that are filled and were not read")
    counts: dict[str, int]
    rows: list[ImportRowView]
    can_start: bool = Field(default=False, description="whether rows can be started from the file that was kept")


class RowDecisions(Body):
    """What a clerk says of rows whose person looks like the person of a case: keys of rows (`ImportRowView.key`)."""

    another_person: list[int] = Field(default=[], max_length=5000, description="another person: start the row")
    same_person: list[int] = Field(
        default=[], max_length=5000, description="the same person with a new document: the open case gets it"
    )


class StartBody(Body):
    """Start of one process by hand. `input` is the model of that kind (`GET /process-kinds`)."""

    kind: str = Field(max_length=60, examples=["enrolment"])
    input: dict[str, Any]
    decision: PersonDecision | None = Field(
        default=None,
        description="said by a clerk of a person who looks like the person of a case (problem person_alike): another "
        "person, who starts; or the same one, whose open case gets the new document and is the answer",
    )
    retirement: TrackBody | None = Field(
        default=None,
        description="the track by which the person retires (a woman with a senior title), set by the office "
        "together with the start: whether the person is over the age is asked by it",
    )


class StartedView(BaseModel):
    """A process that was started. `watch` says what was noticed and hinders nothing."""

    id: str
    kind: str
    case_no: str
    title: str
    state: str = "running"
    subject: str
    org_unit: str
    watch: list[RowRemark] = []
