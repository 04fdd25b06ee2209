"""Encrypted JSON columns: personal data at rest is never clear text."""

import json
from typing import Any

from runtime.crypto import field_cipher, keyed_hash


def seal(value: Any) -> bytes:
    """JSON values, encrypted."""
    return field_cipher().encrypt(json.dumps(value, ensure_ascii=False, sort_keys=True))


def unseal(sealed: bytes) -> Any:
    """The JSON values again; KeyUnusable when the key is not ours."""
    return json.loads(field_cipher().decrypt(sealed))


def number_hash(number: str) -> str:
    """Keyed hash of an identity number, the same however it was typed (case and blanks do not count)."""
    return keyed_hash("".join(number.split()).upper())
