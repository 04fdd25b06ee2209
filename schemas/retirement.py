"""When a person retires by law and by the track that the office has set at the person, and the setting of it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from schemas.api import Answer
from schemas.base import Body, Text
from schemas.calculations.base import label
from schemas.calculations.retirement import RetirementTrack

Ground = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class TrackBody(Body):
    """Sets the track from now on. `ground`: the paper or decision behind it."""

    track: RetirementTrack = Field(json_schema_extra=label("退休口径", "Track"))
    ground: Ground = Field(examples=["副教授任职文件 校人〔2025〕12号"], json_schema_extra=label("依据", "Ground"))


class TrackSet(Answer):
    """One setting: what, by whom, when, on what ground."""

    track: str
    title: Text
    ground: str
    set_by: str
    set_at: datetime


class TrackOffer(Answer):
    """A track that may be set for this person. `sample`: the law is silent, it is the office's own decision."""

    track: str
    title: Text
    sample: bool


class PersonRetirement(Answer):
    """The statutory month of one person ("YYYY-MM") with what may be chosen around it, by the track of the person."""

    person_id: str
    group: str
    track: str
    title: Text
    source: str
    sample: bool
    retire: str
    age: str
    min_months: int
    elastic: tuple[str, str] | None
    history: list[TrackSet]
    offers: list[TrackOffer]
    may_set: bool
