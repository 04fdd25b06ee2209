"""Feishu 飞书: messages of an own application to a member, or a signed group robot that mentions the member.

Application: `tenant_access_token`, then `im/v1/messages`; its `uuid` is made from the letter's key, so that Feishu
gives a letter handed over again within an hour once. Robot: `timestamp` in seconds and `sign` in the body
(HMAC-SHA256 of nothing with "timestamp\\nsecret" as the key, base64), 100 messages a minute, no check of
duplicates.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from domain.delivery import Trouble
from runtime import clock
from runtime.settings import Settings
from worker.channels import Down, Letter, Send, for_a_group, for_the_reader, status_says
from worker.channels.application import Application, Codes
from worker.channels.http import body_of, client, said, send

CODES = Codes(
    token_gone=(99991661, 99991663, 99991664, 99991668),
    no_such_member=(230001, 230013, 230029, 230053, 99992351, 99992352, 99992360, 99992361),
    # 19021: the robot's signature; 19022, 19024: its list of addresses or its keyword; the rest: too many, not allowed.
    channel=(9499, 11232, 19001, 19021, 19022, 19024, 10003, 10014, 230006, 230020, 99991400, 99991672),
    code_in=("code", "StatusCode"),
    words_in=("msg", "StatusMessage"),
)
_WRONG = 500


def signature(secret: str, seconds: int) -> str:
    """The robot's `sign` for a moment."""
    digest = hmac.new(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def id_type(address: str) -> str:
    """What kind of address it is: an open id, a mail address, or a member's user id."""
    return "open_id" if address.startswith("ou_") else "email" if "@" in address else "user_id"


@asynccontextmanager
async def channel(settings: Settings) -> AsyncIterator[Send]:
    """Hands letters to the application, or to the robot when there is no application."""
    async with client() as http:
        if settings.feishu_app_id:
            yield _Application(http, settings, settings.feishu_url).send
        else:
            yield _robot(http, settings)


def _robot(http: httpx2.AsyncClient, settings: Settings) -> Send:
    url, secret = settings.feishu_robot_url.get_secret_value(), settings.feishu_robot_secret.get_secret_value()

    async def say(letter: Letter) -> None:
        mention = f'<at user_id="{letter.address}"></at> ' if id_type(letter.address) != "email" else ""
        body: dict[str, Any] = {"msg_type": "text", "content": {"text": mention + for_a_group(letter)}}
        if secret:
            seconds = int(clock.real_now().timestamp())
            body = {"timestamp": str(seconds), "sign": signature(secret, seconds), **body}
        CODES.check(await _asked(http, url, json=body))

    return say


class _Application(Application):
    codes = CODES

    async def sign_in(self) -> str:
        secret = self.settings.feishu_app_secret.get_secret_value()
        body = {"app_id": self.settings.feishu_app_id, "app_secret": secret}
        answer = await _asked(self.http, f"{self.root}/open-apis/auth/v3/tenant_access_token/internal", json=body)
        if answer.get("code") != 0 or not answer.get("tenant_access_token"):
            raise Down(said(answer.get("code"), answer.get("msg")), Trouble.REFUSES_US)
        return str(answer["tenant_access_token"])

    async def post(self, letter: Letter) -> dict[str, Any]:
        body = {
            "receive_id": letter.address,
            "msg_type": "text",
            "content": json.dumps({"text": for_the_reader(letter)}, ensure_ascii=False),
            "uuid": hashlib.sha256(letter.key.encode()).hexdigest()[:48],
        }
        return await _asked(
            self.http,
            f"{self.root}/open-apis/im/v1/messages",
            params={"receive_id_type": id_type(letter.address)},
            headers={"Authorization": f"Bearer {self.token}"},
            json=body,
        )


async def _asked(http: httpx2.AsyncClient, url: str, **request: Any) -> dict[str, Any]:
    """Feishu says why in the body, with status 400 as with 200."""
    answer = await send(http, "POST", url, **request)
    if answer.status_code >= _WRONG:
        raise Down(f"HTTP {answer.status_code}", status_says(answer.status_code))
    return body_of(answer)
