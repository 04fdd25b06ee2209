"""Mail: to the school's mail server, or into a folder when there is none.

Without `BAOQI_SMTP_URL` every mail becomes a file of `DATA/mail` that a mail program can open. A letter handed over
again after a crash has the same Message-ID: one mail for a reader's program that compares them, two for one that
does not. A recipient refused for good is `Refused` with the server's words; grey-listing and a full mailbox are
`Later`.
"""

import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
)

from domain.delivery import Trouble
from runtime import clock
from runtime.settings import Settings
from worker.channels import TIMEOUT, Down, Later, Letter, Refused, Send

PERMANENT = 500


class BadSmtpUrl(ValueError):
    """The setting cannot be used; the message says what it should look like."""


# --- the message -----------------------------------------------------------------------------------------------------


def compose(letter: Letter, settings: Settings) -> EmailMessage:
    """The message as RFC 5322 wants it. Refused when the address is none."""
    message = EmailMessage(policy=SMTP_POLICY)
    sender_name, sender = parseaddr(settings.mail_from)
    message["From"] = _address(sender, sender_name)
    message["To"] = _address(letter.address)
    message["Subject"] = " ".join(letter.subject.split())
    message["Date"] = format_datetime(letter.at.astimezone(clock.SHANGHAI))
    domain = sender.rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{hashlib.sha256(letter.key.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = "zh-CN, en"
    message.set_content("\n".join((letter.text, *letter.links, "")), charset="utf-8")
    return message


def _address(text: str, name: str = "") -> Address:
    user, at, domain = text.strip().rpartition("@")
    try:
        if not at or not user or not domain or any(c in text for c in "\r\n,;<> "):
            raise ValueError(text)
        return Address(name, user, domain)
    except (ValueError, IndexError) as error:
        raise Refused("邮箱地址无效，请更正。 The address is not a mail address; correct it.") from error


# --- the two ways out ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def channel(settings: Settings) -> AsyncIterator[Send]:
    """Hands over letters; the connection is opened with the first one and kept for the run."""
    if not settings.smtp_url:
        folder = settings.data_dir / "mail"

        async def put(letter: Letter) -> None:
            message = compose(letter, settings)
            try:
                write_file(folder, letter, message)
            except OSError as error:
                raise Down(f"{type(error).__name__}: {error.strerror}", Trouble.OUR_SETTINGS) from error

        yield put
        return
    client: aiosmtplib.SMTP | None = None

    async def send(letter: Letter) -> None:
        nonlocal client
        message = compose(letter, settings)
        try:
            if client is None or not client.is_connected:
                client = smtp_client(settings.smtp_url)
                await client.connect()
            await _send(client, message)
        except (SMTPException, OSError, BadSmtpUrl) as error:
            raise Down(f"{type(error).__name__}: {error}", _trouble(error)) from error

    try:
        yield send
    finally:
        if client is not None:
            client.close()


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, BadSmtpUrl):
        return Trouble.OUR_SETTINGS
    if isinstance(error, SMTPAuthenticationError):
        return Trouble.REFUSES_US
    return Trouble.UNREACHABLE if isinstance(error, (OSError, SMTPConnectError)) else Trouble.ODD_ANSWER


def write_file(folder: Path, letter: Letter, message: EmailMessage) -> Path:
    """One mail as a file that is complete or not there; the same mail again is the same file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{letter.id:08d}.eml"
    part = folder / f".{letter.id:08d}.{os.getpid()}.part"
    part.write_bytes(message.as_bytes())
    part.chmod(0o600)
    part.replace(target)
    return target


def smtp_client(url: str) -> aiosmtplib.SMTP:
    """smtp://user:password@host:587?starttls=1, or smtps://… for TLS from the start. BadSmtpUrl when it is neither.

    `starttls=0` forbids TLS, `starttls=1` demands it; without it TLS is used when the server offers it.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    starttls = query.get("starttls", [""])[0]
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or port == -1 or starttls not in ("", "0", "1"):
        raise BadSmtpUrl(
            "BAOQI_SMTP_URL 应形如 smtp://user:password@host:587?starttls=1。 "
            "BAOQI_SMTP_URL must look like smtp://user:password@host:587?starttls=1."
        )
    secure = parts.scheme == "smtps"
    return aiosmtplib.SMTP(
        hostname=parts.hostname,
        port=port or (465 if secure else 25),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=secure,
        start_tls={"1": True, "0": False}.get(starttls) if not secure else False,
        tls_context=ssl.create_default_context(),
        timeout=TIMEOUT,
    )


async def _send(client: aiosmtplib.SMTP, message: EmailMessage) -> None:
    """Refused or Later when the server refuses this recipient or this message; what else fails is the connection's."""
    try:
        await client.send_message(message)
    except SMTPRecipientsRefused as error:
        raise _refusal(error.recipients[0]) from error
    except (SMTPRecipientRefused, SMTPDataError) as error:
        raise _refusal(error) from error
    except SMTPNotSupported as error:
        raise Refused(f"邮件服务器不支持该地址。 The server does not support this address: {error}") from error


def _refusal(error: SMTPRecipientRefused | SMTPDataError) -> Refused | Later:
    kind = Refused if error.code >= PERMANENT else Later
    return kind(f"{error.code} {error.message}")
