"""What the incident desk says of a fault: what could not be done, why in plain words, and what to do."""

from schemas.base import Text
from schemas.incident_faults import why_of
from schemas.incident_steps import Way, step_of
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
ENDED: dict[str, Text] = {
    "succeeded": Text(zh="已自行恢复", en="Recovered by itself"),
    "decided": Text(zh="已处理", en="Decided"),
    "failed": Text(zh="自动重试无效，已转人工决定", en="No retry helps: a decision is asked for"),
    "gone": Text(zh="不再需要", en="No longer needed"),
}


def what(row: Incident) -> Text:
    """What could not be done."""
    if row.kind == "stuck":
        return STANDS_STILL
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
    return why_of(row.error)


def advice(row: Incident) -> Text:
    """What to do."""
    if row.kind == "stuck":
        return TO_MEND
    first = TRIED_AGAIN if row.kind == "retrying" else WAITS
    step = step_of(row.step)
    if step.otherwise is None or step.ways == (Way.RETRY,):
        return first
    return Text(zh=f"{first.zh}{step.otherwise.zh}", en=f"{first.en} {step.otherwise.en}")


def fault(row: Incident) -> str:
    """What an administrator reads."""
    return f"{row.error}: {row.message}" if row.message else row.error
