"""The State Council's own words give the years that are in the data; slips are found; nothing is guessed."""

from datetime import date

import pytest

import policies
from domain.holiday_notice import read_notice
from domain.policy import calendar_years

YEARS = {y.year: y for y in calendar_years(policies.read_all())}
NOTICE_2026 = """国务院办公厅关于2026年部分节假日安排的通知
国办发明电〔2025〕7号
经国务院批准，现将2026年元旦、春节放假调休日期的具体安排通知如下。
一、元旦：1月1日（周四）至3日（周六）放假调休，共3天。1月4日（周日）上班。
二、春节：2月15日（农历腊月二十八、周日）至23日（农历正月初七、周一）放假调休，共9天。2月14日（周六）、2月28日（周六）上班。
三、清明节：4月4日（周六）至6日（周一）放假，共3天。
四、劳动节：5月1日（周五）至5日（周二）放假调休，共5天。5月9日（周六）上班。
五、端午节：6月19日（周五）至21日（周日）放假，共3天。
六、中秋节：9月25日（周五）至27日（周日）放假，共3天。
七、国庆节：10月1日（周四）至7日（周三）放假调休，共7天。9月20日（周日）、10月10日（周六）上班。
国务院办公厅
2025年11月4日"""
NOTICE_2024 = """一、元旦：1月1日放假，与周末连休。
二、春节：2月10日至17日放假调休，共8天。2月4日（星期日）、2月18日（星期日）上班。鼓励各单位结合带薪年休假等制度落实，安排职工在除夕（2月9日）休息。
三、清明节：4月4日至6日放假调休，共3天。4月7日（星期日）上班。
四、劳动节：5月1日至5日放假调休，共5天。4月28日（星期日）、5月11日（星期六）上班。
五、端午节：6月8日至10日放假，共3天。
六、中秋节：9月15日至17日放假调休，共3天。9月14日（星期六）上班。
七、国庆节：10月1日至7日放假调休，共7天。9月29日（星期日）、10月12日（星期六）上班。"""


@pytest.mark.parametrize(("year", "text"), [(2026, NOTICE_2026), (2024, NOTICE_2024)])
def test_the_notice_itself_gives_the_year_as_it_is_in_the_data(year: int, text: str) -> None:
    found, known = read_notice(text, year), YEARS[year]
    assert found.faults == []
    assert (found.rest, found.work) == (sorted(known.rest), sorted(known.work))
    assert found.names == {k: v.zh for k, v in known.names.items()}


def test_number_and_day_of_the_notice_and_what_is_only_encouraged() -> None:
    found = read_notice(NOTICE_2026, 2026)
    assert (found.doc, found.published_on) == ("国办发明电〔2025〕7号", date(2025, 11, 4))
    assert len(read_notice(NOTICE_2024, 2024).ignored) == 1  # the eve is no day off


def test_a_list_of_days_is_read_like_the_notice() -> None:
    rows = "日期,安排,名称\n2026-01-01/2026-01-03,放假,元旦\n2026/1/4,上班\n2026-02-15/2026-02-23\t休\t春节"
    found = read_notice(rows, 2026)
    assert (found.rest, found.work, found.faults) == (
        ["2026-01-01/2026-01-03", "2026-02-15/2026-02-23"], ["2026-01-04"], [],
    )  # fmt: skip
    assert found.names["2026-02-15/2026-02-23"] == "春节"


def test_days_of_another_year_are_named_apart() -> None:
    found = read_notice("一、元旦：2022年12月31日至2023年1月2日放假调休，共3天。", 2023)
    assert (found.rest, found.outside, found.faults) == (["2023-01-01/2023-01-02"], [date(2022, 12, 31)], [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("一、元旦：1月1日（周五）放假", "周五"),
        ("一、元旦：1月1日至3日放假，共4天", "共 4 天"),
        ("一、元旦：1月1日至3日", "未写明"),
        ("2月30日放假", "没有这个日期"),
        ("1月3日至1日放假", "早于"),
        ("1月1日放假。1月5日上班", "周一至周五"),
        ("1月1日放假。1月1日放假", "重复"),
        ("1月3日放假。1月3日上班", "同时"),
        ("放假安排另行通知", "没有找到"),
        ("1月1日放假", "法定节日"),
    ],
)
def test_a_slip_is_found(text: str, says: str) -> None:
    found = read_notice(text, 2026, [date(2026, 4, 5)])
    assert any(says in fault.text.zh for fault in found.faults)
