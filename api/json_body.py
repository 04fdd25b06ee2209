"""A route whose body is read as `baoqi calc` reads its input: the same bytes are taken or refused, in the same words.

The framework's own reading keeps the last of two values for one field, guesses encodings and knows one sentence for
everything that is no JSON. What the fields hold it validates as ever.
"""

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from api.problems import BadForm
from domain.calculations import Refused
from domain.calculations.reading import read_object
from schemas.base import Text

_OTHER_TYPE = Text(
    zh="请求头 Content-Type 应为 application/json。", en="The header Content-Type must be application/json."
)


class _Read(Request):
    """The request with its object, where the framework asks for the JSON."""

    given: dict[str, Any]

    async def json(self) -> Any:
        return self.given


class JsonObjectRoute(APIRoute):
    """For routes that take one JSON object; a route without a body is left as it is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def read_first(request: Request) -> Response:
            read = _Read(request.scope, request.receive)
            raw = await read.body()
            if raw and not _is_json(request.headers.get("content-type", "")):
                raise BadForm(faults=[("", "not_json_type", _OTHER_TYPE)])
            try:
                read.given = read_object(raw)
            except Refused as refused:
                raise BadForm(faults=[(refused.pointer, refused.code, refused.text)]) from refused
            return await handle(read)

        return read_first


def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
