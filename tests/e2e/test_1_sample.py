"""The sample's spreadsheet on a running product: nine rows closed by the contract alone, four refused with a sentence.

One story told in order (the tests of this module go on from each other): fresh, uploaded, in the middle, closed. Told
twice: of a product that root runs, and of one that an ordinary user runs from a fresh clone.
"""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload, SearchAttributes
from temporalio.client import Client

from runtime.settings import Settings
from runtime.temporal import ENCODING, codec, connect
from tests.e2e.installation import Installation
from tests.e2e.office import Office
from tests.e2e.product import BUREAUS, Product, assert_board_counts_its_lists, assert_no_incident

# The first of them installs a clone.
pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]
GOOD = 9


@pytest.fixture(scope="module")
def cases(installed: Installation) -> list[str]:
    """The cases that the sample started, once it was uploaded to this user's product."""
    return []


def rows(sample: Path) -> list[dict[str, Any]]:
    """The sheet's rows by heading."""
    sheet = openpyxl.load_workbook(sample).active
    assert sheet is not None
    head, *body = sheet.iter_rows(values_only=True)
    return [dict(zip([str(h) for h in head], row, strict=True)) for row in body]


def passports(sample: Path) -> set[str]:
    return {str(r["证件号码"]).replace(" ", "") for r in rows(sample)}


def test_nine_rows_start_and_four_come_back_with_code_and_sentence(
    office: Office, cases: list[str], sample: Path
) -> None:
    assert_board_counts_its_lists(office)
    answer = office["clerk"].upload("enrolment", sample)
    outcomes = Counter(row["outcome"] for row in answer["rows"])
    assert outcomes == {"started": GOOD, "refused": 3, "duplicate": 1}, answer
    by_name = {row["row"]: row for row in answer["rows"] if row["outcome"] == "refused"}
    for row in [*by_name.values(), *(r for r in answer["rows"] if r["outcome"] == "duplicate")]:
        assert not row["process_id"] or row["outcome"] == "duplicate"
        assert row["faults"]
        for fault in row["faults"]:
            assert fault["code"]
            assert len(fault["message"]) > 8
    assert {r["name"] for r in by_name.values()} == {"Priya Sharma", "Emily Clarke", "Pedro Silva"}
    repaired = next(r for r in answer["rows"] if r["name"] == "Milan Jovic")
    assert repaired["repairs"]
    cases += [row["process_id"] for row in answer["rows"] if row["outcome"] == "started"]

    sheet = office["clerk"].write("GET", f"/imports/{answer['id']}/refused.xlsx")
    assert sheet.status_code == 200
    book = openpyxl.load_workbook(io.BytesIO(sheet.content))
    said = "\n".join(str(cell) for row in book.worksheets[0].iter_rows(values_only=True) for cell in row if cell)
    for name in ("Priya Sharma", "Emily Clarke", "Pedro Silva"):
        assert name in said
    for row in by_name.values():
        for fault in row["faults"]:
            assert fault["message"] in said, "the sentence of every fault stands in the returned spreadsheet"


def test_the_same_upload_again_starts_nothing(office: Office, sample: Path) -> None:
    before = office["supervisor"].get("/processes?kind=enrolment")["total"]
    again = office["clerk"].upload("enrolment", sample)
    assert "started" not in Counter(row["outcome"] for row in again["rows"])
    assert office["supervisor"].get("/processes?kind=enrolment")["total"] == before


def test_nine_cases_are_closed_by_the_contract_alone(
    product: Product, office: Office, cases: list[str], sample: Path
) -> None:
    assert len(cases) == GOOD
    assert assert_board_counts_its_lists(office) > 10, "fresh"
    assert_board_counts_its_lists(office, "college")

    verified = lambda: all(  # noqa: E731
        not {"materials", "verification"} & {s["code"] for s in c["stages"] if s["state"] in ("active", "pending")}
        for c in map(office.case, cases)
    )
    office.work(verified, cases=cases, seconds=150)
    assert_board_counts_its_lists(office)

    office.work(office.to_state("closed", *cases), seconds=300)
    assert_board_counts_its_lists(office)
    assert_board_counts_its_lists(office, "clerk")
    assert_no_incident(office, *cases)
    for case in map(office.case, cases):
        states = {s["code"]: s["state"] for s in case["stages"]}
        assert set(states.values()) <= {"done", "skipped"}, states
        assert {t["state"] for t in case["tasks"]} <= {"completed", "obsolete"}

    wanted = passports(sample) - {"P92665822", "E50987609", "G58343484"}
    for bureau in BUREAUS:
        received = [n for n in product.applications(bureau) if n in passports(sample)]
        assert sorted(received) == sorted(wanted), bureau
        assert {r["id_number"] for r in product.registrations(bureau)} >= wanted
    product.assert_nothing_twice()


def test_every_reimbursement_is_closed(product: Product, office: Office, cases: list[str]) -> None:
    settled = lambda: {p["state"] for p in office.processes(kind="reimbursement")} <= {"closed"}  # noqa: E731
    office.work(settled, cases=cases, seconds=60)
    reimbursements = office.processes(kind="reimbursement")
    assert len(reimbursements) == len(product.payments()), "one for each paid bill"
    assert {p["state"] for p in reimbursements} == {"closed"}


async def test_no_personal_data_in_any_history(product: Product, cases: list[str], sample: Path) -> None:
    settings = product.settings()  # pyright: ignore[reportCallIssue]
    client = await connect(settings)
    secrets = {
        str(row[heading]).strip()
        for row in rows(sample)
        for heading in ("姓名(护照)", "证件号码", "工作许可证号", "手机", "邮箱")
        if row[heading]
    } | passports(sample)
    # Parts of a name on their own, and words of the sample in the other case.
    secrets |= {part for row in rows(sample) for part in str(row["姓名(护照)"]).split() if len(part) > 4}
    assert "L57094207" in secrets
    read = 0
    ids = [run.id async for run in client.list_workflows()]
    assert set(cases) <= set(ids)
    for workflow_id in ids:
        plain = await _plain_text(client, settings, workflow_id)
        read += len(plain)
        found = [word for word in secrets if word.lower() in plain.lower()]
        assert not found, f"{workflow_id}: {len(found)} personal values in its history"
    assert read > 100_000, "the histories were decrypted, not skipped"


async def _plain_text(client: Client, settings: Settings, workflow_id: str) -> str:
    """A history's ids, names and every payload, decrypted."""
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    payloads: list[Payload] = []
    words = [workflow_id]
    for event in history.events:
        _walk(event, payloads, words)
    assert all(p.metadata.get("encoding") == ENCODING for p in payloads), "a payload lies open"
    decoded = await codec(settings).decode(payloads)
    return "\n".join([*words, *(p.data.decode("utf-8", "replace") for p in decoded)])


def _walk(message: Message, payloads: list[Payload], words: list[str]) -> None:
    """Collects payloads (search attributes are open by nature: their text counts as words) and all strings."""
    for field, value in message.ListFields():
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        values = (
            list(value.values()) if is_map else list(value) if isinstance(value, list) or _repeated(value) else [value]
        )
        for each in values:
            if isinstance(each, SearchAttributes):
                words.extend(p.data.decode() for p in each.indexed_fields.values())
            elif isinstance(each, Payload):
                payloads.append(each)
            elif isinstance(each, Message):
                _walk(each, payloads, words)
            elif isinstance(each, str):
                words.append(each)


def _repeated(value: Any) -> bool:
    return hasattr(value, "append") or hasattr(value, "add")
