"""WeCom 企业微信: messages of an own application to a member, or a group robot that mentions the member.

Application: `gettoken` by corp id and secret, then `message/send`; WeCom keeps back a message whose request was the
same within four hours (`enable_duplicate_check`), so a letter handed over again after a crash arrives once. Robot:
a webhook whose key is its secret, 20 messages a minute, no check of duplicates.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from domain.delivery import Trouble
from runtime.settings import Settings
from worker.channels import Down, Letter, Refused, Send, for_a_group, for_the_reader
from worker.channels.application import Application, Codes
from worker.channels.http import ask, client, said

DUPLICATES_SECONDS = 4 * 3600
CODES = Codes(
    token_gone=(40014, 42001, 41001),
    # Nobody of that name, or not within the application's reach: asking again changes nothing.
    no_such_member=(60111, 81013, 40003, 46004),
    # Secret, agent or key wrong, address of this server not allowed, too many messages: it is the channel's.
    channel=(40001, 40013, 40056, 40091, 45009, 45033, 60020, 93000, 93008),
)
_BYTES = 2048  # of a text message


@asynccontextmanager
async def channel(settings: Settings) -> AsyncIterator[Send]:
    """Hands letters to the application, or to the robot when there is no application."""
    async with client() as http:
        if settings.wecom_corp_id:
            yield _Application(http, settings, settings.wecom_url).send
        else:
            robot = settings.wecom_robot_url.get_secret_value()

            async def say(letter: Letter) -> None:
                text = {"content": for_a_group(letter), "mentioned_list": [letter.address]}
                CODES.check(await ask(http, "POST", robot, json={"msgtype": "text", "text": text}))

            yield say


class _Application(Application):
    codes = CODES

    async def sign_in(self) -> str:
        secret = self.settings.wecom_secret.get_secret_value()
        query = {"corpid": self.settings.wecom_corp_id, "corpsecret": secret}
        answer = await ask(self.http, "GET", f"{self.root}/cgi-bin/gettoken", params=query)
        if answer.get("errcode", 0) != 0 or not answer.get("access_token"):
            raise Down(said(answer.get("errcode"), answer.get("errmsg")), Trouble.REFUSES_US)
        return str(answer["access_token"])

    async def post(self, letter: Letter) -> dict[str, Any]:
        # The same letter is the same request to the byte: that is what WeCom compares.
        body = {
            "touser": letter.address,
            "msgtype": "text",
            "agentid": self.settings.wecom_agent_id,
            "text": {"content": _cut(for_the_reader(letter))},
            "enable_duplicate_check": 1,
            "duplicate_check_interval": DUPLICATES_SECONDS,
        }
        query = {"access_token": self.token}
        return await ask(self.http, "POST", f"{self.root}/cgi-bin/message/send", params=query, json=body)

    def look_into(self, answer: Mapping[str, Any]) -> None:
        if answer.get("invaliduser") or answer.get("unlicenseduser"):
            raise Refused(
                "企业微信中没有此成员，或不在应用可见范围内。 WeCom knows no such member, or not this application."
            )


def _cut(text: str) -> str:
    """WeCom cuts at a number of bytes; here at a character before it."""
    whole = text.encode()
    return text if len(whole) <= _BYTES else whole[: _BYTES - 3].decode(errors="ignore") + "…"
