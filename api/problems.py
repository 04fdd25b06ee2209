"""Errors as people and programs read them: RFC 9457 with a stable `code` and a sentence in the reader's language.

Raise one of the named classes; nothing else leaves a room. A sentence says what is wrong and what to do, and quotes no
personal data. Bad forms name each field by a JSON pointer into the request's body.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException

from domain.policy import PolicyError
from runtime.clock import SHANGHAI
from schemas.api import Fault, ProblemView
from schemas.base import Text
from schemas.messages_of_fields import NOT_JSON, faults_of
from store.database import AWAY

AWAY_SECONDS = "3"  # after which a program asks again while the database is away


class Problem(Exception):
    """Base. `faults` are (pointer, code, sentence)."""

    status = 400
    code = "bad_request"
    text = Text(zh="请求有误，请检查后重试。", en="The request is wrong; check it and try again.")

    def __init__(
        self,
        text: Text | None = None,
        *,
        faults: Sequence[tuple[str, str, Text]] = (),
        headers: dict[str, str] | None = None,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        self.text = text or type(self).text
        self.faults = list(faults)
        self.headers = headers or {}
        self.status = status or type(self).status
        self.code = code or type(self).code
        super().__init__(f"{self.text.zh} {self.text.en}")

    def view(self, language: str, instance: str | None = None) -> ProblemView:
        """The body that is sent."""
        return ProblemView(
            type=f"urn:baoqi:problem:{self.code}",
            title=pick(_TITLES.get(self.status, _TITLES[400]), language),
            status=self.status,
            code=self.code,
            detail=pick(self.text, language),
            instance=instance,
            errors=[Fault(pointer=p, code=c, message=pick(m, language)) for p, c, m in self.faults],
        )


class NotSignedIn(Problem):
    status, code = 401, "not_signed_in"
    text = Text(
        zh="尚未登录或登录已过期，请重新登录。", en="You are not signed in, or the session has ended: sign in again."
    )


class BadCredentials(Problem):
    status, code = 401, "bad_credentials"
    text = Text(zh="用户名或密码不正确。", en="User name or password is not right.")


class LockedOut(Problem):
    status, code = 429, "locked_out"
    text = Text(
        zh="密码连续输错多次，该账号暂时锁定，请十五分钟后再试。",
        en="Too many wrong passwords: the login is locked for a quarter of an hour.",
    )


class CsrfMissing(Problem):
    status, code = 403, "csrf_missing"
    text = Text(
        zh="请求缺少或带错了防伪标记 X-CSRF-Token，请刷新页面后重试。",
        en="The header X-CSRF-Token is missing or wrong: reload the page and try again.",
    )


class NotAllowed(Problem):
    status, code = 403, "not_allowed"
    text = Text(zh="您的角色不能进行此操作。", en="Your role may not do this.")


class FourEyes(Problem):
    status, code = 403, "four_eyes"
    text = Text(
        zh="须由另一人办理：您已参与上一步，不能自行审批。",
        en="Someone else must decide this: you took part in the step before.",
    )


class NotFound(Problem):
    status, code = 404, "not_found"
    text = Text(zh="没有找到，或您无权查看。", en="Not found, or not yours to see.")


class TaskHeld(Problem):
    status, code = 409, "task_held"

    def __init__(self, holder: Text, since: datetime | None = None) -> None:
        at = since.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if since is not None else ""
        super().__init__(
            Text(
                zh=f"该任务现由{holder.zh}办理{f'（{at} 起）' if at else ''}；如需接手，请其转办或释放。",
                en=f"{holder.en} holds this task now{f', since {at}' if at else ''}; ask for it to be transferred or "
                "released.",
            )
        )


class Delegated(Problem):
    status, code = 409, "delegated"
    text = Text(
        zh="该任务是委派给您协办的：请填好内容后交回，由委派人提交。",
        en="This task was delegated to you: fill it in and return it; the one who delegated it submits it.",
    )


class AnswerOnItsWay(Problem):
    status, code = 409, "answer_on_its_way"
    text = Text(
        zh="该任务的办理结果已提交，正在送达流程；流程接收或退回之前，不能再次提交，也不能转交或释放，请稍后查看。",
        en="An answer to this task was sent and is on its way to the case. Until the case takes or refuses it, the "
        "task is neither answered again nor passed on or released: look again later.",
    )


class TooSoon(Problem):
    status, code = 429, "too_soon"


class TaskClosed(Problem):
    status, code = 409, "task_closed"
    text = Text(zh="该任务已经办结或不再需要，请刷新待办。", en="The task is closed already: refresh your inbox.")


class TaskSuspended(Problem):
    status, code = 409, "task_suspended"
    text = Text(zh="流程已中止，恢复后才能办理。", en="The case is suspended: resume it first.")


class StaleVersion(Problem):
    status, code = 409, "stale_version"
    text = Text(
        zh="该任务刚刚有变化，请刷新页面，核对后再提交。",
        en="The task has changed meanwhile: reload it, check, and submit again.",
    )


class NotAllowedNow(Problem):
    status, code = 409, "not_allowed_now"
    text = Text(zh="流程当前的状态不允许此操作。", en="The process cannot do this in its present state.")


class TooLate(Problem):
    status, code = 409, "too_late"
    text = Text(
        zh="下一步已开始办理，不能再撤回；如有错误，请联系现办理人退回。",
        en="The next step has begun, so the answer can no longer be withdrawn: ask its holder to return it.",
    )


class HasWork(Problem):
    status, code = 409, "has_work"
    text = Text(
        zh="该用户名下还有事项，请先移交，再停用账号。",
        en="This person still has work: hand it over, then close the login.",
    )


class LastAdministrator(Problem):
    status, code = 409, "last_administrator"
    text = Text(
        zh="这是最后一个在用的管理员账号，停用后无人能管理系统；请先设置另一名管理员。",
        en="This is the last administrator's login, and nobody else could run the system: make another one first.",
    )


class BadTarget(Problem):
    status, code = 422, "bad_target"
    text = Text(
        zh="该任务不能按此方式退回到这一步，请从可退回的步骤中选择。",
        en="This task cannot be returned to that step in that way: choose one of its own return steps.",
    )


class BadDate(Problem):
    """`api/dates.py` says what is wrong with the day; this is said where a day was refused for what changed since."""

    status, code = 422, "bad_date"
    text = Text(
        zh="不能改到这一天：相关日期刚刚有变动，请刷新后重新选择。",
        en="Not to this day: dates have changed meanwhile. Load the page again and choose another.",
    )


class ProgramFault(Problem):
    status, code = 500, "program_fault"
    text = Text(
        zh="程序计算时出错，未作任何改动，个案可继续办理；请将此事告知系统管理员，修复后再试。",
        en="The program failed while computing this; nothing has changed, and the case goes on. Tell the "
        "administrator, and try again once it is mended.",
    )


class SignsAlready(Problem):
    status, code = 422, "signs_already"
    text = Text(
        zh="该人员已在会签人之列，或就是您本人，无须加签。",
        en="This person signs already, or is yourself: nothing to add.",
    )


class SignerRequired(Problem):
    status, code = 409, "signer_required"
    text = Text(
        zh="只能减去加签的人；制度规定的会签人不能减。",
        en="Only an added signer can be taken off; those whom the rules ask for cannot.",
    )


class BadForm(Problem):
    status, code = 422, "bad_form"
    text = Text(
        zh="表单有误，请按提示更正后再提交。", en="The form has errors: correct the fields named and submit again."
    )


class BadOutcome(Problem):
    status, code = 422, "bad_outcome"

    def __init__(self, given: str, allowed: Sequence[str], instead: Text | None = None) -> None:
        """`instead`: what to do, where it is known why the outcome is not offered now."""
        text = Text(
            zh=f"该任务没有“{given[:40]}”这一办理结果，可用：{'、'.join(allowed)}。{instead.zh if instead else ''}",
            en=f"The task has no outcome {given[:40]!r}; use one of: {', '.join(allowed)}."
            f"{f' {instead.en}' if instead else ''}",
        )
        super().__init__(text, faults=[("/outcome", "bad_outcome", text)])


class KeyReused(Problem):
    status, code = 422, "idempotency_key_reused"
    text = Text(
        zh="同一个 Idempotency-Key 已用于另一份内容，请换一个新的键。",
        en="This Idempotency-Key was used with another body: use a new key.",
    )


class KeyMissing(Problem):
    status, code = 422, "idempotency_key_missing"
    text = Text(
        zh="缺少请求头 Idempotency-Key（1 至 200 个可见字符），请为每次提交生成一个新的键。",
        en="The header Idempotency-Key (1 to 200 visible characters) is missing: make a new one for each submission.",
    )


class DocumentsMissing(Problem):
    status, code = 422, "documents_missing"
    text = Text(zh="还缺必交材料，请上传后再提交。", en="Required documents are missing: upload them, then submit.")


class BadFile(Problem):
    status, code = 422, "bad_file"


class BadCharacter(Problem):
    """PostgreSQL stores no NUL character, and no half of a surrogate pair can be sent to it."""

    status, code = 422, "bad_character"
    text = Text(
        zh="内容含有无法保存的控制字符或超出范围的数值，请删除后重试。",
        en="The content holds a character or a number that cannot be stored: remove it and try again.",
    )


class TooLarge(Problem):
    status, code = 413, "too_large"


class InvalidPeriod(Problem):
    status, code = 422, "invalid_period"
    text = Text(
        zh="月份、日期或机构无效：月份请写作 2026-11，日期应在 1900 至 2199 年之间，机构请从列表中选择。",
        en="No such month, date or authority: write a month as 2026-11, a date in the years 1900 to 2199, and choose "
        "an authority from the list.",
    )


class BadMoment(Problem):
    status, code = 422, "bad_moment"
    text = Text(
        zh="看不懂这个时刻：请写作 2026-11-20T09:15（北京时间），或带上时区。",
        en="This moment cannot be read: write it as 2026-11-20T09:15 (Shanghai time), or with its zone.",
    )


class BadCursor(Problem):
    status, code = 422, "bad_cursor"
    text = Text(zh="翻页标记无效，请从第一页重新开始。", en="The cursor is not valid: start again from the first page.")


class Unavailable(Problem):
    status, code = 503, "unavailable"
    text = Text(
        zh="系统后台暂时无法访问，您的数据没有丢失，请稍后重试。",
        en="A server behind this one does not answer; nothing is lost, try again in a moment.",
    )


class MayFollow(Unavailable):
    """A verb was handed to the engine, which did not confirm it in time: it may be carried out later."""

    status, code = 504, "not_confirmed"
    text = Text(
        zh="已送达，尚未得到确认，可能稍后执行；请稍后刷新查看，不要重复操作。",
        en="It was handed over and is not confirmed yet: it may be carried out later. Look again in a moment, and do "
        "not do it a second time.",
    )


class RulesUnreadable(Problem):
    """No work by rules that cannot be read: a file is broken, or an applied change fits the files no more."""

    status, code = 503, "rules_unreadable"

    def __init__(self, fault: Text) -> None:
        super().__init__(
            Text(
                zh=f"规则目前无法读取，更正后即恢复，已保存的内容不受影响：{fault.zh}",
                en=f"The rules cannot be read until this is set right; nothing that is stored is lost: {fault.en}",
            )
        )


_TITLES = {
    400: Text(zh="请求有误", en="Bad request"),
    401: Text(zh="未登录", en="Not signed in"),
    403: Text(zh="不允许", en="Not allowed"),
    404: Text(zh="未找到", en="Not found"),
    405: Text(zh="方法不支持", en="Method not allowed"),
    409: Text(zh="状态冲突", en="Conflict"),
    413: Text(zh="内容过大", en="Too large"),
    415: Text(zh="类型不支持", en="Unsupported type"),
    422: Text(zh="内容有误", en="Invalid content"),
    429: Text(zh="尝试过多", en="Too many tries"),
    500: Text(zh="系统错误", en="Internal error"),
    503: Text(zh="暂不可用", en="Unavailable"),
    504: Text(zh="尚未得到确认", en="Not confirmed yet"),
}
_HTTP = {
    404: Text(zh="没有这个地址。", en="There is no such address."),
    405: Text(zh="该地址不支持这种请求方法。", en="This address does not take this method."),
}
_UNREADABLE = "There was an error parsing the body"  # FastAPI's words for a body that broke the parser itself


def pick(text: Text, language: str) -> str:
    if language == BOTH:
        return f"{text.zh} {text.en}"
    return text.en if language == "en" else text.zh


BOTH = "both"  # `?lang=both`, for programs that show an answer to they do not know whom; pages have one language


def language_of(request: Request) -> str:
    """zh or en (for the API also both): `?lang=`, then the cookie `lang`, then for the API Accept-Language; Chinese by
    default.

    A page is Chinese until someone switches: a campus browser often still says English.
    """
    asked = request.query_params.get("lang") or request.cookies.get("lang")
    of_api = request.url.path.startswith("/api/")
    if asked in ("zh", "en") or (asked == BOTH and of_api):
        return asked
    if not of_api:
        return "zh"
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh"


def answer(request: Request, problem: Problem) -> JSONResponse:
    """The problem as a response."""
    view = problem.view(language_of(request), request.url.path)
    return JSONResponse(
        view.model_dump(mode="json"), problem.status, problem.headers, media_type="application/problem+json"
    )


def install(app: FastAPI) -> None:
    """Turns every error of the app into a problem."""

    async def named(request: Request, error: Problem) -> Response:
        return answer(request, error)

    async def invalid(request: Request, error: RequestValidationError) -> Response:
        faults: list[tuple[str, str, Text]] = []
        for detail in error.errors():
            where, *rest = detail["loc"]
            if detail["type"] == "json_invalid":
                rest = []  # the place is an offset in the text, no field
            inside = {**detail, "loc": tuple(rest)}
            prefix = "" if where == "body" else f"/{where}"
            faults.extend(faults_of([inside], prefix))  # pyright: ignore[reportArgumentType]
        return answer(request, BadForm(faults=faults))

    async def http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400 and error.detail == _UNREADABLE:  # nested too deeply, a number of endless digits
            return answer(request, BadForm(faults=[("", "json_invalid", NOT_JSON)]))
        status = error.status_code if error.status_code in _TITLES else 400
        text = _HTTP.get(error.status_code, Problem.text)
        headers = dict(error.headers or {})
        return answer(request, Problem(text, status=status, code=f"http_{error.status_code}", headers=headers))

    async def away(request: Request, error: Exception) -> Response:
        del error
        return answer(request, Unavailable(headers={"Retry-After": AWAY_SECONDS}))

    async def unreadable(request: Request, error: PolicyError) -> Response:
        return answer(request, RulesUnreadable(error.text))

    async def unstorable(request: Request, error: Exception) -> Response:
        del error
        return answer(request, BadCharacter())

    handlers: dict[Any, Any] = {Problem: named, RequestValidationError: invalid, HTTPException: http}
    handlers |= {DataError: unstorable, UnicodeEncodeError: unstorable}
    handlers[PolicyError] = unreadable
    handlers |= dict.fromkeys(AWAY, away)
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
