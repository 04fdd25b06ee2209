"""Decodes payloads for the Temporal UI, for administrators only (`--ui-codec-endpoint …/codec`).

The UI runs on another port of the same host: its browser sends our cookie, so the answer names that origin. Payloads
hold ids and codes, no personal data; they are encrypted all the same.
"""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from api import permissions
from api.problems import NotSignedIn, Problem
from api.sign_in import identify
from runtime.crypto import KeyUnusable
from runtime.settings import get_settings
from runtime.temporal import codec
from schemas.base import Text

router = APIRouter(tags=["codec"], include_in_schema=False)


class Undecodable(Problem):
    status, code = 422, "undecodable"
    text = Text(zh="这些内容不能用本系统的密钥解读。", en="These payloads cannot be read with this installation's key.")


def _cors(request: Request) -> dict[str, str]:
    """Allows the UI's own origin and no other."""
    origin = request.headers.get("origin", "")
    allowed = urlsplit(get_settings().temporal_ui_url or f"http://127.0.0.1:{get_settings().temporal_ui_port}")
    if origin != f"{allowed.scheme}://{allowed.netloc}":
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "POST, OPTIONS",
        "Access-Control-Allow-Headers": "content-type, x-namespace, authorization, x-csrf-token",
        "Vary": "Origin",
    }


@router.options("/codec/{what}")
async def preflight(request: Request, what: str) -> Response:
    del what
    return Response(status_code=204, headers=_cors(request))


@router.post("/codec/{what}")
async def run(request: Request, what: str) -> Response:
    """`encode` or `decode` of {payloads: [...]}."""
    identity = await identify(request)
    if identity is None:
        raise NotSignedIn(headers=_cors(request))
    # No CSRF token: nothing is changed, and only the UI's origin may read the answer.
    permissions.require_role(identity.viewer, "admin")
    try:
        asked: Any = json_format.Parse(await request.body(), Payloads())
        found: list[Payload] = list(asked.payloads)
        coder = codec(get_settings())
        made = await (coder.encode(found) if what == "encode" else coder.decode(found))
    except (json_format.ParseError, UnicodeDecodeError, KeyUnusable) as error:
        raise Undecodable(headers=_cors(request)) from error
    body = json_format.MessageToJson(Payloads(payloads=made))
    return Response(body, media_type="application/json", headers=_cors(request))
