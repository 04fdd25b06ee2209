"""The daily word about dates that are coming up: at the hour of the reminders, on working days of the school.

The chore comes often and speaks once a day: the day is claimed in the database, so an outage at that hour delays it and
a second worker says nothing again.
"""

from datetime import time

from domain.times import hour
from runtime import clock
from store import watch_dates
from store.database import session
from store.policies import calendar

TELLS_AT: time = hour("08:30")


async def tell_watched_dates() -> int:
    """Tells clerks and colleges what is new; returns how many people got a message."""
    now = clock.now()
    local = now.astimezone(clock.SHANGHAI)
    if local.time() < TELLS_AT or not calendar("school").is_working_day(local.date()):
        return 0
    async with session() as s:
        return await watch_dates.tell(s, now)
