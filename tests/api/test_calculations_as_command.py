"""The same bytes to `baoqi calc` and to the API: both take them, or both refuse them at one field in the same words."""

import asyncio
import json
from typing import Any

import typer
from typer.testing import CliRunner

from cli.calc import calc
from tests.api.conftest import Office

app = typer.Typer()
app.command("calc")(calc)
app.command("other")(lambda: None)

DAYS = b'{"start": "2026-11-24", "n": 30, "unit": "calendar_days"}'
TWICE = "该字段出现了两次，请保留一处。", "The field is given twice: keep one."
OBJECT = "应为对象。", "It must be an object."
DECIMAL = (
    '应为用引号写出的十进制数，例如 "4588" 或 "0.16"，不带千分位。',
    'It must be a decimal number written as text, like "4588" or "0.16", without separators.',
)
REFUSED: list[tuple[str, bytes, str, tuple[str, str] | None]] = [  # calculation, input, field, sentences (None: any)
    ("add-days", DAYS[:-1] + b', "n": 31}', "/n", TWICE),
    ("add-days", DAYS[:-1] + b', "n": 30}', "/n", TWICE),
    ("add-days", DAYS[:-1] + b', "calendar": {"2026": {"rest": [], "work": [], "rest": ["2026-12-24"]}}}',
     "/calendar/2026/rest", TWICE),
    ("add-days", DAYS[:-1] + b', "calendar": {"2026": {"rest": []}, "2026": {"rest": []}}}', "/calendar/2026", TWICE),
    ("add-days", DAYS[:-1] + b', "more": [1, {"a/b~": 1, "a/b~": 2}]}', "/more/1/a~1b~0", TWICE),
    ("difference", b'{"persons": [{"id": "1"}, {"id": "2", "declared": "5000", "declared": "6000"}]}',
     "/persons/1/declared", TWICE),
    ("add-days", b"", "", ("输入为空，应为一个 JSON 对象。", "The input is empty: give a JSON object.")),
    ("add-days", b" \n\t", "", ("输入为空，应为一个 JSON 对象。", "The input is empty: give a JSON object.")),
    ("add-days", b"\xef\xbb\xbf", "", ("输入为空，应为一个 JSON 对象。", "The input is empty: give a JSON object.")),
    ("add-days", b"\xff\xfe{}", "", ("输入不是 UTF-8 编码（第 1 个字节）。", "The input is not UTF-8 (byte 1).")),
    ("add-days", DAYS.decode().encode("utf-16"), "", None),
    ("add-days", DAYS[:-1] + ', "备注": 1}'.encode("gbk"), "", None),
    ("add-days", b'{"start": "2026-11-24",\n "n": }', "",
     ("不是有效的 JSON：第 2 行第 7 列附近有误。", "Not valid JSON: line 2, column 7: Expecting value.")),
    ("add-days", DAYS + b" x", "", None),
    ("add-days", b"[" + DAYS + b"]", "", OBJECT),
    ("add-days", b"null", "", OBJECT),
    ("add-days", b'"text"', "", OBJECT),
    ("add-days", b"7", "", OBJECT),
    ("add-days", b"[" * 100_000, "", ("JSON 嵌套过深。", "The JSON is nested too deeply.")),
    ("add-days", DAYS[:-1] + b', "calendar": ' + b"[" * 200 + b"]" * 200 + b"}", "/calendar", OBJECT),
    ("add-days", b'{"n": ' + b"9" * 5000 + b"}", "",
     ("JSON 中有位数过多的数字。", "A number in the JSON has too many digits.")),
    ("add-days", DAYS.replace(b"30", b"9" * 400), "/n", None),
    ("add-days", DAYS.replace(b"30", b"1e400"), "/n", None),
    ("add-days", DAYS.replace(b"30", b"NaN"), "/n", None),
    ("add-days", DAYS.replace(b"30", b"true"), "/n", None),
    ("add-days", DAYS.replace(b'"2026-11-24"', b"null"), "/start", None),
    ("late-fee", b'{"owed": 1000.5, "due": "2026-11-25", "paid": "2026-12-01"}', "/owed", DECIMAL),
    ("late-fee", b'{"owed": NaN, "due": "2026-11-25", "paid": "2026-12-01"}', "/owed", DECIMAL),
    ("late-fee", b'{"owed": -Infinity, "due": "2026-11-25", "paid": "2026-12-01"}', "/owed", DECIMAL),
    ("late-fee", b'{"owed": "1e5", "due": "2026-11-25", "paid": "2026-12-01"}', "/owed", DECIMAL),
    ("late-fee", b'{"owed": "NaN", "due": "2026-11-25", "paid": "2026-12-01"}', "/owed", DECIMAL),
    ("late-fee", b'{"owed": 1' + b"0" * 30 + b', "due": "2026-11-25", "paid": "2026-12-01"}', "/owed", DECIMAL),
    ("late-fee", b'{"owed": "100.00", "due": "1999-01-15", "paid": "1999-02-15"}', "/paid", None),
    ("identity", b'{"value": "\\ud83d"}', "/value", None),
    ("identity", b'{"\\ud83d": 1}', "", None),
    ("identity", b'{"value": "110101199003070000", "type": "\\udc00"}', "/type", None),
]  # fmt: skip
TAKEN: list[tuple[str, bytes]] = [
    ("add-days", b"\xef\xbb\xbf" + DAYS),
    ("add-days", b"\n " + DAYS + b"\n"),
    ("late-fee", b'{"owed": 1000, "due": "2026-11-25", "paid": "2026-12-01"}'),
    ("identity", b'{"value": "\\u0000"}'),
    ("identity", '{"value": "\U0001f600\\ud83d\\ude00"}'.encode()),
]


def command(name: str, given: bytes) -> tuple[int, Any]:
    """Exit code, and the answer, or (field, Chinese, English) of each fault."""
    found = CliRunner().invoke(app, ["calc", name], input=given)
    if found.exit_code == 0:
        return 0, json.loads(found.stdout)
    assert found.stdout == "" and found.exception.__class__ is SystemExit, found.exception
    lines = found.stderr.removeprefix("✗ ").rstrip("\n").split("\n✗ ")
    return found.exit_code, sorted(tuple(line.split("\n  ")) for line in lines)


async def test_command_and_api_take_and_refuse_the_same_input(office: Office) -> None:
    clerk = await office.sign_in("clerk")

    async def asked(name: str, body: bytes, lang: str = "zh") -> Any:
        return await clerk.post(
            f"/api/v1/calculations/{name}", content=body, params={"lang": lang},
            headers={"Content-Type": "application/json"},
        )  # fmt: skip

    for name, body, field, sentences in REFUSED:
        code, faults = await asyncio.to_thread(command, name, body)
        assert code == 2, (name, body[:80], faults)
        zh, en = await asked(name, body, "zh"), await asked(name, body, "en")
        assert (zh.status_code, en.status_code) == (422, 422), (name, body[:80], zh.text)
        said: dict[str, tuple[str, str]] = {}
        found: list[tuple[str, str]] = []
        for one, other in zip(zh.json()["errors"], en.json()["errors"], strict=True):
            said[one["pointer"]] = one["message"], other["message"]
            head = one["pointer"].lstrip("/").replace("/", ".")
            head += ": " if head else ""
            found.append((head + one["message"], head + other["message"]))
        assert sorted(found) == faults, (name, body[:80])
        assert field in said, (name, body[:80], said)
        assert sentences in (None, said[field]), (name, body[:80], said)
    for name, body in TAKEN:
        code, answer = await asyncio.to_thread(command, name, body)
        answered = await asked(name, body)
        assert (code, answered.status_code) == (0, 200), (name, body[:80], answer, answered.text)
        assert answered.json() == answer


async def test_a_body_that_is_not_called_json_is_told_the_header(office: Office) -> None:
    clerk = await office.sign_in("clerk")
    for content_type in ("application/x-www-form-urlencoded", "text/plain", ""):
        answer = await clerk.post("/api/v1/calculations/add-days", content=DAYS, headers={"Content-Type": content_type})
        assert answer.status_code == 422
        assert "application/json" in answer.json()["errors"][0]["message"]
    other = {"Content-Type": "application/vnd.school+json; charset=utf-8"}
    assert (await clerk.post("/api/v1/calculations/add-days", content=DAYS, headers=other)).status_code == 200
