"""Whether two spellings are one person's name, for the question "does this document number belong to this person?".

Order, case, spaces, punctuation and accents do not matter here; an agency that insists on them refuses with R01.
Nothing is guessed beyond that: a missing or an added part of a name makes it another name, and a person looks at it.
"""

import re
import unicodedata


def names_alike(one: str, other: str) -> bool:
    """`MUSTER, Anna` and `Anna Muster` are one name; `Anna Muster` and `Anne Muster` are two."""
    return _parts(one) == _parts(other)


def name_key(name: str) -> str:
    """One text for all spellings that are one name."""
    return " ".join(_parts(name))


def _parts(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'’-")
    return sorted(re.findall(r"\w+", letters))
