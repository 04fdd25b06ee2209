"""The HTTP client of the agencies' interfaces: one place that speaks their language and sorts their failures.

Two kinds of failure only. `AgencyUnavailable`: connection refused, time-out, 5xx, 429: ask again, for as long as it
takes. `AgencyRefused`: the agency understood and said no; asking again changes nothing. Sentences of both are bilingual
and carry no personal data (an agency's own sentence can, so it is not passed on). No database work here.
"""

import asyncio
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import httpx2
from pydantic import BaseModel, ValidationError

from schemas.base import Text

OFFSET_HEADER = "X-Clock-Offset-Seconds"
TIMEOUT_SECONDS = 20.0
M = TypeVar("M", bound=BaseModel)

AGENCY_TITLES = {
    "social_bureau": Text(zh="社保局", en="the social bureau"),
    "medical_bureau": Text(zh="医保局", en="the medical bureau"),
    "tax_office": Text(zh="税务局", en="the tax office"),
}


class AgencyUnavailable(Exception):
    """The agency cannot be reached or is down; the same request may be sent again."""

    def __init__(self, agency: str, why: str) -> None:
        title = AGENCY_TITLES[agency]
        self.agency = agency
        self.text = Text(
            zh=f"{title.zh}系统暂时无法访问（{why}），系统会自动重试，无需处理。",
            en=f"The system of {title.en} cannot be reached ({why}); it is tried again automatically.",
        )
        super().__init__(f"{self.text.zh} {self.text.en}")


class AgencyRefused(Exception):
    """The agency said no. `status` and `code` are its own; `extra` is the whole answer, which can hold personal data
    and must not reach a workflow or a log."""

    def __init__(self, agency: str, status: int, code: str, extra: dict[str, Any]) -> None:
        title = AGENCY_TITLES[agency]
        self.agency, self.status, self.code, self.extra = agency, status, code, extra
        self.text = Text(
            zh=f"{title.zh}不接受该请求（{code}，HTTP {status}），请核对数据后再办理。",
            en=f"The request was refused by {title.en} ({code}, HTTP {status}); check the data, then try again.",
        )
        super().__init__(f"{self.text.zh} {self.text.en}")


_clients: "WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient]" = WeakKeyDictionary()


def _client() -> httpx2.AsyncClient:
    """One connection pool an event loop: making a client costs more than a request."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
    return _clients[loop]


async def close() -> None:
    """Closes this loop's connections (the worker does so when it stops)."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


class Agency:
    """One agency's interface at its own address (no slash at the end); `offset_seconds` is the demo's clock."""

    def __init__(self, agency: str, base_url: str, offset_seconds: float = 0.0) -> None:
        self.agency = agency
        self.root = base_url.rstrip("/")
        self.headers = {OFFSET_HEADER: str(offset_seconds)} if offset_seconds else {}

    async def get(self, path: str, answer: type[M], **query: str) -> M:
        return self._read(await self._send("GET", path, params=query), answer)

    async def post(self, path: str, body: dict[str, Any], answer: type[M], key: str | None = None) -> M:
        """A write; with `key` the agency does it once however often it is sent."""
        headers = {"Idempotency-Key": key} if key else {}
        return self._read(await self._send("POST", path, json=body, headers=headers), answer)

    async def put(self, path: str, body: dict[str, Any], answer: type[M]) -> M:
        return self._read(await self._send("PUT", path, json=body), answer)

    async def download(self, path: str) -> tuple[bytes, str]:
        """A file and its media type."""
        response = await self._send("GET", path)
        return response.content, response.headers.get("content-type", "application/octet-stream").split(";")[0]

    async def _send(
        self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        try:
            response = await _client().request(
                method, f"{self.root}{path}", headers=self.headers | (headers or {}), **more
            )
        except httpx2.TransportError as error:
            # the class only: the message can quote a URL, and a URL can hold a person's number
            raise AgencyUnavailable(self.agency, type(error).__name__) from None
        if response.status_code >= 500 or response.status_code == 429:
            raise AgencyUnavailable(self.agency, f"HTTP {response.status_code}")
        if response.status_code >= 400:
            problem = _json(response)
            raise AgencyRefused(self.agency, response.status_code, str(problem.get("code", "refused")), problem)
        return response

    def _read(self, response: httpx2.Response, answer: type[M]) -> M:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError:
            # half an answer, or a maintenance page with status 200
            raise AgencyUnavailable(self.agency, "unreadable answer") from None


def _json(response: httpx2.Response) -> dict[str, Any]:
    """The answer as an object; a refusal without a readable body is still a refusal."""
    try:
        value: Any = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]
