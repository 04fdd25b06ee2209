"""Exemption under a bilateral agreement, or for HK/Macao/Taiwan residents: what the data propose and what it means.

`propose` is for a person to confirm at verification; `assess` says from which month, what is refunded, what is due.

Invariants: nothing is exempt without a certificate of coverage; medical with maternity and work injury never are. The
agreements are made for posted workers: a teacher hired by the school itself is exempt only where the agreement says so.
A pending certificate means enrol and pay now, and remember the date until which it counts from the start. Residents of
HK, Macao and Taiwan need no agreement, only the proof that their insurance there goes on (O41 art. 11); no rule
gives them anything back, so for them it counts from the month of the proof. No month before an agreement or order is
in force is exempt; a certificate handed in before that counts as handed in on that day.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from domain import names
from domain.times import add_months, add_to_month, month_of, months_between
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
    longest_months: int | None = None  # with every extension that the agreement names

    def insurances(self, kind: HireKind) -> tuple[str, ...]:
        """What is exempt for this kind of person; empty where the agreement does not mean them."""
        return self.local_exempt if kind is HireKind.LOCAL_HIRE else self.exempt


@dataclass(frozen=True)
class RegionExemption:
    """HK/Macao/Taiwan residents: what is exempt with the proof of insurance there (O41 art. 11)."""

    regions: tuple[str, ...]
    exempt: tuple[str, ...]
    source: str
    in_force: date


@dataclass(frozen=True)
class TreatyTable:
    """All agreements, and the months after the work permit within which the certificate counts from the start."""

    treaties: Mapping[str, Treaty]
    certificate_months: int
    certificate_source: str
    certificate_sample: bool
    regional: RegionExemption | None = None


NO_AGREEMENT = "no_agreement"
AGREEMENT_NOT_IN_FORCE = "agreement_not_in_force"
NOT_POSTED = "not_posted"
NO_CERTIFICATE = "no_certificate"


@dataclass(frozen=True)
class Exemption:
    """What is exempt from which month, which paid months are refunded, what is still due; or why nothing is.
    `in_force`: the day of the agreement or order, where the exemption would have begun before it."""

    exempt: tuple[str, ...]
    still_due: tuple[str, ...]
    since: str | None = None
    refund_months: tuple[str, ...] = ()
    max_months: int | None = None
    reason: str | None = None
    source: str = ""
    in_force: date | None = None


REASONS: Mapping[str, Text] = {
    NO_AGREEMENT: Text(zh="与该国没有社会保险双边协议，全部险种参保", en="No agreement with this country: all is due"),
    AGREEMENT_NOT_IN_FORCE: Text(
        zh="与该国的双边协议届时尚未生效，全部险种参保", en="The agreement is not in force then: all is due"
    ),
    NOT_POSTED: Text(
        zh="协议适用于派遣人员，学校直接聘用的人员不在免缴范围",
        en="The agreement means posted workers, not people hired here",
    ),
    NO_CERTIFICATE: Text(zh="没有参保证明，不能免缴，全部险种参保", en="Without a certificate nothing is exempt"),
}


def assess(
    country: str,
    kind: HireKind,
    permit: date,
    certificate: date | None,
    paid_from: str | None,
    insurances: Sequence[str],
    table: TreatyTable,
    on: date,
) -> Exemption:
    """What holds, asked on the day `on`, for a person of `country` (alpha-3) with a work permit of `permit` who handed
    in the certificate on `certificate` and has paid all `insurances` since the month `paid_from`.

    Handed in within the months of `certificate_rule`: exempt from the start (the month of the permit, whatever was
    paid), what was paid before is refunded; later: from the month of submission, no refund; never: all is due (BJ-F2,
    a sample elsewhere).
    """
    nothing = tuple(insurances)
    regional = table.regional
    if regional is not None and country in regional.regions:
        if certificate is None:
            return Exemption((), nothing, reason=NO_CERTIFICATE)
        since, bound = _from_in_force(max(month_of(certificate), month_of(permit)), regional.in_force)
        free = regional.exempt
        return Exemption(free, _without(insurances, free), since, source=regional.source, in_force=bound)
    treaty = table.treaties.get(country)
    if treaty is None:
        return Exemption((), nothing, reason=NO_AGREEMENT)
    if treaty.in_force is None or treaty.in_force > max(on, certificate or on):
        return Exemption((), nothing, reason=AGREEMENT_NOT_IN_FORCE)
    exempt = treaty.insurances(kind)
    if not exempt:
        return Exemption((), nothing, reason=NOT_POSTED)
    months = treaty.local_months if kind is HireKind.LOCAL_HIRE else treaty.longest_months
    if certificate is None:
        return Exemption((), nothing, max_months=months, reason=NO_CERTIFICATE)
    in_time = certificate <= add_months(permit, table.certificate_months)
    since, bound = _from_in_force(month_of(permit) if in_time else month_of(certificate), treaty.in_force)
    refunded: Sequence[str] = ()
    if in_time and paid_from:
        refunded = months_between(max(since, paid_from), add_to_month(month_of(certificate), -1))
    return Exemption(
        exempt,
        _without(insurances, exempt),
        since,
        tuple(refunded),
        months,
        source=table.certificate_source,
        in_force=bound,
    )


def _from_in_force(month: str, in_force: date) -> tuple[str, date | None]:
    """The month, but none before the day in force, and that day where it decided."""
    first = month_of(in_force)
    return (first, in_force) if first > month else (month, None)


def _without(insurances: Sequence[str], exempt: Sequence[str]) -> tuple[str, ...]:
    return tuple(i for i in insurances if i not in exempt)


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
    exempt = treaty.insurances(kind)
    months = treaty.local_months if local else treaty.first_months
    if not exempt:
        return _none(
            LOCAL_HIRE_NOT_COVERED,
            "互免协议适用于派遣人员，学校直接聘用的人员不在免缴范围；即使持有参保证明，也按全部险种参保。",
            "The agreement covers posted workers, not people the school hires: all are paid, certificate or not.",
        )
    by = add_months(permit_issued, table.certificate_months)
    free = names.listed(exempt)
    if certificate is Certificate.NONE:
        return _none(
            CERTIFICATE_MISSING,
            f"可按协议免缴{free.zh}，但没有参保证明，暂按全部险种参保；{by} 前提交可自始免缴。",
            f"{free.en} could be exempt, but no certificate is there: all are paid; by {by} it counts from the start.",
            by,
            months,
        )
    if certificate is Certificate.PENDING:
        return _none(
            CERTIFICATE_PENDING,
            f"参保证明办理中：先全部参保缴费，{by} 前提交证明可自始免缴{free.zh}并退费。",
            f"Certificate pending: enrol and pay now; handed in by {by}, {free.en} exempt from the start, refunded.",
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
        zh=f"持有参保证明，按协议免缴{free.zh}{term_zh}{more_zh}。",
        en=f"Certificate held: {free.en} exempt under the agreement{term_en}{more_en}.",
    )
    return ExemptionProposal(exempt=list(exempt), reason=reason, text=text, certificate_by=by, max_months=months)


def _none(reason: str, zh: str, en: str, by: date | None = None, months: int | None = None) -> ExemptionProposal:
    return ExemptionProposal(exempt=[], reason=reason, text=Text(zh=zh, en=en), certificate_by=by, max_months=months)
