"""Figures for reading on a task: rates in per cent, sentences folded, so that a line of a bill stays one line."""

from web.context_view import blocks
from web.forms import Choice

WHY = "大病医疗互助补充保险 2026-11：申报工资 22000.00，在上下限之间，基数 22000；单位 0.6% = 132.00，个人 0% = 0.00"
LINE = {
    "org_unit": "law",
    "insurance": "large_medical",
    "base": "22000.00",
    "unit_rate": "0.006000",
    "person_rate": "0.000000",
    "explanation": WHY,
}


def test_a_rate_is_read_in_per_cent_and_a_sentence_is_folded() -> None:
    [table] = blocks({"lines": [LINE]}, {"org_unit": [Choice("law", "法学院")]}, "zh")
    [(cells, _)] = table.rows
    assert [c.text for c in cells] == ["法学院", "大病医疗互助补充保险", "22,000.00", "0.6%", "0%", WHY]
    assert [c.number for c in cells] == [False, False, True, True, True, False] == [h.number for h in table.head]
    assert [c.folded for c in cells] == [False] * 5 + [True]


def test_a_reason_for_which_everything_was_done_again_stands_as_what_was_before() -> None:
    for done, title, tone in (
        (False, "退回原因", "bad"),
        (True, "此前的退回原因（退回事项已重新办理，请核对）", "plain"),
    ):
        [block] = blocks({"return_reason": "金额请复核", "return_done": done}, {}, "zh")
        assert (block.title, [(n.text, n.tone) for n in block.notes]) == (title, [("金额请复核", tone)])
