"""The notice: amounts to the cent from the ledger, numbers masked outside the person's own page, once a case."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, select, update
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.notifications import send_notice
from runtime.settings import Settings
from schemas.base import Text
from schemas.calls import CaseArg, RegistrationArg
from schemas.enrolment import LineRequest
from store import database as db
from store import ledger, notifications, outbox, people, registrations, users
from store.tables.ledger import PremiumLine
from store.tables.notices import NoticeRow
from store.tables.office import Message
from store.tables.outbox import Outgoing
from store.tables.people import Hire, User
from store.users import Viewer
from tests.notifications.conftest import CASE, PERSON, WEDNESDAY, Postbox, open_case
from worker.delivery import deliver

SOCIAL = ["pension", "unemployment", "work_injury"]
MEDICAL = ["medical", "maternity", "large_medical"]
NUMBERS = {"social_bureau": "DEU0C01X00T47", "medical_bureau": "MB5100004711"}
CLERK = Viewer("clerk", Text(zh="王敏", en="Wang Min"), frozenset({"clerk"}))


def anna(person: str) -> Viewer:
    return Viewer("anna", Text(zh="安娜", en="Anna"), frozenset({"employee"}), person_id=person)


async def finished_case(*, login: bool = True, **changes: object) -> str:
    """A case registered at both bureaus, with its lines of November."""
    person = await open_case(**changes)  # pyright: ignore[reportArgumentType]
    async with db.session() as s:
        await s.execute(update(Hire).values(insurances=[*SOCIAL, *MEDICAL], exempt=[]))
        for agency, number in NUMBERS.items():
            for attempt in (1, 2):
                row = await registrations.ensure(
                    s, RegistrationArg(process_id=CASE, person_id=person, agency=agency, attempt=attempt)
                )
                if attempt == 1:
                    registrations.refuse(row, "R08", "", WEDNESDAY)
                else:
                    await registrations.approve(s, row, number, WEDNESDAY)
        for levy, insurances in (("social", SOCIAL), ("medical", MEDICAL)):
            await ledger.write_lines(
                s,
                LineRequest(
                    process_id=CASE, person_id=person, levy=levy, payment_month="2026-11", insurances=insurances
                ),
            )
        if login:
            await users.create_user(s, "anna", "x", name_zh="安娜", roles=["employee"])
            await s.execute(update(User).where(User.username == "anna").values(person_id=person))
    return person


async def send(person: str, times: int = 1) -> None:
    for _ in range(times):
        await ActivityEnvironment().run(send_notice, CaseArg(process_id=CASE, person_id=person))


async def only(table: type[Message] | type[Outgoing] | type[NoticeRow]) -> int:
    async with db.session() as s:
        return (await s.execute(select(func.count()).select_from(table))).scalar_one()


async def test_the_person_reads_everything_and_others_masked_numbers(office: Settings) -> None:
    person = await finished_case()
    await send(person, times=3)
    assert (await only(NoticeRow), await only(Message), await only(Outgoing)) == (1, 1, 1)
    async with db.session() as s:
        own = await notifications.of_case(s, anna(person), CASE)
        seen = await notifications.of_case(s, CLERK, CASE)
        mine = await notifications.of_person(s, anna(person))
        nobody = await notifications.of_person(s, CLERK)
        lines = await ledger.lines_of_case(s, CASE)
        message = (await s.scalars(select(Message))).one()
        row = (await s.scalars(select(NoticeRow))).one()
    assert own is not None
    assert seen is not None
    assert own.notice is not None
    assert {n.agency: n.number for n in own.notice.numbers} == NUMBERS
    assert own.notice.first_month == "2026-11"
    assert Decimal(own.notice.months[0].total) == sum(x.person_amount for x in lines) > 0
    assert [a.insurance for a in own.notice.months[0].amounts] == [*SOCIAL, *MEDICAL]
    assert own.notice.sample
    assert [v.process_id for v in mine] == [CASE]
    assert nobody == []
    assert seen.masked
    assert seen.notice is None
    for number in NUMBERS.values():
        assert number in own.text.zh
        assert number in own.text.en
        for text in (seen.text.zh, seen.text.en, message.text_zh, message.text_en):
            assert number not in text
        assert number.encode() not in row.body
    assert "DEU******0T47" in seen.text.zh
    assert "示例费率" in seen.text.zh
    assert "sample rates" in seen.text.en
    assert "电子社保卡" in seen.text.zh
    assert message.username == "anna"
    assert message.link == f"/processes/{CASE}"


async def test_the_mail_is_the_notice_in_both_languages_with_masked_numbers(mail_server: Postbox) -> None:
    person = await finished_case()
    await send(person)
    assert await deliver() == 1
    (mail,) = mail_server.mails
    assert mail["To"] == "anna@example.edu"
    assert mail["Subject"] == "参保手续已办结 / Your social-insurance enrolment is complete"
    text = mail.get_content()
    assert "DEU******0T47" in text
    async with db.session() as s:
        amounts = [x.person_amount for x in await ledger.lines_of_case(s, CASE)]
    assert amounts and all(str(a) in text for a in amounts if a)
    assert "FE2026-0001" in text
    assert "电子社保卡" in text
    assert "缴费起始月：2026-11" in text and "First month of premiums: 2026-11" in text
    assert "参保险种：" in text and "Insurances: " in text
    assert "“我的”页面" in text
    assert "My record" in text
    assert f"/cases/{CASE}" in text
    assert not [n for n in NUMBERS.values() if n in mail.as_string() or n in text]
    async with db.session() as s:
        view = await notifications.of_case(s, CLERK, CASE)
    assert view is not None
    assert view.mail == "sent"


async def test_corrections_are_summed_in_and_reversed_lines_left_out(office: Settings) -> None:
    person = await finished_case(contract_start=date(2026, 10, 12))
    async with db.session() as s:
        first = (
            await s.scalars(
                select(PremiumLine).where(PremiumLine.insurance == "pension", PremiumLine.premium_month == "2026-10")
            )
        ).one()
        values = {c.name: getattr(first, c.name) for c in PremiumLine.__table__.columns if c.name != "id"}
        s.add(PremiumLine(**{**values, "correction": 1, "corrects": first.id, "person_amount": Decimal("-1.25")}))
        expected = first.person_amount - Decimal("1.25")
        gone = (
            await s.scalars(
                select(PremiumLine).where(PremiumLine.insurance == "medical", PremiumLine.premium_month == "2026-10")
            )
        ).one()
        values = {c.name: getattr(gone, c.name) for c in PremiumLine.__table__.columns if c.name != "id"}
        s.add(
            PremiumLine(
                **{**values, "correction": 1, "corrects": gone.id, "voids": True, "person_amount": -gone.person_amount}
            )
        )
    await send(person)
    async with db.session() as s:
        own = await notifications.of_case(s, anna(person), CASE)
    assert own is not None
    assert own.notice is not None
    assert own.notice.first_month == "2026-10"
    october = {a.insurance: Decimal(a.amount) for a in own.notice.months[0].amounts}
    assert october["pension"] == expected
    assert "medical" not in october
    assert Decimal(own.notice.months[0].total) == sum(october.values())
    assert "medical" in {a.insurance for a in own.notice.months[1].amounts}


@pytest.mark.parametrize("email", [None, "anna at example", "anna@@example.edu"])
async def test_without_an_address_the_page_alone_has_it(office: Settings, email: str | None) -> None:
    person = await finished_case(email=email)
    await send(person)
    assert (await only(Message), await only(Outgoing)) == (1, 0)
    async with db.session() as s:
        view = await notifications.of_case(s, CLERK, CASE)
    assert view is not None
    assert view.mail == "no_mail"


async def test_without_a_login_the_mail_alone_goes(office: Settings) -> None:
    person = await finished_case(login=False)
    await send(person)
    assert (await only(NoticeRow), await only(Message), await only(Outgoing)) == (1, 0, 1)
    async with db.session() as s:
        mail = (await s.scalars(select(Outgoing))).one()
    assert (mail.state, mail.reminder) == (outbox.PENDING, False)


async def test_an_awaited_certificate_is_named_with_its_day(office: Settings) -> None:
    person = await finished_case()
    by = WEDNESDAY.date() + timedelta(days=69)
    async with db.session() as s:
        await people.watch(s, person, CASE, "certificate_due", by)
        await s.execute(update(Hire).values(exempt=["pension"], insurances=[*SOCIAL[1:], *MEDICAL]))
    await send(person)
    async with db.session() as s:
        view = await notifications.of_case(s, anna(person), CASE)
    assert view is not None
    assert f"请在 {by.isoformat()} 前" in view.text.zh
    assert "此前已缴费用不退" in view.text.zh
    assert "not refunded" in view.text.en
    assert "按双边协定免缴：基本养老保险" in view.text.zh


async def test_a_case_without_a_record_is_not_retried(office: Settings) -> None:
    with pytest.raises(ApplicationError, match="has no record") as failed:
        await send(PERSON)
    assert failed.value.non_retryable
    assert failed.value.type == "UnknownHire"
