"""Exemption under a bilateral agreement: what the data propose, for a person to confirm at verification.

Invariants: nothing is exempt without a certificate of coverage; medical with maternity and work injury never are. The
agreements are made for posted workers: a teacher hired by the school itself is exempt only where the agreement says so.
A pending certificate means enrol and pay now, and remember the date until which it counts from the start.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from domain.times import add_months
from schemas.base import Text
from schemas.enrolment import Certificate, ExemptionProposal, HireKind

NO_TREATY = "no_treaty"
NOT_IN_FORCE = "treaty_not_in_force"
LOCAL_HIRE_NOT_COVERED = "local_hire_not_covered"
CERTIFICATE_MISSING = "certificate_missing"
CERTIFICATE_PENDING = "certificate_pending"
EXEMPT = "treaty_exempt"
EXEMPT_FROM_SUBMISSION = "treaty_exempt_from_submission"


@dataclass(frozen=True)
class Treaty:
    """What China exempts for people of one country. Months None: the agreement's text gave none."""

    country: str
    in_force: date | None
    exempt: tuple[str, ...]
    first_months: int | None
    local_exempt: tuple[str, ...]
    local_months: int | None
    confidence: str
    sample: bool


@dataclass(frozen=True)
class TreatyTable:
    """All agreements, and the months after the work permit within which the certificate counts from the start."""

    treaties: Mapping[str, Treaty]
    certificate_months: int
    certificate_source: str


def propose(
    country: str,
    kind: HireKind,
    certificate: Certificate,
    permit_issued: date,
    start: date,
    on: date,
    table: TreatyTable,
) -> ExemptionProposal:
    """The proposal for a person of `country` (alpha-3) whose work starts on `start`; `on` is the Shanghai day of
    asking.

    `certificate_by` is set when a certificate could still bring an exemption: handed in by that day it counts from the
    start and premiums paid are refunded; later it counts from the month of submission (BJ-F2, sample elsewhere).
    """
    treaty = table.treaties.get(country)
    if treaty is None:
        return _none(
            NO_TREATY,
            "该国与我国没有社会保险互免协议，全部险种参保。",
            "No agreement with this country: all insurances are paid.",
        )
    if treaty.in_force is None or treaty.in_force > start:
        return _none(
            NOT_IN_FORCE,
            "与该国的互免协议尚未生效，全部险种参保。",
            "The agreement is not in force: all insurances are paid.",
        )
    local = kind is HireKind.LOCAL_HIRE
    exempt = treaty.local_exempt if local else treaty.exempt
    months = treaty.local_months if local else treaty.first_months
    if not exempt:
        return _none(
            LOCAL_HIRE_NOT_COVERED,
            "互免协议适用于派遣人员，学校直接聘用的人员不在免缴范围；即使持有参保证明，也按全部险种参保。",
            "The agreement covers posted workers, not people the school hires: all are paid, certificate or not.",
        )
    by = add_months(permit_issued, table.certificate_months)
    names_zh, names_en = _names(exempt)
    if certificate is Certificate.NONE:
        return _none(
            CERTIFICATE_MISSING,
            f"可按协议免缴{names_zh}，但没有参保证明，暂按全部险种参保；{by} 前提交可自始免缴。",
            f"{names_en} could be exempt, but no certificate is there: all are paid; by {by} it counts from the start.",
            by,
            months,
        )
    if certificate is Certificate.PENDING:
        return _none(
            CERTIFICATE_PENDING,
            f"参保证明办理中：先全部参保缴费，{by} 前提交证明可自始免缴{names_zh}并退费。",
            f"Certificate pending: enrol and pay now; handed in by {by}, {names_en} exempt from the start, refunded.",
            by,
            months,
        )
    term_zh = f"，最长 {months} 个月" if months else ""
    term_en = f", for at most {months} months" if months else ""
    if on > by:
        reason, more_zh, more_en = (
            EXEMPT_FROM_SUBMISSION,
            f"；证明晚于 {by} 提交，自提交当月起免缴，此前不退",
            f"; handed in after {by}, so from the month of submission and without refund",
        )
    else:
        reason, more_zh, more_en = EXEMPT, "", ""
    text = Text(
        zh=f"持有参保证明，按协议免缴{names_zh}{term_zh}{more_zh}。",
        en=f"Certificate held: {names_en} exempt under the agreement{term_en}{more_en}.",
    )
    return ExemptionProposal(exempt=list(exempt), reason=reason, text=text, certificate_by=by, max_months=months)


def _none(reason: str, zh: str, en: str, by: date | None = None, months: int | None = None) -> ExemptionProposal:
    return ExemptionProposal(exempt=[], reason=reason, text=Text(zh=zh, en=en), certificate_by=by, max_months=months)


_NAMES = {"pension": ("基本养老保险", "pension"), "unemployment": ("失业保险", "unemployment insurance")}


def _names(insurances: tuple[str, ...]) -> tuple[str, str]:
    pairs = [_NAMES.get(i, (i, i)) for i in insurances]
    return "、".join(p[0] for p in pairs), " and ".join(p[1] for p in pairs)
