"""Text messages (SMS) by a plain HTTP gateway: the format is ours, a school's gateway translates it for its provider.

`POST` to `BAOQI_SMS_URL` with the JSON object `{"id", "to", "text", "at"}` and three headers: `Idempotency-Key`
(the same when a letter is handed over again: the gateway sends it once), `X-Baoqi-Timestamp` (seconds) and
`X-Baoqi-Signature`: `sha256=` and the hex HMAC-SHA256 of "timestamp.body" with the shared secret. The gateway
answers 2xx when it has taken the message, 422 or 404 when the number will never do, 409 when it has it already, and
anything else to be asked again.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime import clock
from runtime.settings import Settings
from worker.channels import Down, Letter, Refused, Send, status_says
from worker.channels.http import client, send

_CHARACTERS = 140  # two parts of 70: a text message is a hint, the page has the rest
_NEVER = (404, 422)
_HAS_IT = 409


def signature(secret: str, seconds: int, body: bytes) -> str:
    """The header `X-Baoqi-Signature`."""
    return "sha256=" + hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def channel(settings: Settings) -> AsyncIterator[Send]:
    """Hands letters to the gateway."""
    secret = settings.sms_secret.get_secret_value()
    async with client() as http:

        async def hand_over(letter: Letter) -> None:
            key = hashlib.sha256(letter.key.encode()).hexdigest()[:32]
            fields = {"id": key, "to": letter.address, "text": short(letter), "at": letter.at.isoformat()}
            body = json.dumps(fields, ensure_ascii=False).encode()
            seconds = int(clock.real_now().timestamp())
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": key,
                "X-Baoqi-Timestamp": str(seconds),
                "X-Baoqi-Signature": signature(secret, seconds, body),
            }
            answer = await send(http, "POST", settings.sms_url, content=body, headers=headers)
            if answer.is_success or answer.status_code == _HAS_IT:
                return
            if answer.status_code in _NEVER:
                raise Refused(f"短信网关拒收。 The gateway refused it: HTTP {answer.status_code}.")
            raise Down(f"HTTP {answer.status_code}", status_says(answer.status_code))

        yield hand_over


def short(letter: Letter) -> str:
    """The first line, in Chinese, and where to read the rest."""
    first = letter.text.strip().split("\n", 1)[0]
    link = letter.links[0] if letter.links else ""
    room = _CHARACTERS - len(link) - 1
    return f"{first if len(first) <= room else first[: max(room - 1, 0)] + '…'} {link}".strip()
