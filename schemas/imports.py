"""Uploads of spreadsheets and starts of processes: bodies and answers of the JSON API.

Invariants: the outcome of a row is one of four words; every row that did not start carries at least one sentence;
nothing of an open case is ever overwritten by an upload, differences are shown.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

from schemas.base import Body

RowOutcome = Literal["started", "refused", "duplicate", "changed"]
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
    sheet: str = Field(default="", description="the sheet's name where the file has several lists, else empty")
    name: str = ""
    outcome: RowOutcome
    process_id: str | None = None
    repairs: list[RowRemark] = []
    faults: list[RowRemark] = []
    watch: list[RowRemark] = []  # noticed, hinders nothing
    changes: list[RowChange] = []


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


class StartBody(Body):
    """Start of one process by hand. `input` is the model of that kind (`GET /process-kinds`)."""

    kind: str = Field(max_length=60, examples=["enrolment"])
    input: dict[str, Any]


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
