"""How this product speaks to Temporal: one way to connect, one data converter, for API, worker, replay and tests.

Payloads are pydantic models, encrypted with the installation's key (AES-GCM, the key's id beside it); failures'
messages and stack traces are encrypted as well. What stays readable for ever: workflow ids, update ids, search
attributes, activity ids. Never put personal data into one of these. Binding to the workflow id is left out on
purpose: the UI's codec endpoint and schedules decode without context."""

import zlib
from collections.abc import Sequence
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.client import Client, TLSConfig
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from runtime.crypto import Cipher, Keyring, load_keyring
from runtime.refusals import refusal
from runtime.settings import Settings, SettingsMissing

ENCODING = b"binary/baoqi-aes-gcm"

CASE_TYPE = SearchAttributeKey.for_keyword("CaseType")
SEARCH_ATTRIBUTES = (CASE_TYPE,)


COMPRESSED_FROM = 1024  # bytes; below that compressing costs more than it saves
ZLIB = b"zlib"


class EncryptionCodec(PayloadCodec):
    """Encrypts each payload whole, metadata included. Decodes what is not encrypted as it is.

    Larger payloads are compressed before: a transition is mostly bilingual JSON, and the server stores every byte.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._cipher: Cipher = keyring.cipher("payloads")

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._seal(payload.SerializeToString()) for payload in payloads]

    def _seal(self, content: bytes) -> Payload:
        metadata = {"encoding": ENCODING, "encryption-key-id": self._cipher.key_id.encode()}
        if len(content) > COMPRESSED_FROM:
            metadata["compression"] = ZLIB
            content = zlib.compress(content, level=1)
        return Payload(metadata=metadata, data=self._cipher.encrypt(content))

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises `KeyUnusable` for a payload of another installation."""
        return [
            Payload.FromString(self._open(payload)) if payload.metadata.get("encoding") == ENCODING else payload
            for payload in payloads
        ]

    def _open(self, payload: Payload) -> bytes:
        content = self._cipher.decrypt(payload.data)
        return zlib.decompress(content) if payload.metadata.get("compression") == ZLIB else content


def codec(settings: Settings) -> EncryptionCodec:
    """The codec, for the UI's endpoint (`POST /codec/decode`, behind an administrator's sign-in)."""
    return EncryptionCodec(load_keyring(settings))


def data_converter(settings: Settings) -> DataConverter:
    """The converter that client, worker and replay share; another one cannot read the histories."""
    return DataConverter(
        payload_converter_class=PydanticPayloadConverter,
        payload_codec=codec(settings),
        failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
    )


def tls(settings: Settings) -> TLSConfig | bool:
    """TLS as the settings say; False for a plain connection. Raises `SettingsMissing` for a file that is not there."""
    ca, cert, key = settings.temporal_tls_ca, settings.temporal_tls_cert, settings.temporal_tls_key
    if not (settings.temporal_tls or ca or cert or settings.temporal_tls_server_name):
        return False
    if bool(cert) != bool(key):
        raise SettingsMissing(
            "客户端证书与私钥须同时设置：BAOQI_TEMPORAL_TLS_CERT、BAOQI_TEMPORAL_TLS_KEY。 "
            "A client certificate needs both: BAOQI_TEMPORAL_TLS_CERT and BAOQI_TEMPORAL_TLS_KEY."
        )
    return TLSConfig(
        server_root_ca_cert=_read(ca, "CA"),
        domain=settings.temporal_tls_server_name or None,
        client_cert=_read(cert, "CERT"),
        client_private_key=_read(key, "KEY"),
    )


def _read(file: Path | None, name: str) -> bytes | None:
    try:
        return file.read_bytes() if file else None
    except OSError as error:
        raise SettingsMissing(
            f"无法读取 BAOQI_TEMPORAL_TLS_{name} 指定的文件 {file}:{error.strerror}。 "
            f"The file {file} named by BAOQI_TEMPORAL_TLS_{name} cannot be read: {error.strerror}."
        ) from None


async def connect(settings: Settings, *, lazy: bool = False, namespace: str | None = None) -> Client:
    """A client. `lazy` connects at the first call, so that the API starts while Temporal is away (not for workers).

    Raises `TemporalUnreachable` when there is no connection, `TemporalRefused` when waiting will not bring one,
    `SettingsMissing` without an address.
    """
    address = settings.require_temporal_address()
    api_key = settings.temporal_api_key.get_secret_value() or None
    secured = tls(settings)
    converter = data_converter(settings)
    try:
        return await Client.connect(
            address,
            namespace=namespace or settings.temporal_namespace,
            api_key=api_key,
            tls=secured or bool(api_key),
            data_converter=converter,
            lazy=lazy,
        )
    except RuntimeError as error:
        raise refusal(str(error), address) from None
