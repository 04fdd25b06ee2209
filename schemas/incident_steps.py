"""Automatic steps in plain words: what each does, and which ways a person has when it fails.

One entry for each activity that a workflow calls; workflow, API and pages read the same table. A way stands here only
where the process knows how to go on after it (`tests/workflows/test_incidents.py` takes each of them). A step of our
own books knows no way but to be tried again: what it would write is what the next step reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.base import Text


class Way(StrEnum):
    """What a person decides about a step that failed."""

    RETRY = "retry"  # the cause is mended: the machine tries again
    CORRECT = "correct"  # the record is corrected by a task first, then the machine tries again
    TAKE_OFF = "take_off"  # who hinders it is taken off the bill by a task first, then the machine tries again
    BY_HAND = "by_hand"  # people do it on the authority's own site or counter; tasks record what came of it
    SKIP = "skip"  # it is left out


WAY_TITLE: dict[Way, Text] = {
    Way.RETRY: Text(zh="重试", en="Retry"),
    Way.CORRECT: Text(zh="更正资料后重试", en="Correct the record, then retry"),
    Way.TAKE_OFF: Text(zh="移出人员后重试", en="Take people off the bill, then retry"),
    Way.BY_HAND: Text(zh="改为人工办理", en="Do it by hand"),
    Way.SKIP: Text(zh="跳过此步", en="Skip this step"),
}
# An administrator runs the system and decides no case; leaving a step out is for who answers for the office.
WAY_ROLES: dict[Way, tuple[str, ...]] = {
    Way.RETRY: ("admin", "clerk", "supervisor"),
    Way.CORRECT: ("clerk", "supervisor"),
    Way.TAKE_OFF: ("clerk", "supervisor"),
    Way.BY_HAND: ("clerk", "supervisor"),
    Way.SKIP: ("supervisor", "head"),
}


@dataclass(frozen=True)
class AutomaticStep:
    """`title` says what it does, `otherwise` what a person does instead; `ways` are those allowed."""

    title: Text
    ways: tuple[Way, ...] = (Way.RETRY,)
    otherwise: Text | None = None
    agency: str | None = None  # whom it asks, where that is always the same

    def roles(self) -> list[str]:
        """Who is asked when it has failed for good: without a choice of the case, an administrator."""
        if self.ways == (Way.RETRY,):
            return ["admin"]
        return sorted({role for way in self.ways for role in WAY_ROLES[way]})


def _step(
    zh: str, en: str, *ways: Way, otherwise: tuple[str, str] | None = None, agency: str | None = None
) -> AutomaticStep:
    instead = Text(zh=otherwise[0], en=otherwise[1]) if otherwise else None
    return AutomaticStep(Text(zh=zh, en=en), (Way.RETRY, *ways), instead, agency)


STEPS: dict[str, AutomaticStep] = {
    "open_process": _step("登记流程，载入规则", "register the process and load the rules"),
    "load_policy": _step("载入现行规则", "load the rules in force"),
    "load_enrolment_facts": _step("读取参保资料", "read the record"),
    "apply_record": _step("更新参保资料", "update the record"),
    "record_exemption": _step("记录免缴认定", "record the exemption"),
    "fill_application": _step(
        "生成参保申请表",
        "fill in the application form",
        Way.CORRECT,
        Way.SKIP,
        otherwise=(
            "更正参保资料后再生成；或跳过，由经办人自行填写申请表。",
            "Correct the record and fill it in again; or skip it, and the clerk fills in the form.",
        ),
    ),
    "submit_application": _step(
        "提交参保申请",
        "hand in the application",
        Way.CORRECT,
        Way.BY_HAND,
        otherwise=(
            "更正参保资料后重新提交；或到经办机构网站（窗口）办理，再登记受理回执与结果。",
            "Correct the record and hand in again; or hand in on the authority's site, then record receipt and result.",
        ),
    ),
    "poll_application": _step(
        "查询办理进度",
        "ask how the application stands",
        Way.BY_HAND,
        otherwise=(
            "到经办机构网站（窗口）查询，再登记受理与办理结果。",
            "Look on the authority's site, then record acceptance and result.",
        ),
    ),
    "record_registration": _step("记录登记进展", "record how the registration stands"),
    "withdraw_registration": _step(
        "撤销登记",
        "undo the registration",
        Way.BY_HAND,
        otherwise=(
            "到经办机构网站（窗口）撤销，再登记撤销日期。",
            "Undo it on the authority's site, then record the day.",
        ),
    ),
    "write_lines": _step("生成应缴明细", "write the premium lines"),
    "case_books": _step("查询缴费与报账情况", "ask the books about payment and settlement"),
    "reverse_lines": _step("冲销未缴明细", "reverse unpaid lines"),
    "late_fee_estimate": _step("估算滞纳金", "estimate the late fee"),
    "start_tax_payment": _step("发起或唤醒当月缴费", "start or wake the month's payment"),
    "open_lines": _step("查询待缴明细", "ask for lines to be paid"),
    "freeze_bill": _step("锁定缴费名单", "freeze the list"),
    "check_visible": _step(
        "查询税务端是否可见",
        "ask whether the tax client shows everyone",
        Way.BY_HAND,
        otherwise=(
            "登录税务端逐人核对，全部可见后登记。",
            "Look at the tax client, and record when everyone is visible.",
        ),
        agency="tax_office",
    ),
    "fetch_bill": _step(
        "取税务端征集单",
        "fetch the tax office's bill",
        Way.TAKE_OFF,
        Way.BY_HAND,
        otherwise=(
            "将尚无参保编号或税务端不可见的人员移出本次缴费；或从税务端下载征集单明细并上传。",
            "Take off the bill who has no number or is not visible at the tax client; or download the bill in detail "
            "from the tax client and upload it.",
        ),
        agency="tax_office",
    ),
    "compare_bill": _step("逐人逐险种核对", "compare the bill line by line"),
    "adjust_bill": _step("按核定结果调整", "adjust the bill"),
    "take_off": _step("移出本次缴费", "take people off the bill"),
    "take_off_leavers": _step("移出已撤销参保的人员", "take off the bill whose case was cancelled"),
    "pay_bill": _step(
        "缴款",
        "pay the bill",
        Way.BY_HAND,
        otherwise=(
            "先确认税务端没有这笔缴款，再到税务端缴款，登记完税证明。",
            "Make sure that the tax office has no such payment; then pay there and record the certificate.",
        ),
        agency="tax_office",
    ),
    "record_payment": _step("登记缴款与完税证明", "record payment and certificate"),
    "start_reimbursement": _step("发起校内报账", "start the reimbursement"),
    "wake_cases": _step(
        "唤醒等待的流程",
        "wake the processes that wait",
        Way.SKIP,
        otherwise=(
            "可以跳过：等待的流程每天会自行核对一次。",
            "It can be skipped: those that wait ask once a day by themselves.",
        ),
    ),
    "wake_payments": _step(
        "通知有关征集单",
        "tell the bills on which the person stands",
        Way.SKIP,
        otherwise=(
            "可以跳过：征集单在缴款前会再核对一次。",
            "It can be skipped: a bill asks once more before it is paid.",
        ),
    ),
    "withholding_list": _step("生成代扣名单", "make the list for payroll"),
    "record_withholding": _step("记录代扣结果", "record what payroll withheld"),
    "prepare_voucher": _step("生成报账单", "make the voucher"),
    "settle_voucher": _step("完成报账", "settle the voucher"),
    "send_notice": _step(
        "发送参保通知",
        "send the notice of enrolment",
        Way.SKIP,
        otherwise=(
            "可以跳过，由经办人另行告知本人。",
            "It can be skipped; the clerk then tells the person in another way.",
        ),
    ),
    "decide_amendment": _step("登记更正结果", "record what became of the amendment"),
    "tell_amended": _step("通知相关流程按更正后的值办理", "tell the processes that count by the amended value"),
    "record_transition": _step("更新待办与进度", "update tasks and progress"),
}


# What a retry of the process's own part does anew, by how much of it failed; said before anybody retries.
ONE_STEP, WHOLE_PART = "step", "part"
REDONE: dict[str, Text] = {
    ONE_STEP: Text(
        zh="重试只重做出错的这一步；此前已办结的步骤、已提交的结果和签署都保留。",
        en="A retry does this one step again; steps that are done, answers given and signatures stay.",
    ),
    WHOLE_PART: Text(
        zh="重试会把这一部分从头办理，其中已办结的步骤可能要重新办理（原提交内容仍在办理记录中）；请先确认程序已修复再重试。",
        en="A retry runs this part from its beginning: steps of it that are done may have to be done again (what was "
        "answered stays on record). Make sure that the program is mended first.",
    ),
}


def step_of(name: str) -> AutomaticStep:
    """The step; for a part of the process itself (no activity of this name) one that can only be tried again."""
    return STEPS.get(name) or AutomaticStep(Text(zh="流程内部步骤", en="a part of the process itself"))


def ways_for(name: str, holds: Sequence[str]) -> list[Way]:
    """The ways of a step that somebody with these roles may choose, in the table's order."""
    return [way for way in step_of(name).ways if set(WAY_ROLES[way]) & set(holds)]
