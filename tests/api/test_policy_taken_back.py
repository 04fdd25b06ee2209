"""A wrong change that was applied is taken back by a change of its own; a fault that is there is said as one."""

from typing import Any

import pytest

import policies as shipped
from domain.policy import PolicyError
from store import policies
from tests.api.conftest import Office, add_policy_administrators
from tests.api.test_policy import DURATION, applied, get, post
from tests.api.test_policy_preview import RATE
from tests.applications import with_pages
from web import choices

FEE = {"owed": "10000", "due": "2026-10-25", "paid": "2026-11-04"}
TREATY = {
    "file": "treaties.yaml", "kind": "row", "key": "treaties", "reason": "测试", "source": "测试文件",
    "new": {"country": "ITA", "in_force": None, "exempt": ["pension"]},
}  # fmt: skip
FLOW = "confidence: known, sample: false}\n"
ITALY, GREECE = (TREATY["new"] | {"country": c} for c in ("ITA", "GRC"))
SHIPPED_TREATY = "  - {{country: {}, in_force: null, exempt: [pension], source: x, " + FLOW.replace("}", "}}")


@pytest.fixture
async def keepers(office: Office) -> Office:
    await add_policy_administrators()
    return office


def forget() -> None:
    """What was read of the files."""
    policies._texts.cache_clear()
    policies._snapshot.cache_clear()


@pytest.fixture
def newer_files(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ships a file with more in it from now on, as a newer version of the product does."""

    def ship(file: str, more: str) -> None:
        texts = shipped.read_all()
        monkeypatch.setattr(shipped, "read_all", lambda: {**texts, file: texts[file] + more})
        forget()

    yield ship
    monkeypatch.undo()
    forget()


async def read(office: Office, path: str, lang: str, status: int) -> str:
    """What a policy administrator reads at an address."""
    answer = await (await office.sign_in("policy")).get(f"{path}{'&' if '?' in path else '?'}lang={lang}")
    assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:300]}"
    return answer.json()["detail"] if path.startswith("/api/") and status != 200 else answer.text


async def taken_back(office: Office, number: int) -> dict[str, Any]:
    asked = await post(office, "policy", f"/changes/{number}/revoke", note="录入错误")
    assert asked.status_code == 201, asked.text
    own = asked.json()["id"]
    assert (await post(office, "policy", f"/changes/{own}/approve")).json()["code"] == "four_eyes"
    for verb in ("approve", "apply"):
        answer = await post(office, "policy2", f"/changes/{own}/{verb}")
        assert answer.status_code == 200, answer.text
    return asked.json()


async def test_what_was_applied_wrongly_is_taken_back_and_stays_on_record(keepers: Office) -> None:
    number = (await applied(keepers, RATE))["id"]
    clerk = await keepers.sign_in("clerk")

    async def fee() -> str:
        return (await clerk.post("/api/v1/calculations/late-fee", json=FEE)).json()["amount"]

    assert await fee() == "100.00"
    bare = await post(keepers, "policy", f"/changes/{number}/revoke")
    assert (bare.status_code, bare.json()["errors"][0]["pointer"]) == (422, "/note")
    assert (await post(keepers, "clerk", f"/changes/{number}/revoke", note="x")).status_code == 403
    change = await taken_back(keepers, number)
    assert (change["kind"], change["key"], change["old"]["daily_rate"]) == ("revoke", str(number), "0.001")
    assert await fee() == "50.00"
    seen = (await get(keepers, "policy", f"/changes/{number}")).json()
    assert (seen["state"], seen["actions"], seen["new"]["daily_rate"]) == ("applied", [], "0.001")
    assert seen["taken_back"] is True and change["taken_back"] is False
    for again in (number, change["id"]):  # neither twice, nor what takes back
        assert (await post(keepers, "policy", f"/changes/{again}/revoke", note="x")).status_code == 409
    body = {"file": "late_fee.yaml", "kind": "revoke", "key": "999", "new": {}, "reason": "x", "source": "x"}
    unknown = await post(keepers, "policy", "/changes", **body)
    assert (unknown.status_code, unknown.json()["errors"][0]["pointer"]) == (422, "/key")
    values = (await get(keepers, "policy", "/files/late_fee.yaml")).json()
    assert [v["key"] for v in values] == ["rates[2011-07-01]"]


@pytest.mark.parametrize(
    ("change", "newer"),
    [
        (RATE, '  - {valid_from: 2026-01-01, daily_rate: "0.001", source: x, ' + FLOW),
        (TREATY, "  - {country: ITA, in_force: null, exempt: [pension], source: x, " + FLOW),
    ],
)
async def test_a_change_that_fits_newer_files_no_more_is_named_and_taken_back(
    keepers: Office, newer_files: Any, change: dict[str, Any], newer: str
) -> None:
    number = (await applied(keepers, change))["id"]
    newer_files(change["file"], newer)  # the value that was entered here is shipped by now
    client = await keepers.sign_in("policy")
    for lang, words in (("zh", ("撤销该变更", f"第 {number} 号变更")), ("en", ("ake", f"hange {number}"))):
        said = await client.post("/api/v1/policy/changes", json=DURATION, params={"lang": lang})
        assert said.status_code == 422 and all(w in said.json()["detail"] for w in words), said.text
    await taken_back(keepers, number)
    assert (await post(keepers, "policy", "/changes", **DURATION)).status_code == 201


async def test_rules_that_cannot_be_read_say_why_and_are_set_right_step_by_step(
    keepers: Office, newer_files: Any
) -> None:
    keepers.app = with_pages()
    numbers = [(await applied(keepers, {**TREATY, "new": new}))["id"] for new in (ITALY, GREECE)]
    fitting = (await applied(keepers, RATE))["id"]
    for country in ("ITA", "GRC"):  # both are shipped by now: neither can be laid on
        newer_files("treaties.yaml", SHIPPED_TREATY.format(country))
    for number in numbers:
        for lang, words in (("zh", f"第 {numbers[0]} 号变更"), ("en", f"Change {numbers[0]}")):
            for path in ("/api/v1/policy/files", "/api/v1/rules/values?month=2026-11", "/policy", "/rules"):
                assert words in await read(keepers, path, lang, 503), path
        assert f"/policy/changes/{number}" in await read(keepers, "/policy", "zh", 503)
        for path in ("/policy/changes", f"/policy/changes/{number}", f"/policy/changes/{fitting}"):
            await read(keepers, path, "zh", 200)
        asked = (await post(keepers, "policy", f"/changes/{number}/revoke", note="已随系统发布")).json()
        seen = (await get(keepers, "policy", f"/changes/{asked['id']}/preview")).json()
        left = [f["zh"] for f in seen["findings"]]
        assert len(left) == len(numbers) - 1, "what is left to do is named"
        assert all(f"第 {n} 号变更" in f for n, f in zip(numbers[1:], left, strict=True))
        for verb in ("approve", "apply"):
            answer = await post(keepers, "policy2", f"/changes/{asked['id']}/{verb}")
            assert answer.status_code == 200, answer.text
        numbers = numbers[1:]
    await read(keepers, "/policy", "zh", 200)
    treaties = (await get(keepers, "policy", "/files/treaties.yaml")).json()
    assert {"treaties[ITA]", "treaties[GRC]"} <= {v["key"] for v in treaties}


@pytest.mark.parametrize("more", ["  - {unclosed: [\n", "localities: 3\n"])
async def test_a_broken_file_is_named_and_changes_of_others_are_taken_back(
    keepers: Office, newer_files: Any, more: str
) -> None:
    keepers.app = with_pages()
    number = (await applied(keepers, RATE))["id"]
    newer_files("billing_lines.yaml", more)
    for path in ("/api/v1/policy/files", "/api/v1/rules/values?month=2026-11", "/policy", "/rules"):
        if more.startswith("localities") and path.endswith(("/policy", "/files")):
            continue  # a value of the wrong kind: the file itself can be shown
        for lang in ("zh", "en"):
            assert "billing_lines.yaml" in await read(keepers, path, lang, 503), path
    if "unclosed" in more:
        with pytest.raises(PolicyError, match="billing_lines"):
            choices.insurances("zh")  # as pages of tasks ask for their words
    await taken_back(keepers, number)
