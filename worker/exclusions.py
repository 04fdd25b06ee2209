"""The chore that takes tasks from substitutes who may not do them: a substitution can begin on a later day."""

from runtime import clock
from store import standing_in
from store.database import session


async def give_back() -> int:
    """Chore. Returns how many tasks went back."""
    async with session() as s:
        return await standing_in.give_back(s, clock.today(), clock.now())
