"""Words of the notice to a person and of the reminders of watched dates. Pure: facts in, bilingual text out.

Invariants: outside the person's own page a number is masked; a value that rests on sample data says so; the zh text
holds no English sentences and the other way round (names and numbers apart). Law: 社会保险法 art. 60
(the unit tells each employee the premiums paid).
"""

from collections.abc import Sequence
from datetime import date, timedelta

from domain.calendar import WorkCalendar
from domain.policy import PolicyError, Texts, load_list, models
from schemas.base import Text
from schemas.notices import CardGuide, Notice, WatchRule

CARDS = "notice_texts.yaml"
WATCH = "watch_rules.yaml"
WATCH_KINDS = ("permit_expires", "residence_expires", "id_expires", "certificate_due")
NUMBERS = {
    "social_bureau": Text(zh="社会保障号码", en="Social-security number"),
    "medical_bureau": Text(zh="医保个人编号", en="Medical insurance number"),
}
_HEAD, _TAIL = 3, 4


def mask(number: str) -> str:
    """First 3 and last 4 characters, the rest as stars; of a number shorter than 10 the last 2 only.

    Keeping 7 of 9 characters of a passport-like number would hide nothing.
    """
    clean = number.strip()
    if len(clean) < _HEAD + _TAIL + 3:
        return "*" * max(len(clean) - 2, 1) + clean[-2:] if len(clean) > 2 else "*" * len(clean)
    return clean[:_HEAD] + "*" * (len(clean) - _HEAD - _TAIL) + clean[-_TAIL:]


def card_guide(texts: Texts, guide: str) -> CardGuide:
    """The steps to the electronic card for `guide` (foreign). PolicyError when the file is broken or lacks it."""
    for item in load_list(texts, CARDS, "cards"):
        if item.get("id") == guide:
            found = models(CardGuide, [item], CARDS, lambda _: guide)[0]
            if not found.steps:
                raise PolicyError(f"{CARDS} 的 {guide} 没有步骤。", f"{CARDS}: {guide} has no steps.")
            return found
    raise PolicyError(f"{CARDS} 没有 {guide}。", f"{CARDS} has no {guide}.")


def watch_rules(texts: Texts) -> dict[str, WatchRule]:
    """Rules by kind. PolicyError for an unknown kind, or days that are none, negative or written twice."""
    found = models(WatchRule, load_list(texts, WATCH, "rules"), WATCH, lambda r: r.kind)
    for rule in found:
        if rule.kind not in WATCH_KINDS:
            raise PolicyError(f"{WATCH} 的 kind {rule.kind} 无效。", f"{WATCH}: unknown kind {rule.kind}.")
        if not rule.days or min(rule.days) < 0 or len(set(rule.days)) != len(rule.days):
            raise PolicyError(
                f"{WATCH} 中 {rule.kind} 的 days 应为不重复的非负天数。",
                f"{WATCH}, {rule.kind}: days must be different numbers of 0 or more.",
            )
    return {r.kind: r for r in found}


def check_notice_files(texts: Texts) -> None:
    """Parses both files and so refuses a broken one."""
    card_guide(texts, "foreign")
    watch_rules(texts)


# --- the notice ------------------------------------------------------------------------------------------------------


def subject() -> Text:
    """Subject of the notice's mail: no name and no number stands in it."""
    return Text(zh="参保手续已办结", en="Your social-insurance enrolment is complete")


def message_text(notice: Notice) -> Text:
    """What the message says: insurances, first month, papers to bring. Numbers and amounts stand in the notice."""
    zh = [f"您的社会保险参保手续已办结（{notice.case_no}）。", *_covers(notice, zh=True)]
    en = [
        f"Your enrolment in social insurance is complete ({notice.case_no}).",
        *_covers(notice, zh=False),
    ]
    zh.append(
        "社会保障号码与缴费金额请登录系统在“我的”页面查看；没有登录账号的，请向所在学院人事秘书或社保经办人索取。"
    )
    en.append(
        "Sign in and open “My record” for your numbers and amounts. Without a login, ask your college or the clerk."
    )
    zh += _certificate(notice, zh=True) + _card(notice, zh=True)
    en += _certificate(notice, zh=False) + _card(notice, zh=False)
    return Text(zh="\n".join(zh), en="\n".join(en))


def amended_subject() -> Text:
    """Subject of the mail about a notice that was wrong."""
    return Text(zh="参保通知内容已更正", en="Your notice of enrolment has been amended")


def amended_text(notice: Notice) -> Text:
    """That something in the notice was wrong and has been amended; neither number nor amount is in it."""
    return Text(
        zh=f"您的参保通知（{notice.case_no}）中的编号或金额登记有误，现已更正，请登录系统在“我的”页面查看并以此为准。",
        en=f"A number or an amount in your notice ({notice.case_no}) was recorded wrongly and has been amended. "
        "Sign in and open “My record”: what stands there is right.",
    )


def _covers(n: Notice, *, zh: bool) -> list[str]:
    """Which insurances, which not, and from when."""
    found: list[str] = []
    if n.insurances:
        words = "、".join(i.zh for i in n.insurances) if zh else ", ".join(i.en for i in n.insurances)
        found.append(f"参保险种：{words}" if zh else f"Insurances: {words}")
    if n.exempt:
        words = "、".join(i.zh for i in n.exempt) if zh else ", ".join(i.en for i in n.exempt)
        found.append(f"按双边协定免缴：{words}" if zh else f"Exempt under a bilateral agreement: {words}")
    if n.first_month:
        found.append(f"缴费起始月：{n.first_month}" if zh else f"First month of premiums: {n.first_month}")
    return found


def _certificate(n: Notice, *, zh: bool) -> list[str]:
    if n.certificate_by is None:
        return []
    day, note = n.certificate_by.isoformat(), n.certificate_note
    if zh:
        return [f"请在 {day} 前（含当日）提交协议国参保证明。{note.zh + '。' if note else ''}"]
    return [f"Please hand in your certificate of coverage by {day}.{' ' + note.en + '.' if note else ''}"]


def _card(n: Notice, *, zh: bool) -> list[str]:
    if n.card is None:
        return []
    if zh:
        title = f"{n.card.title.zh}{'（示例，以当地窗口为准）' if n.card.sample else ''}："
        return [title, *(f"{i}. {s.zh}" for i, s in enumerate(n.card.steps, start=1))]
    title = f"{n.card.title.en}{' (sample; ask at the local counter)' if n.card.sample else ''}:"
    return [title, *(f"{i}. {s.en}" for i, s in enumerate(n.card.steps, start=1))]


def notice_text(notice: Notice, *, masked: bool) -> Text:
    """The whole notice as lines. `masked`: for every place but the person's own page."""
    return Text(zh="\n".join(_zh(notice, masked)), en="\n".join(_en(notice, masked)))


def _zh(n: Notice, masked: bool) -> list[str]:
    lines = [f"{n.name}，您好：您的社会保险参保手续已办结（{n.case_no}）。"]
    lines += [f"{x.title.zh}：{mask(x.number) if masked else x.number}" for x in n.numbers]
    if masked and n.numbers:
        lines.append("完整号码请登录系统在“我的”页面查看。")
    lines += _covers(n, zh=True)
    for m in n.months:
        parts = "；".join(f"{a.title.zh} {a.amount}" for a in m.amounts)
        lines.append(f"{m.month} 个人缴纳部分（元）：{parts}；合计 {m.total}")
    if n.months:
        lines.append("个人部分由学校从工资中代扣。")
    if n.sample:
        lines.append("注意：以上金额使用示例费率或基数计算，以税务部门征集单为准。")
    return lines + _certificate(n, zh=True) + _card(n, zh=True)


def _en(n: Notice, masked: bool) -> list[str]:
    lines = [f"Dear {n.name}, your enrolment in social insurance is complete ({n.case_no})."]
    lines += [f"{x.title.en}: {mask(x.number) if masked else x.number}" for x in n.numbers]
    if masked and n.numbers:
        lines.append("Sign in and open “My record” to see the full numbers.")
    lines += _covers(n, zh=False)
    for m in n.months:
        parts = "; ".join(f"{a.title.en} {a.amount}" for a in m.amounts)
        lines.append(f"Your own part for {m.month} (yuan): {parts}; total {m.total}")
    if n.months:
        lines.append("The school withholds your part from your salary.")
    if n.sample:
        lines.append("Note: these amounts rest on sample rates or limits; the tax authority's bill is what counts.")
    return lines + _certificate(n, zh=False) + _card(n, zh=False)


# --- watched dates ---------------------------------------------------------------------------------------------------


def rungs_reached(on: date, days: Sequence[int], today: date, school: WorkCalendar) -> list[int]:
    """Which of the rungs (calendar days before `on`) have come by `today`, the nearest to the date last.

    A rung on a rest day comes on the last working day before it: it may be early, never late.
    """
    reached = [n for n in days if school.last_working_day_on_or_before(on - timedelta(days=n)) <= today]
    return sorted(reached, reverse=True)


def watch_line(rule: WatchRule, who: Text, on: date, today: date, contract_end: date | None) -> Text:
    """One date as a line: whose, what, when, how many days are left, what to do. `who` names case, person and college.

    `contract_end` is said when the contract outlasts a work permit: normal, and only watched.
    """
    left = (on - today).days
    zh = f"还有 {left} 天" if left > 0 else "今天到期" if left == 0 else f"已过 {-left} 天"
    en = f"{left} days left" if left > 0 else "today" if left == 0 else f"{-left} days ago"
    line_zh = f"{who.zh}：{rule.title.zh} {on.isoformat()}（{zh}）。{rule.advice.zh}"
    line_en = f"{who.en}: {rule.title.en} {on.isoformat()} ({en}). {rule.advice.en}"
    if rule.kind == "permit_expires" and contract_end is not None and contract_end > on:
        line_zh += f"合同到 {contract_end.isoformat()}，晚于工作许可。"
        line_en += f" The contract runs until {contract_end.isoformat()}, longer than the permit."
    return Text(zh=line_zh, en=line_en)
