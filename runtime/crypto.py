"""Keys of an installation, the cipher of single fields, and the keyed hash for look-up.

One secret per installation (`BAOQI_SECRET_KEY`, else `DATA/keys/baoqi.key`, generated on first use, mode 0600). From
it a key for each purpose is derived, so that a leak of one use does not open another. The file may hold several
lines: the first encrypts, all decrypt, the last one makes look-up hashes (these cannot be made anew without reading
every row). A lost key means unreadable fields and open cases that cannot go on: back the file up apart from the data.
"""

import base64
import binascii
import hashlib
import hmac
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from runtime.settings import Settings, get_settings

NONCE_BYTES = 12
TAG_BYTES = 16
ID_BYTES = 4
SEALED_BYTES = ID_BYTES + NONCE_BYTES + TAG_BYTES  # by which what is sealed is longer than its clear text


class KeyUnusable(RuntimeError):
    """The key cannot be read, or data was encrypted with a key that this installation does not have."""


class Keyring:
    """The secrets of an installation, newest first, and the keys derived from them."""

    def __init__(self, secrets: list[bytes]) -> None:
        if not secrets or any(len(secret) != 32 for secret in secrets):
            raise KeyUnusable(
                "密钥必须是 32 字节的 base64(见 .env.example)。 The key must be 32 bytes in base64 (see .env.example)."
            )
        self._secrets = secrets
        self._made: dict[str, Cipher] = {}

    def _derive(self, secret: bytes, purpose: str) -> bytes:
        return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"baoqi/{purpose}".encode()).derive(secret)

    def _ciphers(self, purpose: str) -> dict[bytes, AESGCM]:
        return {
            hashlib.sha256(secret).digest()[:ID_BYTES]: AESGCM(self._derive(secret, purpose))
            for secret in self._secrets
        }

    def cipher(self, purpose: str) -> "Cipher":
        """The cipher for one purpose, such as `fields` or `payloads`; its key is derived once."""
        if purpose not in self._made:
            self._made[purpose] = Cipher(self._ciphers(purpose))
        return self._made[purpose]

    def hash_key(self) -> bytes:
        """Key of look-up hashes: the oldest secret, so that hashes outlive a new secret."""
        return self._derive(self._secrets[-1], "lookup")

    def signing_key(self) -> bytes:
        """Key for short-lived signatures (download links, CSRF)."""
        return self._derive(self._secrets[0], "signing")


class Cipher:
    """AES-256-GCM of byte strings. Layout: key id (4), nonce (12), ciphertext with tag."""

    def __init__(self, ciphers: dict[bytes, AESGCM]) -> None:
        self._ciphers = ciphers
        self._current = next(iter(ciphers))

    @property
    def key_id(self) -> str:
        """Names the key that encrypts now, without giving it away."""
        return self._current.hex()

    def encrypt(self, clear: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return self._current + nonce + self._ciphers[self._current].encrypt(nonce, clear, None)

    def decrypt(self, sealed: bytes) -> bytes:
        """Raises `KeyUnusable` for a key that is not here or bytes that were changed."""
        key, nonce, body = (
            sealed[:ID_BYTES],
            sealed[ID_BYTES : ID_BYTES + NONCE_BYTES],
            sealed[ID_BYTES + NONCE_BYTES :],
        )
        found = self._ciphers.get(key)
        if found is None:
            raise KeyUnusable(
                f"数据是用另一把密钥({key.hex()})加密的，请恢复该密钥文件。 "
                f"The data was encrypted with another key ({key.hex()}): restore that key file."
            )
        try:
            return found.decrypt(nonce, body, None)
        except InvalidTag as error:
            raise KeyUnusable("加密数据已损坏或被改动。 Encrypted data is damaged or was changed.") from error


class FieldCipher:
    """Encrypts single columns: identity numbers, bank accounts, bodies of submissions."""

    def __init__(self, keyring: Keyring) -> None:
        self._cipher = keyring.cipher("fields")

    def encrypt(self, text: str) -> bytes:
        return self._cipher.encrypt(text.encode())

    def decrypt(self, sealed: bytes) -> str:
        """Raises `KeyUnusable`."""
        return self._cipher.decrypt(bytes(sealed)).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error as error:
        raise KeyUnusable("密钥不是有效的 base64。 The key is not valid base64.") from error


def _generate(file: Path) -> None:
    """Writes a new secret; of two processes at once the first one's file stays."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(base64.b64encode(os.urandom(32)).decode() + "\n")
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(part, file)
    except FileExistsError:
        return  # the other process's key is the installation's key
    finally:
        part.unlink()


def load_keyring(settings: Settings) -> Keyring:
    """The keys of this installation; generates the key file when there is neither setting nor file."""
    given = settings.secret_key.get_secret_value()
    if given:
        return Keyring([_decode(part) for part in given.split(",")])
    if not settings.key_file.exists():
        _generate(settings.key_file)
    lines = settings.key_file.read_text().split()
    return Keyring([_decode(line) for line in lines])


@lru_cache(maxsize=8)
def _cached(key_file: str, secret: str) -> Keyring:
    del key_file, secret  # they are the cache's key: another installation in the same process (tests) has other keys
    return load_keyring(get_settings())


def keyring() -> Keyring:
    """The keys of this process's settings, read once."""
    settings = get_settings()
    return _cached(str(settings.key_file.absolute()), settings.secret_key.get_secret_value())


def field_cipher() -> FieldCipher:
    """The cipher of columns under this process's settings."""
    return FieldCipher(keyring())


def keyed_hash(text: str) -> str:
    """HMAC-SHA256 as hex: finds a row by a value that is stored encrypted. Normalise `text` before."""
    return hmac.new(keyring().hash_key(), text.encode(), hashlib.sha256).hexdigest()
