"""What all agencies' paths share: refusals as problem+json, outages, idempotent writes and the log.

Invariants: the same idempotency key with the same body gives the same answer and is logged as a repeat; with another
body it is refused. The answer is kept in the same transaction as the work it tells of.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from simulators.clock import OFFSET_HEADER, read_offset, real_seconds, stamp
from simulators.state import State

Work = Callable[[], dict[str, Any]]


class Problem(Exception):
    """A refusal of the agency: HTTP status, stable code, and the sentence in both languages."""

    def __init__(self, status: int, code: str, zh: str, en: str, **extra: Any) -> None:
        super().__init__(en)
        self.status, self.code, self.zh, self.en, self.extra = status, code, zh, en, extra

    def response(self) -> JSONResponse:
        body = {"type": "about:blank", "title": self.code, "status": self.status, "code": self.code}
        headers = {"Retry-After": "1"} if self.status in (503, 504) else None
        return JSONResponse(
            body | {"detail": self.zh, "detail_en": self.en, **self.extra},
            status_code=self.status, media_type="application/problem+json", headers=headers,
        )  # fmt: skip


def state_of(request: Request) -> State:
    """The server's one memory."""
    state: State = request.app.state.agencies
    return state


def offset_of(request: Request) -> float:
    return read_offset(request.headers.get(OFFSET_HEADER))


def refuse_during_outage(state: State, agency: str) -> None:
    """Raises 503 while the agency is down."""
    if state.behaviour(agency).outage or state.outage_until(agency) > real_seconds():
        raise Problem(503, "outage", "系统维护中，请稍后再试。", "The system is down for maintenance; try again later.")


def read(request: Request, agency: str) -> State:
    """Opens a reading path: refuses during an outage, and brings the agencies' own work up to now."""
    state = state_of(request)
    refuse_during_outage(state, agency)
    with state.transaction():
        state.settle()
    return state


def write(
    request: Request,
    agency: str,
    body: Any,
    work: Work,
    *,
    key: str | None,
    key_required: bool = True,
    outcome: str,
    repeat: Callable[[], bool] | None = None,
) -> JSONResponse:
    """Does one write of a caller and logs it.

    `work` runs inside a transaction and gives the answer; it raises `Problem` to refuse (then nothing is changed but
    the log). `repeat` says, for paths without a key, whether this only asks for what is already so.
    """
    state = state_of(request)
    refuse_during_outage(state, agency)
    path, method = request.url.path, request.method
    at = stamp(real_seconds(), offset_of(request))
    if key_required and not key:
        raise Problem(
            400, "key_missing", "缺少请求头 Idempotency-Key，请为每次申报生成唯一标识后重发。",
            "The header Idempotency-Key is missing; send one that is unique to this request.",
        )  # fmt: skip
    digest = hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    with state.transaction() as db:
        state.settle()
        known = (
            db.execute("SELECT * FROM answers WHERE agency = ? AND key = ?", (agency, key)).fetchone() if key else None
        )
        if known is not None:
            same = known["digest"] == digest and known["path"] == path
            state.write_log(agency, at, method, path, key, True, known_outcome(same, outcome), body)
            if same:
                return JSONResponse(json.loads(known["answer"]), status_code=known["status"])
    if known is not None:
        raise Problem(
            422, "key_reused", "同一 Idempotency-Key 已用于内容不同的申报，请更换标识。",
            "This Idempotency-Key was used for a request with other content; use a new one.",
            first_answer=json.loads(known["answer"]),
        )  # fmt: skip
    try:
        with state.transaction() as db:
            is_repeat = bool(repeat and repeat())
            answer = work()
            if key:
                db.execute(
                    "INSERT INTO answers VALUES (?, ?, ?, ?, 200, ?)",
                    (agency, key, path, digest, json.dumps(answer, ensure_ascii=False)),
                )
            state.write_log(agency, at, method, path, key, is_repeat, outcome, body)
    except Problem as refused:
        with state.transaction():
            state.write_log(agency, at, method, path, key, False, f"rejected:{refused.code}", body)
        raise
    if key and state.behaviour(agency).duplicate_responses:
        raise Problem(504, "answer_lost", "网关超时，请查询受理结果。", "Gateway time-out; ask again for the result.")
    return JSONResponse(answer)


def known_outcome(same: bool, outcome: str) -> str:
    """How a known key is logged: a repeat of the same request, or a misuse."""
    return outcome if same else "rejected:key_reused"
