"""Delivery of mail: from the outbox to the school's mail server, or into a folder when there is none.

Without `BAOQI_SMTP_URL` every mail becomes a file of `DATA/mail` that a mail program can open. Invariants: a mail that
cannot be delivered waits longer each time and stops nothing else; a recipient refused for good is recorded with the
server's words; no name, number or address is logged. On rest days of the school reminders wait, notices do not.
"""

import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib.errors import (
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPRecipientsRefused,
)

from runtime import clock
from runtime.logging import logger
from runtime.settings import Settings, get_settings
from store import outbox
from store.database import session
from store.policies import calendar
from store.tables.office import Mail

log = logger(__name__)
Channel = Callable[[Mail, EmailMessage], Awaitable[None]]
AT_ONCE = 200  # mails in one run; the rest comes with the next
PERMANENT = 500
TIMEOUT = 20.0
PAGES = {"/processes/": "/cases/"}  # addresses of the API -> the page that shows the same


class BadMail(ValueError):
    """This mail can never be delivered: its address is none, or the server refuses it for good."""


class Later(RuntimeError):
    """The server does not take this mail now (grey-listing, a full mailbox); others may go."""


class BadSmtpUrl(ValueError):
    """The setting cannot be used; the message says what it should look like."""


async def deliver_mail() -> int:
    """Sends what is due; returns how many were sent. A mail server that is away ends the run, not the chore."""
    settings = get_settings()
    sent = 0
    reminders = calendar("school").is_working_day(clock.today())
    async with _channel(settings) as send:
        for _ in range(AT_ONCE):
            async with session() as s:
                mail = await outbox.claim(s, clock.real_now(), reminders=reminders)
            if mail is None:
                break
            try:
                await send(mail, compose(mail, settings))
            except BadMail as error:
                await _mark(mail, outbox.FAILED, str(error))
                log.warning("mail_refused", mail=mail.id)
            except Later as error:
                await _mark(mail, outbox.PENDING, str(error))
            except (SMTPException, OSError, BadSmtpUrl) as error:
                await _mark(mail, outbox.PENDING, f"{type(error).__name__}: {error}")
                log.warning("mail_postponed", mail=mail.id, attempts=mail.attempts, error=type(error).__name__)
                break
            else:
                await _mark(mail, outbox.SENT, None)
                sent += 1
    return sent


async def _mark(mail: Mail, state: str, error: str | None) -> None:
    async with session() as s:
        await outbox.mark(s, mail.id, state, error=error, now=clock.real_now())


# --- the message -----------------------------------------------------------------------------------------------------


def compose(mail: Mail, settings: Settings) -> EmailMessage:
    """The message as RFC 5322 wants it, with the link for people. BadMail when the address is none.

    Its id is made from the outbox key: a mail that is sent twice after a crash is one for the reader's program.
    """
    message = EmailMessage(policy=SMTP_POLICY)
    sender_name, sender = parseaddr(settings.mail_from)
    message["From"] = _address(sender, sender_name)
    message["To"] = _address(mail.recipient)
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(_aware(mail.created_at))
    domain = sender.rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<{hashlib.sha256(mail.key.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = "zh-CN, en"
    body = mail.body
    if mail.link:
        body += f"\n{_page(mail.link, settings)}\n"
    message.set_content(body, charset="utf-8")
    return message


def _address(text: str, name: str = "") -> Address:
    user, at, domain = text.strip().rpartition("@")
    try:
        if not at or not user or not domain or any(c in text for c in "\r\n,;<> "):
            raise ValueError(text)
        return Address(name, user, domain)
    except (ValueError, IndexError) as error:
        raise BadMail("邮箱地址无效，请更正。 The address is not a mail address; correct it.") from error


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(clock.SHANGHAI)


def _page(link: str, settings: Settings) -> str:
    for room, page in PAGES.items():
        if link.startswith(room):
            link = page + link.removeprefix(room)
    return f"{settings.base_url}{link}"


# --- the two ways out ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _channel(settings: Settings) -> AsyncIterator[Channel]:
    """A function that sends one message; the connection is opened with the first one and kept for the run."""
    if not settings.smtp_url:
        folder = settings.data_dir / "mail"

        async def put(mail: Mail, message: EmailMessage) -> None:
            write_file(folder, mail, message)

        yield put
        return
    client: aiosmtplib.SMTP | None = None

    async def send(mail: Mail, message: EmailMessage) -> None:
        nonlocal client
        if client is None or not client.is_connected:
            client = smtp_client(settings.smtp_url)
            await client.connect()
        await _send(client, message)

    try:
        yield send
    finally:
        if client is not None:
            client.close()


def write_file(folder: Path, mail: Mail, message: EmailMessage) -> Path:
    """One mail as a file that is complete or not there; the same mail again is the same file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / f"{mail.id:08d}.eml"
    part = folder / f".{mail.id:08d}.{os.getpid()}.part"
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
    """BadMail or Later when the server refuses this recipient or this message; what else fails is the connection's."""
    try:
        await client.send_message(message)
    except SMTPRecipientsRefused as error:
        raise _refusal(error.recipients[0]) from error
    except (SMTPRecipientRefused, SMTPDataError) as error:
        raise _refusal(error) from error
    except SMTPNotSupported as error:
        raise BadMail(f"邮件服务器不支持该地址。 The server does not support this address: {error}") from error


def _refusal(error: SMTPRecipientRefused | SMTPDataError) -> BadMail | Later:
    kind = BadMail if error.code >= PERMANENT else Later
    return kind(f"{error.code} {error.message}")
