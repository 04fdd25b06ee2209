"""The names that one answer of the API needs, in one statement: users, colleges, persons, and who stands in today.

Nothing is kept between two answers: whoever was renamed, or stands in since a second ago, is shown so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, String, any_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from schemas.base import Text
from store.people import shown_name
from store.tables.desk import Substitution
from store.tables.people import OrgUnit, Person, User
from store.users import substitution_in_force


@dataclass(frozen=True)
class Names:
    """Users by login, colleges by id, the persons asked for by id, and absent -> substitute."""

    users: dict[str, Text]
    units: dict[str, Text]
    people: dict[str, str]
    substitutes: dict[str, str]


def _pairs(key: Any, *values: Any) -> Any:
    return select(func.jsonb_object_agg(key, func.jsonb_build_array(*values)))


_NAMES = select(
    _pairs(User.username, User.name_zh, User.name_en).scalar_subquery(),
    _pairs(OrgUnit.id, OrgUnit.name_zh, OrgUnit.name_en).scalar_subquery(),
    _pairs(Person.id, Person.name, Person.name_zh)
    .where(Person.id == any_(bindparam("persons", type_=ARRAY(String))))
    .scalar_subquery(),
    select(func.jsonb_object_agg(Substitution.absent, Substitution.substitute))
    .where(substitution_in_force(bindparam("today")))
    .scalar_subquery(),
)


async def load(session: AsyncSession, persons: Collection[str], today: date) -> Names:
    """All of them (a school has some hundreds of users); `today` is the Shanghai day for who stands in."""
    users, units, people, substitutes = (
        await session.execute(_NAMES, {"persons": sorted(set(persons)), "today": today})
    ).one()
    return Names(
        users={name: Text(zh=zh, en=en) for name, (zh, en) in (users or {}).items()},
        units={unit: Text(zh=zh, en=en) for unit, (zh, en) in (units or {}).items()},
        people={person: shown_name(name, name_zh) for person, (name, name_zh) in (people or {}).items()},
        substitutes=substitutes or {},
    )
