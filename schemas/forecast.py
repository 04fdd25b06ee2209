"""The forecast of a case: how fast each step usually is, and whether a deadline will be kept.

Invariant: numbers are working days of the school's calendar.
"""

from datetime import date, datetime

from schemas.base import Payload, Text


class StepSpeed(Payload):
    """`median` and `most` (90 %) of the working days of `n` finished tasks; not `measured`: the policy's duration."""

    step: str
    median: int
    most: int
    n: int
    measured: bool


class Forecast(Payload):
    """Of one unmet deadline. `late`: it will be missed at the usual speed; `tight`: it would be at the speed of the
    slowest tenth. `late_from`: the instant from which that is so."""

    deadline_id: str
    title: Text
    due: date
    late_from: datetime
    late: bool
    tight: bool
    days_left: int
    days_needed: int
    days_needed_most: int
    steps: list[StepSpeed]
    says: Text
