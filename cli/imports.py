"""`baoqi import KIND FILE` and `baoqi process start KIND FILE`: a spreadsheet (or one record as JSON) to the
running system.

Exit code: 0 when the file was taken (rows that were refused are printed with a sentence each), 2 when nothing could be
done, and with --strict also when a row was refused or differs from its case; a mere copy of a row is neither.
"""

import json
from pathlib import Path
from typing import Annotated, Any, cast
from uuid import uuid4

import typer
from rich.table import Column, Table

from cli.http import UNUSABLE, Server, console, fail

process_app = typer.Typer(help="流程 Processes", no_args_is_help=True)

Url = Annotated[str | None, typer.Option("--url", envvar="BAOQI_URL", help="服务地址 Address of the server")]
User = Annotated[str | None, typer.Option("--user", help="用户名 User name")]
Password = Annotated[str | None, typer.Option("--password", envvar="BAOQI_PASSWORD", help="密码 Password")]
Token = Annotated[str | None, typer.Option("--token", envvar="BAOQI_TOKEN", help="访问令牌 API token")]
Data = Annotated[Path | None, typer.Option("--data", help="数据目录 Data folder with run.json")]
Preview = Annotated[bool, typer.Option("--preview", help="只检查，不启动 Check only, start nothing")]
Refused = Annotated[
    Path | None, typer.Option("--refused", help="把未启动的行写入此文件 Write the rows that did not start")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="有行被退回或与已有内容不同时以 2 结束 Exit with 2 when a row is refused or differs from its case",
    ),
]
Another = Annotated[
    list[int] | None,
    typer.Option("--another-person", help="该行确为另一人，发起 This row is another person: start it"),
]
Same = Annotated[
    list[int] | None,
    typer.Option(
        "--same-person",
        help="该行是同一人，更新在办案件的证件 This row is the same person: its open case gets the document",
    ),
]
KindArgument = Annotated[str, typer.Argument(help="流程种类 Kind of process, e.g. enrolment")]
FileArgument = Annotated[Path, typer.Argument(help="表格文件 .xlsx .xls .csv")]

OUTCOMES = {
    "started": "已启动 started",
    "refused": "未启动 refused",
    "duplicate": "重复 duplicate",
    "changed": "有变更 changed",
}


def import_command(
    kind: KindArgument,
    file: FileArgument,
    preview: Preview = False,
    refused: Refused = None,
    strict: Strict = False,
    another_person: Another = None,
    same_person: Same = None,
    url: Url = None,
    user: User = None,
    password: Password = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """导入表格：合格的行启动流程 Import a spreadsheet: good rows start a process each."""
    said = {"another_person": another_person or [], "same_person": same_person or []}
    _upload(Server(url, user, password, token, data), kind, _content(file), file.name, preview, refused, strict, said)


@process_app.command("start")
def process_start(
    kind: KindArgument,
    file: Annotated[Path, typer.Argument(help="表格，或一条记录的 .json A spreadsheet, or one record as .json")],
    refused: Refused = None,
    strict: Strict = False,
    another_person: Another = None,
    same_person: Same = None,
    url: Url = None,
    user: User = None,
    password: Password = None,
    token: Token = None,
    data: Data = None,
) -> None:
    """启动流程：表格逐行启动，或用 .json 启动一件 Start processes from a spreadsheet, or one (row 1) from a .json."""
    content = _content(file)
    said = {"another_person": another_person or [], "same_person": same_person or []}
    server = Server(url, user, password, token, data)
    if file.suffix.lower() != ".json":
        _upload(server, kind, content, file.name, False, refused, strict, said)
        return
    try:
        record = cast("Any", json.loads(content))
    except ValueError as error:
        fail(f"{file} 不是有效的 JSON：{error}", f"{file} is no valid JSON: {error}")
    decision = next((what for what, rows in said.items() if rows), None)
    body = {"kind": kind, "input": record, "decision": decision}
    answer = server.post("/processes", json=body, headers={"Idempotency-Key": str(uuid4())})
    done = "证件已更新 document replaced" if decision == "same_person" else "已启动 started"
    console.print(f"{done}: {answer.json()['id']}", highlight=False)


def _content(file: Path) -> bytes:
    if not file.is_file():
        fail(f"没有文件 {file}。", f"There is no file {file}.")
    return file.read_bytes()


def _upload(
    server: Server,
    kind: str,
    content: bytes,
    name: str,
    preview: bool,
    refused: Path | None,
    strict: bool,
    said: dict[str, list[int]],
) -> None:
    answer = server.post(
        f"/imports/{kind}",
        files={"file": (name, content, "application/octet-stream")},
        data={"mode": "preview" if preview else "good_rows", **said},
    ).json()
    rows = cast("list[dict[str, Any]]", answer["rows"])
    for note in cast("list[str]", answer.get("notes", [])):
        console.print(note, markup=False, highlight=False)
    for column in cast("list[dict[str, Any]]", answer.get("unread", [])):
        console.print(column["message"], style="yellow", markup=False, highlight=False)
    # The process id is what other commands take: never cut, however narrow the window.
    process = Column("流程 process", no_wrap=True, min_width=21)
    table = Table("行 row", "姓名 name", "结果 outcome", process, Column("说明 remarks", overflow="fold"))
    for row in rows:
        remarks = [f"{r['column']}：{r['message']}" for r in [*row["faults"], *row["repairs"]]]
        table.add_row(
            f"{row.get('sheet', '')} {row['row']}".strip(),
            str(row.get("name") or ""),
            OUTCOMES.get(row["outcome"], row["outcome"]),
            str(row["process_id"] or ""),
            "\n".join(remarks),
        )
    console.print(table)
    counts = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in OUTCOMES}
    console.print("，".join(f"{OUTCOMES[o]}: {n}" for o, n in counts.items()), highlight=False)
    for row in rows:
        if row["decisions"]:
            ways = " / ".join(f"--{what.replace('_', '-')} {row['key']}" for what in row["decisions"])
            console.print(f"请确认 to decide: {row['name']}: {ways}", markup=False, highlight=False)
    if len(rows) > counts["started"] and refused is not None:
        refused.write_bytes(server.get(f"/imports/{answer['id']}/refused.xlsx").content)
        console.print(f"未启动的行已写入 rows that did not start: {refused}", highlight=False)
    if strict and any(_left_open(row) for row in rows):
        raise typer.Exit(UNUSABLE)


def _left_open(row: dict[str, Any]) -> bool:
    """Whether a row needs somebody: refused, or different from what is there; not a copy, nor a document taken over as
    it was asked for."""
    done = row["outcome"] == "changed" and all(f["code"] == "document_replaced" for f in row["faults"])
    return row["outcome"] in ("refused", "changed") and not done
