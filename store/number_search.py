"""What a number typed into a search box means: an identity or agency number, found by its keyed hash.

Invariants: a personal number is compared by its hash only and goes nowhere from here; the answer is a person's id.
Whoever asks must not put the number into an address, a log or an error. A receipt or a case's number is nobody's, and
is searched for as words (`store/words.py`).
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Text, any_, cast, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from store import words
from store.sealed import number_hash
from store.tables.people import Person
from store.tables.processes import Process
from store.tables.registrations import Registration

MIN_LENGTH, MIN_DIGITS = 6, 4
_NUMBER = re.compile(r"[A-Z0-9()/-]+")
_SEPARATORS = re.compile(r"[\s\u200b-\u200d\u2060\ufeff]+")


@dataclass(frozen=True)
class Meaning:
    """`subject`: the person; `personal`: it may be a number of a person, known or not, and must not be shown or
    stored."""

    subject: str | None = None
    personal: bool = False


def clean(text: str) -> str:
    """As numbers are kept: half width, upper case, without blanks."""
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()


def looks_like_number(text: str) -> bool:
    """Whether it could be the full number of a document: letters and digits only, enough of both."""
    number = clean(text)
    digits = sum(c.isdigit() for c in number)
    return len(number) >= MIN_LENGTH and digits >= MIN_DIGITS and _NUMBER.fullmatch(number) is not None


async def persons_of(session: AsyncSession, numbers: Collection[str]) -> dict[str, str]:
    """Number -> person, of those that are somebody's: of the document, or at an agency, in force or not any more."""
    digests = {number: number_hash(number) for number in numbers}
    among = any_(cast(list(digests.values()), ARRAY(Text)))
    registered = await session.execute(
        select(Registration.number_hash, Registration.person_id)
        .where(Registration.number_hash == among)
        .order_by(Registration.id)
    )
    owners = {str(row.number_hash): row.person_id for row in registered}
    documents = await session.execute(select(Person.id_hash, Person.id).where(Person.id_hash == among))
    owners |= {row.id_hash: row.id for row in documents}
    return {number: owners[digest] for number, digest in digests.items() if digest in owners}


async def meaning(session: AsyncSession, text: str) -> Meaning:
    """What the text is. An empty meaning: no number, search for it as words."""
    if not looks_like_number(text):
        return Meaning()
    number = clean(text)
    subject = (await persons_of(session, [number])).get(number)
    if subject is not None:
        return Meaning(subject=subject, personal=True)
    if await words.receipts(session, text):
        return Meaning()
    case = await session.scalar(select(Process.id).where(*words.of_process(number.lower())).limit(1))
    return Meaning(personal=case is None)
