"""How fast each step of ours is, as it was last measured from finished tasks (`store/forecast.py`)."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from store.tables.base import Base


class StepSpeedRow(Base):
    """Working days: the median and the 90th percentile of `n` tasks."""

    __tablename__ = "step_speeds"
    step: Mapped[str] = mapped_column(primary_key=True)
    median: Mapped[int]
    most: Mapped[int]
    n: Mapped[int]
    measured_at: Mapped[datetime]
