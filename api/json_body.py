"""A route whose body is read as `baoqi calc` reads its input: the same bytes are taken or refused, in the same words.

The framework's own reading keeps the last of two values for one field, guesses encodings and knows one sentence for
everything that is no JSON. What the fields hold it validates as ever.
"""

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Form
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

    given: dict[str, Any] | None = None

    async def json(self) -> Any:
        return self.given


class JsonObjectRoute(APIRoute):
    """For all rooms of the API: where a route takes a JSON object, this is how it is read. One without a body, or with
    a form, is left as it is; no body, or null, is nobody's object where a route can do without."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        field = self.body_field
        if field is None or isinstance(field.field_info, Form):
            return handle
        needed = field.field_info.is_required()

        async def read_first(request: Request) -> Response:
            read = _Read(request.scope, request.receive)
            raw = await read.body()
            if not raw or (not needed and raw.strip() == b"null"):
                return await _without_body(handle, read)
            if not _is_json(request.headers.get("content-type", "")):
                raise BadForm(faults=[("", "not_json_type", _OTHER_TYPE)])
            read.given = _object(raw)
            return await handle(read)

        return read_first


async def _without_body(handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    """Who is not signed in is told that first; then that the object is missing."""
    try:
        return await handle(request)
    except RequestValidationError as error:
        if any(detail["loc"] == ("body",) for detail in error.errors()):
            _object(b"")
        raise


def _object(raw: bytes) -> dict[str, Any]:
    try:
        return read_object(raw)
    except Refused as refused:
        raise BadForm(faults=[(refused.pointer, refused.code, refused.text)]) from refused


def _is_json(content_type: str) -> bool:
    message = Message()
    message["content-type"] = content_type
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))
