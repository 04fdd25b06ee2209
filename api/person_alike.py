"""A person who looks like the person of a case under another document number: what is said, and what a clerk decides.

Invariants: such a person never starts in silence; only a clerk decides, one person at a time, and the timeline of the
case says so; the number of another college's case is told to no college. A document is replaced only while no agency
has been told the old one.
"""

from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from domain.enrolment_checks import Finding, Severity
from runtime import clock
from schemas.base import Text
from schemas.enrolment import ForeignHire
from store import inbox_events, people
from store.alike import AlikeCase
from store.tables.processes import Process
from store.users import Viewer

Decision = Literal["another_person", "same_person"]
ALIKE, ALIKE_IN_FILE = "person_alike", "person_alike_in_file"
DOCUMENT = ("id_type", "id_number", "id_expires")  # what a renewed passport changes


def may_decide(user: Viewer) -> bool:
    return user.has("clerk")


def may_see(case: AlikeCase, allowed: set[str] | None) -> bool:
    """Whether somebody of these colleges (None: all) may know which case it is."""
    return allowed is None or case.org_unit in allowed


def replaceable(cases: list[AlikeCase]) -> AlikeCase | None:
    """The one open case whose document may be replaced by the new one."""
    still_open = [case for case in cases if case.open]
    return still_open[0] if len(still_open) == 1 and still_open[0].early else None


def ground(*, same_permit: bool, same_who: bool) -> Text:
    """Why two records may be one person."""
    who = Text(zh="姓名、出生日期和国籍相同", en="same name, birth and country")
    permit = Text(zh="工作许可证号相同", en="same work permit number")
    if same_permit and same_who:
        return Text(zh=f"{who.zh}，{permit.zh}", en=f"{who.en}, {permit.en}")
    return permit if same_permit else who


def said(cases: list[AlikeCase], user: Viewer, allowed: set[str] | None) -> Text:
    """What is said about a person who may be the one of these cases."""
    case = cases[0]
    why = ground(same_permit=case.same_permit, same_who=case.same_who)
    if not may_see(case, allowed):
        return Text(
            zh=f"此人可能已有其他学院的参保案件（{why.zh}，证件号码不同），未启动。请联系社保经办人核对。",
            en=f"This person may have a case of another college ({why.en}, another document number); not started. Ask "
            "the insurance office.",
        )
    head = Text(
        zh=f"此人可能就是案件 {case.case_no} 的人员（{why.zh}，证件号码不同，可能换发了证件），未启动。",
        en=f"This may be the person of case {case.case_no} ({why.en}, another document number, perhaps a renewed "
        "passport); not started.",
    )
    if not may_decide(user):
        ask = Text(zh="请联系社保经办人核对。", en="Ask the insurance office to check.")
    elif replaceable(cases):
        ask = Text(
            zh="请核对后确认：是另一人，则发起；是同一人，则更新该案件的证件号码。",
            en="Check and say: another person, who starts; or the same one, and that case gets the new document.",
        )
    elif case.open:
        ask = Text(
            zh="请核对：是另一人，可确认后发起；是同一人，则不要重复参保，该案件已向机构申报，请向机构办理证件信息变更。",
            en="Check: another person may be started once you say so; the same one must not be enrolled twice. That "
            "case has gone on to the agencies: have the document changed there.",
        )
    else:
        ask = Text(
            zh="请核对：是另一人，可确认后发起；是同一人，则该案件已办结参保，请走信息变更。",
            en="Check: another person may be started once you say so; the same one is enrolled by that case, which is "
            "closed: have the document changed at the agencies.",
        )
    return Text(zh=head.zh + ask.zh, en=f"{head.en} {ask.en}")


def findings(cases: list[AlikeCase]) -> list[Finding]:
    """What the automatic checks of a verification say: a clerk reads it, who may see every case."""
    found: list[Finding] = []
    for case in cases:
        why = ground(same_permit=case.same_permit, same_who=case.same_who)
        text = Text(
            zh=f"此人可能就是案件 {case.case_no} 的人员（{why.zh}，证件号码不同）：请核对是否重复参保。"
            "确为另一人的，审核通过时在备注中写明依据。",
            en=f"This may be the person of case {case.case_no} ({why.en}, another document number): check for a double "
            "enrolment. If it is another person, write into the remark of the approval how you know.",
        )
        field = "work_permit_no" if case.same_permit else "id_number"
        found.append(Finding(ALIKE.upper(), field, text, Severity.FAULT))
    return found


def unsaid(cases: list[AlikeCase]) -> Text:
    """The refusal of an approval that does not say why this is another person."""
    numbers = [case.case_no for case in cases]
    return Text(
        zh=f"此人可能就是案件 {'、'.join(numbers)} 的人员：确为另一人的，请在备注中写明核对的依据；"
        "同一人的，请退回或取消本案件。",
        en=f"This may be the person of case {', '.join(numbers)}: if it is another one, write into the remark how you "
        "know; if it is the same one, return or cancel this case.",
    )


NOTHING_TO_REPLACE = Text(
    zh="没有可以更新证件的在办案件：案件已向机构申报或已办结，或不止一件。本行没有启动，也没有改动任何案件，请重新核对。",
    en="There is no open case whose document could be replaced: it has gone on to the agencies, is closed, or there "
    "are several. Nothing was started or changed; check again.",
)


DOCUMENT_REPLACED = Text(
    zh="这是本案件的旧证件号码：社保经办人已换成新证件。请改填新证件的号码和有效期；如有疑问，请联系社保经办人。",
    en="This is the case's former document number: the insurance office has put a new document in its place. Fill in "
    "the new one with its end; ask the office if in doubt.",
)


async def note_another(session: AsyncSession, user: Viewer, process: Process, cases: list[AlikeCase]) -> None:
    """Writes down that a clerk has told two persons apart."""
    numbers = [case.case_no for case in cases]
    words = Text(
        zh=f"经办人已确认：与案件 {'、'.join(numbers)} 的人员不是同一人。",
        en=f"A clerk has confirmed: not the person of case {', '.join(numbers)}.",
    )
    await inbox_events.note(session, user, "process.another_person", words, process, alike=numbers)


async def replace_document(
    session: AsyncSession, user: Viewer, case: AlikeCase, hire: ForeignHire, source: str
) -> None:
    """Gives a case the document of `hire`; the record before stays as an earlier version. `source`: of this upload or
    form alone."""
    before = await people.hire_of(session, case.process_id)
    after = before.model_copy(update={name: getattr(hire, name) for name in DOCUMENT})
    await people.save_hire(
        session, case.process_id, case.person_id, after, source=people.NEW_DOCUMENT + source, now=clock.now()
    )
    process = await session.get_one(Process, case.process_id)
    words = Text(
        zh="经办人确认是同一人换发了证件：证件号码和有效期已更新，原记录保留。",
        en="A clerk has confirmed a renewed document of the same person: its number and end were replaced; the record "
        "before is kept.",
    )
    await inbox_events.note(session, user, "process.document_replaced", words, process)
