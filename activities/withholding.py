"""The person part for payroll: the list as .xlsx, and how payroll confirmed it.

Invariants: the file is made once a bill; texts are text cells (no formula comes from a name), amounts are numbers with
two places and add up to the bill's person part.
"""

import io
import uuid

import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from schemas.calls import BillArg, BillDecision
from store import documents, ledger, people, rule_tables, vouchers
from store.database import session
from store.tables.office import Document

HEADINGS = ("姓名 Name", "学院 College", "费款所属期 Month", "险种 Insurance", "缴费基数 Base", "个人缴费 Person part")


@activity.defn(name="withholding_list")
async def withholding_list(arg: BillArg) -> str:
    """Makes the list once and gives its document's id back."""
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:withholding:{arg.bill_id}"))
    async with session() as s:
        await vouchers.list_withholdings(s, arg.bill_id)
        known = await s.get(Document, document_id)
        if known is not None:
            return known.id
        scope = await ledger.scope_of_bill(s, arg.bill_id)
        await documents.store(
            s,
            await _workbook(s, arg.bill_id),
            filename=f"withholding-{scope.levy}-{scope.month}.xlsx",
            media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            code="withholding",
            uploaded_by="system",
            now=await ledger.process_now(s, scope.process_id),
            process_id=f"reimbursement-{arg.bill_id}",
            document_id=document_id,
        )
    return document_id


async def _workbook(s: AsyncSession, bill_id: str) -> bytes:
    """One row per person, month and insurance with a person part, and their sum."""
    lines = [x for x in await ledger.lines_of_bill(s, bill_id) if x.person_amount]
    names = await people.names_of(s, [x.person_id for x in lines])
    colleges = await people.org_units(s)
    titles = rule_tables.load().contributions.lines
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet("代扣明细")
    money = book.add_format({"num_format": "#,##0.00"})
    bold = book.add_format({"bold": True})
    sheet.write_row(0, 0, HEADINGS, bold)
    sheet.set_column(0, len(HEADINGS), 20)
    for row, line in enumerate(lines, start=1):
        college = colleges.get(line.org_unit)
        sheet.write_string(row, 0, names.get(line.person_id, line.person_id))
        sheet.write_string(row, 1, college.zh if college else line.org_unit)
        sheet.write_string(row, 2, line.premium_month)
        sheet.write_string(row, 3, titles[line.insurance].title.zh)
        sheet.write_number(row, 4, line.base, money)  # pyright: ignore[reportArgumentType] - xlsxwriter takes Decimal
        sheet.write_number(row, 5, line.person_amount, money)  # pyright: ignore[reportArgumentType] - the same
    total = sum((x.person_amount for x in lines), ledger.ZERO)
    sheet.write_string(len(lines) + 1, 0, "合计 Total", bold)
    sheet.write_number(len(lines) + 1, 5, total, money)  # pyright: ignore[reportArgumentType] - the same
    book.close()
    return out.getvalue()


@activity.defn(name="record_withholding")
async def record_withholding(arg: BillDecision) -> None:
    """How payroll takes the person part: the outcome is this_month, next_month or receivable."""
    async with session() as s:
        now = await ledger.process_now(s, f"reimbursement-{arg.bill_id}")
        await vouchers.list_withholdings(s, arg.bill_id)
        await vouchers.confirm_withholdings(s, arg.bill_id, arg.outcome, arg.actor, now)


ACTIVITIES = [withholding_list, record_withholding]
