"""The person part for payroll: the list as .xlsx, and how payroll confirmed it."""

import io
import uuid

import xlsxwriter
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

import policies
from domain import tables
from schemas.calls import BillArg, BillDecision
from store import documents, ledger, people, vouchers
from store.database import session

HEADINGS = ("姓名 Name", "学院 College", "费款所属期 Month", "险种 Insurance", "缴费基数 Base", "个人缴费 Person part")


@activity.defn(name="withholding_list")
async def withholding_list(arg: BillArg) -> str:
    """Makes the list once and gives its document's id back."""
    document_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"baoqi:withholding:{arg.bill_id}"))
    async with session() as s:
        await vouchers.list_withholdings(s, arg.bill_id)
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
    lines = [x for x in await ledger.lines_of_bill(s, bill_id) if x.person_amount]
    names = await people.names_of(s, [x.person_id for x in lines])
    colleges = await people.org_units(s)
    titles = tables.contribution_tables(policies.read_all()).lines
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
        sheet.write_number(row, 4, line.base, money)
        sheet.write_number(row, 5, line.person_amount, money)
    total = sum((x.person_amount for x in lines), ledger.ZERO)
    sheet.write_string(len(lines) + 1, 0, "合计 Total", bold)
    sheet.write_number(len(lines) + 1, 5, total, money)
    book.close()
    return out.getvalue()


@activity.defn(name="record_withholding")
async def record_withholding(arg: BillDecision) -> None:
    async with session() as s:
        scope = await ledger.scope_of_bill(s, arg.bill_id)
        now = await ledger.process_now(s, scope.process_id)
        await vouchers.confirm_withholdings(s, arg.bill_id, arg.outcome, arg.actor, now)


ACTIVITIES = [withholding_list, record_withholding]
