"""DingTalk 钉钉: work notices of an own application to a member, or a signed group robot that mentions the member.

Application: `gettoken`, then `asyncsend_v2`; DingTalk gives the same content of an application to the same person
once a day, so a letter handed over again after a crash arrives once. Robot: `timestamp` in milliseconds and `sign`
(HMAC-SHA256 of "timestamp\\nsecret" with the secret, base64) in the address, 20 messages a minute, no check of
duplicates.
"""

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx2

from domain.delivery import Trouble
from runtime import clock
from runtime.settings import Settings
from worker.channels import Down, Letter, Send, for_a_group, for_the_reader
from worker.channels.application import Application, Codes
from worker.channels.http import ask, client, said

CODES = Codes(
    token_gone=(40014, 42001, 88),
    no_such_member=(33012, 60121, 40035),
    # 310000: the robot's signature, keyword or address is wrong; 130101, 410100, 90018: too many messages.
    channel=(300001, 300005, 310000, 400013, 130101, 410100, 90018, 40001, 40089),
)


def signature(secret: str, milliseconds: int) -> str:
    """The robot's `sign` for a moment."""
    digest = hmac.new(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


@asynccontextmanager
async def channel(settings: Settings) -> AsyncIterator[Send]:
    """Hands letters to the application, or to the robot when there is no application."""
    async with client() as http:
        if settings.dingtalk_app_key:
            yield _Application(http, settings, settings.dingtalk_url).send
        else:
            yield _robot(http, settings)


def _robot(http: httpx2.AsyncClient, settings: Settings) -> Send:
    url, secret = settings.dingtalk_robot_url.get_secret_value(), settings.dingtalk_robot_secret.get_secret_value()

    async def say(letter: Letter) -> None:
        body = {
            "msgtype": "text",
            "text": {"content": f"@{letter.address} {for_a_group(letter)}"},
            "at": {"atUserIds": [letter.address], "isAtAll": False},
        }
        CODES.check(await ask(http, "POST", signed(url, secret, clock.real_now()), json=body))

    return say


def signed(url: str, secret: str, now: datetime) -> str:
    """The robot's address with timestamp and signature; as it is when the robot has no secret."""
    if not secret:
        return url
    milliseconds = int(now.timestamp() * 1000)
    return str(httpx2.URL(url).copy_merge_params({"timestamp": milliseconds, "sign": signature(secret, milliseconds)}))


class _Application(Application):
    codes = CODES

    async def sign_in(self) -> str:
        secret = self.settings.dingtalk_app_secret.get_secret_value()
        query = {"appkey": self.settings.dingtalk_app_key, "appsecret": secret}
        answer = await ask(self.http, "GET", f"{self.root}/gettoken", params=query)
        if answer.get("errcode", 0) != 0 or not answer.get("access_token"):
            raise Down(said(answer.get("errcode"), answer.get("errmsg")), Trouble.REFUSES_US)
        return str(answer["access_token"])

    async def post(self, letter: Letter) -> dict[str, Any]:
        # The same letter has the same content: that is what DingTalk compares.
        body = {
            "agent_id": self.settings.dingtalk_agent_id,
            "userid_list": letter.address,
            "msg": {"msgtype": "text", "text": {"content": for_the_reader(letter)}},
        }
        url = f"{self.root}/topapi/message/corpconversation/asyncsend_v2"
        return await ask(self.http, "POST", url, params={"access_token": self.token}, json=body)
