"""Who moved a date is read by name, and nothing that was typed changes."""

import pytest

from domain.moved_by import decided_by, extended_by, with_names
from schemas.base import Text
from schemas.dates import GROUNDS, Ground

NAMES = {"clerk": Text(zh="王敏", en="Wang Min"), "head": Text(zh="李建国", en="Li Jianguo")}


@pytest.mark.parametrize("ground", GROUNDS)
def test_who_extended_a_target_is_read_by_name(ground: Ground) -> None:
    for login, zh, en in (("clerk", "王敏", "Wang Min"), ("gone", "gone", "gone")):
        said = extended_by(ground, login)
        typed = Text(
            zh=f"由 A 延至 B{said.zh}：请找 clerk（见附件；clerk）", en=f"Extended {said.en}: ask clerk (so; clerk)"
        )
        read = with_names(typed, NAMES)
        assert f"；{zh}）：" in read.zh and read.zh.endswith("请找 clerk（见附件；clerk）")
        assert f"; {en}): " in read.en and read.en.endswith("ask clerk (so; clerk)")


def test_who_recorded_and_who_confirmed_a_decision_are_read_by_name() -> None:
    said = decided_by("clerk", "head")
    read = with_names(Text(zh=f"clerk 来函{said.zh}", en=f"clerk wrote {said.en}"), NAMES)
    assert read.zh == "clerk 来函（登记：王敏；确认：李建国）"
    assert read.en == "clerk wrote (recorded by Wang Min, confirmed by Li Jianguo)"
