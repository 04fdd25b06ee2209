"""A gate before a Temporal server, as a provider has one: TLS, with a client certificate or an API key.

The development server speaks neither. The gate ends TLS with gRPC's own server, looks at the key of each call, and
passes every call on as bytes, so that it knows nothing of Temporal. Certificates are made anew for each run."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "temporal.example.edu"
NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
OF_THE_CONNECTION = ("user-agent", "grpc-accept-encoding", "content-type", "te")


@dataclass(frozen=True)
class Certificates:
    """An authority in `folder`, with one certificate for the server and one for a client: `NAME.pem`, `NAME.key`."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificates":
        folder.mkdir(parents=True)
        made = cls(folder)
        authority = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        made._write("ca", _sign("Test authority", authority, name, authority, authority=True), authority)
        for who in (NAME, "client"):
            key = ec.generate_private_key(ec.SECP256R1())
            made._write("server" if who == NAME else who, _sign(who, key, name, authority), key)
        return made

    def _write(self, who: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.pem(who).write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        plain = serialization.NoEncryption()
        self.key(who).write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))

    def pem(self, who: str) -> Path:
        return self.folder / f"{who}.pem"

    def key(self, who: str) -> Path:
        return self.folder / f"{who}.key"


def _sign(
    who: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    by: ec.EllipticCurvePrivateKey,
    authority: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(who)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(by, hashes.SHA256())
    )


class Gate:
    """The running gate: `address` is what the product's settings name. It counts what it let through and what not."""

    def __init__(self, target: str, certificates: Certificates, *, client_certificate: bool = False, api_key: str = ""):
        self._target = target
        self._certificates = certificates
        self._client_certificate = client_certificate
        self._api_key = api_key
        self.address = ""
        self.passed = self.refused = 0
        self._loop = asyncio.new_event_loop()
        self._opened = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Gate":
        self._thread.start()
        assert self._opened.wait(20), "the gate never opened"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(20)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._closing = asyncio.Event()
        server = grpc.aio.server(options=NO_LIMIT)
        files = self._certificates
        credentials = grpc.ssl_server_credentials(
            [(files.key("server").read_bytes(), files.pem("server").read_bytes())],
            root_certificates=files.pem("ca").read_bytes() if self._client_certificate else None,
            require_client_auth=self._client_certificate,
        )
        self.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
        async with grpc.aio.insecure_channel(self._target, options=NO_LIMIT) as channel:
            server.add_generic_rpc_handlers((_Everything(self, channel),))
            await server.start()
            self._opened.set()
            await self._closing.wait()
            await server.stop(grace=0)

    def admits(self, key: str | bytes | None) -> bool:
        """Whether a call with this `authorization` may pass."""
        if not self._api_key or key == f"Bearer {self._api_key}":
            self.passed += 1
            return True
        self.refused += 1
        return False


class _Everything(grpc.GenericRpcHandler):
    """Every method of every service: all of Temporal's are one request and one answer."""

    def __init__(self, gate: Gate, channel: grpc.aio.Channel) -> None:
        self._gate = gate
        self._channel = channel

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(self._passing(handler_call_details.method))

    def _passing(self, method: str) -> Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]:
        behind = self._channel.unary_unary(method)

        async def call(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
            said = dict(context.invocation_metadata() or ())
            if not self._gate.admits(said.pop("authorization", None)):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Request unauthorized.")
            metadata = [(k, v) for k, v in said.items() if k not in OF_THE_CONNECTION]
            try:
                return await behind(request, timeout=context.time_remaining(), metadata=metadata)
            except grpc.aio.AioRpcError as error:
                # With the details, by which a client tells one refusal from another.
                trailing = tuple(error.trailing_metadata() or ())
                await context.abort(error.code(), error.details() or "", trailing)
                raise

        return call
