"""What the incident desk says of a fault: what could not be done, why in plain words, and what to do."""

from schemas.base import Text
from schemas.incident_steps import Way, step_of
from store.tables.incidents import Incident

WHY: dict[str, Text] = {
    "AgencyUnavailable": Text(
        zh="经办机构的系统暂时无法访问或尚未准备好数据。",
        en="The authority's system cannot be reached, or does not have the data yet.",
    ),
    "AgencyRefused": Text(zh="经办机构的系统不接受这一请求。", en="The authority's system refuses the request."),
    "NoAnswer": Text(
        zh="上一次尝试没有在时限内结束，或工作进程中断。",
        en="The last attempt did not end in its time, or its worker was interrupted.",
    ),
    "DatabaseAway": Text(zh="数据库暂时无法访问。", en="The database cannot be reached."),
    "PolicyGap": Text(zh="政策数据缺少所需的规定或数值。", en="The policy data lack a rule or value that is needed."),
    "PolicyError": Text(zh="政策数据有误。", en="The policy data have a fault."),
    "UnreadableBill": Text(zh="征集单无法识别。", en="The bill cannot be read."),
    "NumberMissing": Text(zh="有人员尚无参保编号。", en="Somebody has no number at the agency yet."),
}
UNEXPECTED = Text(zh="程序出现了未预期的错误。", en="The program met an error that it does not know.")
BROKEN = Text(
    zh="流程程序出错，案件停在原处，系统会不断重试；资料没有丢失。",
    en="The program of the process fails; the case stands where it is, and is tried again. Nothing is lost.",
)
STANDS_STILL = Text(zh="案件停止推进", en="The case stands still")
TO_MEND = Text(
    zh="请管理员查看错误并修复程序或回退版本；修复后案件自动继续。期间的期限请按提醒人工掌握。",
    en="An administrator looks at the fault and mends the program or goes back to the version before; the case then "
    "goes on by itself. Keep an eye on its dates meanwhile.",
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


def why(row: Incident) -> Text:
    """Why, in plain words."""
    if row.kind == "stuck":
        return BROKEN
    return WHY.get(row.error, UNEXPECTED)


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
