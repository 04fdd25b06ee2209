"""What the incident desk says of a fault: what could not be done, why in plain words, and what to do."""

from api.nobody import roles_text
from schemas.base import Text
from schemas.forms import kind_titles
from schemas.incident_faults import why_of
from schemas.incident_steps import REDONE, Way, step_of
from schemas.incidents import ORDER, START
from store.projection import AGENCIES
from store.tables.incidents import Incident

BROKEN = Text(
    zh="流程程序出错，案件停在原处，系统会不断重试；资料没有丢失。",
    en="The program of the process fails; the case stands where it is, and is tried again. Nothing is lost.",
)
STANDS_STILL = Text(zh="案件停止推进", en="The case stands still")
TO_MEND = Text(
    zh="请管理员查看错误并修复程序或回退版本；修复后案件在几分钟内（最迟约十分钟）自动继续，请勿在引擎中重置。"
    "停滞期间该案件不发提醒，期限请人工掌握；已提交的办理结果会保存，案件恢复后自动送达。",
    en="An administrator looks at the fault and mends the program or goes back to the version before; the case then "
    "goes on by itself within minutes (ten at most): do not reset it in the engine. Meanwhile it sends no reminders: "
    "keep an eye on its dates. Answers given are kept and reach it then.",
)
TRIED_AGAIN = Text(
    zh="系统会继续自动重试；原因排除后可立即重试。",
    en="It is tried again automatically; retry once the cause is mended.",
)
WAITS = Text(zh="原因排除后重试，案件才会继续。", en="Mend the cause and retry; the case waits until then.")
NOT_TAKEN = Text(
    zh="办理人已提交，系统已保存，但流程至今没有接收：多半是流程程序出错，或引擎（Temporal）、工作进程没有运行。",
    en="It was sent and is kept, but the case has not taken it: most likely the program of the process fails on it, or "
    "the engine (Temporal) or its workers do not run.",
)
NOT_BEGUN = Text(
    zh="发起已保存，但引擎（Temporal）没有确认，或工作进程至今没有接手：多半是引擎、工作进程没有运行，或流程程序出错。",
    en="The start is kept, but the engine (Temporal) has not confirmed it, or no worker has taken it up: most likely "
    "they do not run, or the program of the process fails.",
)
ORDER_NOT_TAKEN = Text(
    zh="指令已保存，但个案至今没有接收：多半是流程程序出错，或引擎（Temporal）、工作进程没有运行。个案仍按原规则办理。",
    en="The order is kept, but the case has not taken it: most likely the program of the process fails on it, or the "
    "engine (Temporal) or its workers do not run. The case still works by the rules it had.",
)
_LOOK = Text(
    zh="请管理员查看引擎与工作进程是否运行、日志中有无该案件的错误，修复程序或回退版本；接收后本条自动消失。",
    en="An administrator looks whether engine and workers run and what the log says of this case, and mends the "
    "program or goes back to the version before; this incident ends by itself once it is taken.",
)
TO_BE_TAKEN = Text(
    zh=f"内容没有丢失，系统会不断重新送达，请勿重复填报。{_LOOK.zh}接收前任务不能由他人办理，期限请人工掌握。",
    en=f"Nothing is lost and it is sent again and again: do not fill it in anew. {_LOOK.en} Until then nobody else can "
    "do the task: keep an eye on its dates.",
)
TO_BEGIN = Text(
    zh=f"资料没有丢失，系统会不断重新发起，请勿重复上传或发起。{_LOOK.zh}开始前没有任务、期限和提醒，期限请人工掌握。",
    en=f"Nothing is lost and it is started again and again: do not upload or start it anew. {_LOOK.en} Until then it "
    "has no tasks, dates or reminders: keep an eye on its dates.",
)
ORDER_TO_BE_TAKEN = Text(
    zh=f"指令没有丢失，系统会不断重新送达，请勿重复下令。{_LOOK.zh}接收前该个案的期限按原规则显示，以现行规则为准的日期请人工掌握。",
    en=f"The order is not lost and is sent again and again: do not give it anew. {_LOOK.en} Until then the case shows "
    "its dates by the rules it had: keep an eye on those that the rules in force would give.",
)
TO_BE_DONE = Text(
    zh="请管理员把所需角色授予一名未参与的人员，或重新启用账号；点名请其签署的，由科长改派或减签。"
    "有人可办后本条自动消失；在此之前期限照常计算。",
    en="An administrator gives the role to somebody who took no part, or opens a login again; a signature asked by "
    "name is reassigned or taken off by a supervisor. This ends by itself once somebody may do it; its dates run on.",
)
# Of what is untaken and no answer: what, why, what to do.
_PROMISED: dict[str, tuple[Text, Text, Text]] = {
    START: (Text(zh="流程尚未开始", en="The case has not begun yet"), NOT_BEGUN, TO_BEGIN),
    ORDER: (
        Text(zh="改按新规则办理的指令尚未被个案接收", en="The order to take over rules is not taken by its case yet"),
        ORDER_NOT_TAKEN,
        ORDER_TO_BE_TAKEN,
    ),
}
ENDED: dict[str, Text] = {
    "succeeded": Text(zh="已自行恢复", en="Recovered by itself"),
    "decided": Text(zh="已处理", en="Decided"),
    "failed": Text(zh="自动重试无效，已转人工决定", en="No retry helps: a decision is asked for"),
    "taken": Text(zh="流程已接收", en="Taken by the case"),
    "refused": Text(zh="流程未接受，须重新办理", en="Not accepted by the case: to be done again"),
    "gone": Text(zh="不再需要", en="No longer needed"),
    "found": Text(zh="已有人可以办理", en="Somebody may do it now"),
}


def what(row: Incident) -> Text:
    """What could not be done."""
    if row.kind == "stuck":
        return STANDS_STILL
    if row.kind == "untaken":
        if row.step in _PROMISED:
            return _PROMISED[row.step][0]
        title = kind_titles().get(row.step) or Text(zh=row.step, en=row.step)
        return Text(
            zh=f"「{title.zh}」的办理结果尚未被流程接收", en=f"The answer to “{title.en}” is not taken by its case yet"
        )
    if row.kind == "nobody":
        title = kind_titles().get(row.step) or Text(zh=row.step, en=row.step)
        return Text(zh=f"「{title.zh}」无人可以办理", en=f"Nobody may do “{title.en}”")
    title = step_of(row.step).title
    return Text(zh=f"未能{title.zh}", en=f"Could not {title.en}") if row.step else title


def agency(row: Incident) -> str | None:
    """At whom: its code stands in the call's id, where the step asks more than one."""
    named = (part for part in row.activity_id.split("/") if part in AGENCIES)
    return next(named, step_of(row.step).agency)


def why(row: Incident) -> Text:
    """Why, in plain words."""
    if row.kind == "stuck":
        return BROKEN
    if row.kind == "untaken":
        return _PROMISED[row.step][1] if row.step in _PROMISED else NOT_TAKEN
    if row.kind == "nobody":
        role = roles_text((row.message or "").split())
        return Text(
            zh=f"该任务须由{role.zh}办理：没有在用的账号能办，或能办的人都参与过所审事项（双人复核）。",
            en=f"It is for {role.en}: no open login may do it, or all who may took part in it (four eyes).",
        )
    return why_of(row.error)


def advice(row: Incident) -> Text:
    """What to do."""
    if row.kind == "stuck":
        return TO_MEND
    if row.kind == "untaken":
        return _PROMISED[row.step][2] if row.step in _PROMISED else TO_BE_TAKEN
    if row.kind == "nobody":
        return TO_BE_DONE
    first = TRIED_AGAIN if row.kind == "retrying" else WAITS
    if row.kind == "failed" and not row.step and row.activity_id in REDONE:
        redone = REDONE[row.activity_id]
        return Text(zh=f"{first.zh}{redone.zh}", en=f"{first.en} {redone.en}")
    step = step_of(row.step)
    if step.otherwise is None or step.ways == (Way.RETRY,):
        return first
    return Text(zh=f"{first.zh}{step.otherwise.zh}", en=f"{first.en} {step.otherwise.en}")


def fault(row: Incident) -> str:
    """What an administrator reads."""
    return f"{row.error}: {row.message}" if row.message else row.error
