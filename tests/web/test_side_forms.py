"""Each form beside the answer that is refused comes back open and as it was typed, the sentence at its field."""

import re
from html import unescape
from typing import Any

import httpx2
import pytest

from runtime import clock
from store.database import session
from store.tables.processes import Process, Task
from tests.web.office import open_case, task_id

OF_A_TASK = (
    ("return", {"reason": " ", "target": "materials again"}, "return-reason-fault"),
    ("copies", {"person": "nobody", "note": "请核对第二页"}, "copy-person-fault"),
    ("move/transfer", {"to": "clerk2", "reason": " "}, "reason-transfer-fault"),
    ("move/delegate", {"to": "nobody", "reason": "请核对第二页"}, "to-delegate-fault"),
    ("move/urge", {"note": "急" * 201}, "note-urge-fault"),
)
OF_A_SIGNATURE = (  # neither the person nor the order is chosen beforehand
    ("countersign", {"where": "after", "reason": "金额较大，请先看"}, "add-who-fault"),
    ("countersign", {"username": "head", "reason": "金额较大，请先看"}, "add-where-fault"),
)
OF_A_CASE = (
    ("suspend", {"reason": " "}, "reason-suspend-fault"),
    ("cancel", {"reason": "x", "ground": "left"}, "reason-cancel-fault"),
    ("copies", {"person": "nobody", "note": "请核对第二页"}, "copy-person-fault"),
    ("deadlines/decision", {"reason": "系统升级", "number": "88号", "due": ""}, "decide-due-fault"),
)


async def send(client: httpx2.AsyncClient, page: str, path: str, typed: dict[str, str]) -> str:
    """Posts a form of a page that has it; gives the page that comes back."""
    seen = (await client.get(page)).text
    assert f'action="{page}/{path}"' in seen, (page, path)
    csrf = re.search(r'name="csrf" value="([^"]+)"', seen)
    assert csrf is not None
    answer = await client.post(f"{page}/{path}", data={"csrf": csrf[1], "key": "k1", **typed})
    assert answer.status_code == 422, (path, answer.status_code)
    return answer.text


def form_of(page: str, path: str) -> str:
    """The open fold that holds the form."""
    for fold in re.findall(r"<details[^>]* open>.*?</details>", page, re.DOTALL):
        if f"/{path}" in fold:
            return fold
    raise AssertionError(f"no open form {path}")


def check(page: str, path: str, typed: dict[str, str], fault: str) -> None:
    form = form_of(page, path)
    assert f'id="{fault}"' in form and f'aria-describedby="{fault}"' in form, path
    assert '<div class="notice bad" role="alert">' in page
    for name, value in typed.items():
        field = re.search(rf'<(select|input)[^>]* name="{name}"[^>]*>(.*?</select>)?', form, re.DOTALL)
        assert field is not None, name
        kept = re.search(r'value="([^"]*)" selected', field[0]) if field[1] == "select" else None
        found = kept or re.search(r'value="([^"]*)"', field[0].partition(">")[0])
        if value != "nobody" or field[1] == "input":  # a choice that is none cannot be chosen
            assert found is not None and unescape(found[1]) == value, (path, name, field[0])
    assert 'value="k1"' not in form, "a new attempt has a key of its own"


@pytest.mark.parametrize("lang", ["zh", "en"])
async def test_what_was_typed_comes_back_with_the_sentence_at_its_field(door: Any, lang: str) -> None:
    case = await open_case(1, ["social_bureau", "tax_payment"], 5, done=["materials", "verification"])
    task = task_id(case, "social_bureau")
    clerk, supervisor = await door("clerk"), await door("supervisor")
    async with session() as s:
        row = await s.get_one(Task, task)
        row.holder, row.held_since = "clerk", clock.real_now()
        (await s.get_one(Process, case)).state = "running"
    for client in (clerk, supervisor):
        client.cookies.set("lang", lang)
    for path, typed, fault in OF_A_TASK:
        asker = supervisor if path == "move/urge" else clerk
        check(await send(asker, f"/tasks/{task}", path, typed), path, typed, fault)
    for path, typed, fault in OF_A_SIGNATURE:
        check(await send(clerk, f"/tasks/{task_id(case, 'tax_payment')}", path, typed), path, typed, fault)
    for path, typed, fault in OF_A_CASE:
        check(await send(supervisor, f"/cases/{case}", path, typed), path, typed, fault)
