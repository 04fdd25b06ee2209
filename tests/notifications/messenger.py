"""A real HTTP server on this machine that speaks as WeCom, DingTalk, Feishu and an SMS gateway do.

It checks tokens and signatures by what those services document, written anew here, and holds back what they hold back.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ROBOT_SECRET = "SEC000000000000000000000"
FEISHU_SECRET = "uXqRhUhC1x4aV3"
SMS_SECRET = "shared with the gateway"
MEMBERS = ("wangmin", "lijing", "ou_7d8a6e6df7621556ce0d21922b676706", "13800138000", "13900139000")
NEAR = 3600.0


class Messenger:
    """`taken`: every request that was accepted, as (service, reader, text, request); `shown`: what a reader sees."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str, str, Any]] = []
        self.shown: list[tuple[str, str, str]] = []
        self.tokens: set[str] = set()
        self.asked_for_tokens = 0
        self.busy = False
        self.on_taken: Callable[[], Awaitable[None]] | None = None
        self._seen: set[Any] = set()
        self.app = Starlette(
            routes=[
                Route("/cgi-bin/gettoken", self.wecom_token),
                Route("/cgi-bin/message/send", self.wecom_message, methods=["POST"]),
                Route("/cgi-bin/webhook/send", self.wecom_robot, methods=["POST"]),
                Route("/gettoken", self.dingtalk_token),
                Route("/topapi/message/corpconversation/asyncsend_v2", self.dingtalk_message, methods=["POST"]),
                Route("/robot/send", self.dingtalk_robot, methods=["POST"]),
                Route("/open-apis/auth/v3/tenant_access_token/internal", self.feishu_token, methods=["POST"]),
                Route("/open-apis/im/v1/messages", self.feishu_message, methods=["POST"]),
                Route("/open-apis/bot/v2/hook/abc", self.feishu_robot, methods=["POST"]),
                Route("/sms", self.sms, methods=["POST"]),
            ]
        )

    async def _take(self, service: str, reader: str, text: str, request: Any, same: Any = None) -> None:
        """`same`: what the service compares; a second one is accepted and not shown."""
        self.taken.append((service, reader, text, request))
        if same is None or (service, same) not in self._seen:
            self.shown.append((service, reader, text))
        self._seen.add((service, same))
        if self.on_taken is not None:
            await self.on_taken()

    def _token(self, service: str, right: bool) -> str | None:
        if not right:
            return None
        self.asked_for_tokens += 1
        token = f"{service}-{self.asked_for_tokens}"
        self.tokens.add(token)
        return token

    # --- WeCom: developer.work.weixin.qq.com, 91039, 90236, 91770 ---

    async def wecom_token(self, request: Request) -> Response:
        q = request.query_params
        token = self._token("wecom", (q["corpid"], q["corpsecret"]) == ("ww01", "right"))
        if token is None:
            return JSONResponse({"errcode": 40001, "errmsg": "invalid credential"})
        return JSONResponse({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200})

    async def wecom_message(self, request: Request) -> Response:
        if request.query_params["access_token"] not in self.tokens:
            return JSONResponse({"errcode": 42001, "errmsg": "access_token expired"})
        raw = await request.body()
        body = json.loads(raw)
        assert (body["agentid"], body["msgtype"], body["enable_duplicate_check"]) == (1000002, "text", 1)
        assert 0 < body["duplicate_check_interval"] <= 14400
        assert len(body["text"]["content"].encode()) <= 2048
        if body["touser"] not in MEMBERS:
            return JSONResponse({"errcode": 81013, "errmsg": "user & party & tag all invalid"})
        await self._take("wecom", body["touser"], body["text"]["content"], raw, same=raw)
        return JSONResponse({"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": "m"})

    async def wecom_robot(self, request: Request) -> Response:
        if request.query_params.get("key") != "robot-key":
            return JSONResponse({"errcode": 93000, "errmsg": "invalid webhook url"})
        body = await request.json()
        assert body["msgtype"] == "text"
        if self.busy:
            return JSONResponse({"errcode": 45009, "errmsg": "api freq out of limit"})
        await self._take("wecom_robot", body["text"]["mentioned_list"][0], body["text"]["content"], body)
        return JSONResponse({"errcode": 0, "errmsg": "ok"})

    # --- DingTalk: open.dingtalk.com, asynchronous-sending-of-enterprise-session-messages, custom-robot-access ---

    async def dingtalk_token(self, request: Request) -> Response:
        q = request.query_params
        token = self._token("dingtalk", (q["appkey"], q["appsecret"]) == ("ding01", "right"))
        if token is None:
            return JSONResponse({"errcode": 40089, "errmsg": "invalid appkey or appsecret"})
        return JSONResponse({"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": 7200})

    async def dingtalk_message(self, request: Request) -> Response:
        if request.query_params["access_token"] not in self.tokens:
            return JSONResponse({"errcode": 42001, "errmsg": "access_token已过期"})
        body = await request.json()
        text = body["msg"]["text"]["content"]
        assert (body["agent_id"], body["msg"]["msgtype"]) == (77, "text")
        if body["userid_list"] not in MEMBERS:
            return JSONResponse({"errcode": 33012, "errmsg": "无效的USERID"})
        await self._take("dingtalk", body["userid_list"], text, body, same=(body["userid_list"], text))
        return JSONResponse({"errcode": 0, "task_id": 256271667526})

    async def dingtalk_robot(self, request: Request) -> Response:
        q = request.query_params
        stamp = q.get("timestamp", "")
        wanted = hmac.new(ROBOT_SECRET.encode("utf-8"), f"{stamp}\n{ROBOT_SECRET}".encode(), hashlib.sha256).digest()
        near = abs(time.time() * 1000 - int(stamp or 0)) < NEAR * 1000
        if q.get("access_token") != "robot-token" or not near or q.get("sign") != base64.b64encode(wanted).decode():
            return JSONResponse({"errcode": 310000, "errmsg": "sign not match"})
        body = await request.json()
        reader = body["at"]["atUserIds"][0]
        assert body["msgtype"] == "text" and f"@{reader}" in body["text"]["content"]
        await self._take("dingtalk_robot", reader, body["text"]["content"], body)
        return JSONResponse({"errcode": 0, "errmsg": "ok"})

    # --- Feishu: open.feishu.cn, tenant_access_token_internal, im/v1/message/create, custom bot ---

    async def feishu_token(self, request: Request) -> Response:
        body = await request.json()
        token = self._token("feishu", (body["app_id"], body["app_secret"]) == ("cli_01", "right"))
        if token is None:
            return JSONResponse({"code": 10014, "msg": "app secret invalid"})
        return JSONResponse({"code": 0, "msg": "ok", "tenant_access_token": token, "expire": 7200})

    async def feishu_message(self, request: Request) -> Response:
        if request.headers["authorization"].removeprefix("Bearer ") not in self.tokens:
            return JSONResponse({"code": 99991663, "msg": "token invalid"}, 400)
        body = await request.json()
        assert request.query_params["receive_id_type"] == "open_id" and len(body["uuid"]) <= 50
        if body["receive_id"] not in MEMBERS:
            return JSONResponse({"code": 230013, "msg": "Bot has NO availability to this user."}, 400)
        text = json.loads(body["content"])["text"]
        await self._take("feishu", body["receive_id"], text, body, same=body["uuid"])
        return JSONResponse({"code": 0, "msg": "success", "data": {"message_id": "om_1"}})

    async def feishu_robot(self, request: Request) -> Response:
        body = await request.json()
        stamp = body.get("timestamp", "0")
        key = f"{stamp}\n{FEISHU_SECRET}"
        wanted = base64.b64encode(hmac.new(key.encode("utf-8"), digestmod=hashlib.sha256).digest()).decode()
        if body.get("sign") != wanted or abs(time.time() - int(stamp)) > NEAR:
            return JSONResponse({"code": 19021, "msg": "sign match fail or timestamp is not within one hour"})
        text = body["content"]["text"]
        reader = text.partition('user_id="')[2].partition('"')[0]
        await self._take("feishu_robot", reader, text, body)
        return JSONResponse({"code": 0, "msg": "success", "StatusCode": 0, "StatusMessage": "success"})

    # --- a gateway for text messages: worker/channels/sms.py says the format ---

    async def sms(self, request: Request) -> Response:
        raw, stamp = await request.body(), request.headers["x-baoqi-timestamp"]
        wanted = hmac.new(SMS_SECRET.encode(), stamp.encode() + b"." + raw, hashlib.sha256).hexdigest()
        if request.headers["x-baoqi-signature"] != f"sha256={wanted}" or abs(time.time() - int(stamp)) > NEAR:
            return Response(status_code=401)
        body = json.loads(raw)
        if body["to"] not in MEMBERS:
            return Response(status_code=422)
        key = request.headers["idempotency-key"]
        again = ("sms", key) in self._seen
        await self._take("sms", body["to"], body["text"], body, same=key)
        return Response(status_code=409 if again else 202)
