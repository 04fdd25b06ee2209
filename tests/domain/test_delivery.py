"""When a message may leave, and what may stand in it."""

from datetime import datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import policies
from domain.calendar import work_calendar
from domain.delivery import Wishes, digest_after, discreet, is_address, leaves_at, quiet_until
from domain.policy import snapshot
from domain.times import SHANGHAI, day_of
from schemas.base import Text

SCHOOL = work_calendar(snapshot(policies.read_all()).calendar("school"))
NIGHT = Wishes(quiet_from=time(22), quiet_to=time(7))
NOON = Wishes(quiet_from=time(12), quiet_to=time(13, 30))
DIGEST = Wishes(digest=True)


def sh(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("wishes", "now", "until"),
    [
        (NIGHT, "2026-11-25 21:59", None),
        (NIGHT, "2026-11-25 22:00", "2026-11-26 07:00"),
        (NIGHT, "2026-11-26 06:59", "2026-11-26 07:00"),
        (NIGHT, "2026-11-26 07:00", None),
        (NOON, "2026-11-25 12:00", "2026-11-25 13:30"),
        (NOON, "2026-11-25 13:30", None),
        (Wishes(), "2026-11-25 03:00", None),
        (Wishes(quiet_from=time(7), quiet_to=time(7)), "2026-11-25 07:00", None),
    ],
)
def test_quiet_hours(wishes: Wishes, now: str, until: str | None) -> None:
    assert quiet_until(wishes, sh(now)) == (sh(until) if until else None)


@pytest.mark.parametrize(
    ("queued", "leaves"),
    [
        ("2026-11-25 08:29", "2026-11-25 08:32"),  # a Wednesday
        ("2026-11-25 08:31", "2026-11-25 08:32"),  # the ladder's rungs of 08:30 are in it
        ("2026-11-25 08:33", "2026-11-26 08:32"),
        ("2026-11-27 17:00", "2026-11-30 08:32"),  # Friday evening: Monday
        ("2026-09-30 17:00", "2026-10-08 08:32"),  # over the holiday
        ("2026-10-10 06:00", "2026-10-10 08:32"),  # a Saturday, a make-up working day
    ],
)
def test_the_digest_leaves_at_half_past_eight_of_a_working_day(queued: str, leaves: str) -> None:
    assert digest_after(sh(queued), SCHOOL) == sh(leaves)


@pytest.mark.parametrize(
    ("wishes", "reminder", "queued", "due", "leaves"),
    [
        (DIGEST, True, "2026-11-25 10:00", None, "2026-11-26 08:32"),
        (DIGEST, True, "2026-11-25 10:00", "2026-11-25 17:00", "2026-11-25 10:00"),  # tomorrow is too late
        (DIGEST, True, "2026-11-25 10:00", "2026-11-27 17:00", "2026-11-26 08:32"),
        (DIGEST, False, "2026-11-25 10:00", None, "2026-11-25 10:00"),
        (Wishes(), True, "2026-11-28 10:00", None, "2026-11-30 08:30"),  # a Saturday: at no midnight
        (Wishes(), True, "2026-10-02 10:00", None, "2026-10-08 08:30"),  # the holiday
        (NOON, True, "2026-11-28 10:00", None, "2026-11-30 08:30"),
        (NIGHT, True, "2026-11-27 23:00", None, "2026-11-30 07:00"),  # quiet until Saturday, which is a rest day
        (NIGHT, False, "2026-11-28 23:00", None, "2026-11-29 07:00"),
        (Wishes(digest=True, quiet_from=time(8), quiet_to=time(9)), True, "2026-11-25 10:00", None, "2026-11-26 09:00"),
    ],
)
def test_when_a_message_leaves(wishes: Wishes, reminder: bool, queued: str, due: str | None, leaves: str) -> None:
    at = leaves_at(
        wishes, reminder=reminder, queued_at=sh(queued), due=sh(due) if due else None, now=sh(queued), school=SCHOOL
    )
    assert at == sh(leaves)


@given(
    now=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 20)).map(lambda d: d.replace(tzinfo=SHANGHAI)),
    first=st.none() | st.times(),
    last=st.none() | st.times(),
    digest=st.booleans(),
    reminder=st.booleans(),
)
def test_a_message_leaves_once_and_never_early(
    now: datetime, first: time | None, last: time | None, digest: bool, reminder: bool
) -> None:
    wishes = Wishes(quiet_from=first, quiet_to=last, digest=digest)

    def leaves(moment: datetime) -> datetime:
        return leaves_at(wishes, reminder=reminder, queued_at=now, due=None, now=moment, school=SCHOOL)

    at = leaves(now)
    assert at >= now
    assert leaves(at) == at, "what was held until then leaves then"
    assert quiet_until(wishes, at) is None
    assert not reminder or SCHOOL.is_working_day(day_of(at))
    assert at - now < timedelta(days=16)


@pytest.mark.parametrize(
    "number",
    [
        "510104198503141234", "51010419850314123X", "510104 19850314 123X", "13800138000", "138 0013 8000",
        "+86 13800138000", "6222020402001234567", "6222 0204 0200 1234 567", "5100202699999999", "E12345678",
        "028-87654321", "¥12,345.60", "12345.60", "18,000元", "1.8 万元", "18000 yuan",
        "USA0P62044736", "C01X00T47", "(028)87654321", "（028）8765-4321", "028 8765 4321",
        "台胞证 12345678", "RMB 5000", "CNY5,000", "人民币5000", "3.5万", "5 千元",
        "金额5000", "金额：5,000.5", "an amount of 5000", "$5000",
    ],
)  # fmt: skip
def test_numbers_of_a_person_and_amounts_do_not_leave(number: str) -> None:
    said = discreet(Text(zh=f"请核对{number}，谢谢", en=f"Please check {number} today"))
    assert not [d for d in "123456789" if d in said.zh + said.en], said


def test_case_numbers_dates_hours_and_rates_stay() -> None:
    text = Text(
        zh="FE2026-0001 2026-11-30 17:00 到期，还有 3 天；2026-11 社保费；DL-REG-FOR 第 1 级",
        en="FE2026-0001 due 2026-11-30 17:00, 3 days left; social levy 2026-11",
    )
    assert discreet(text) == text
    more = Text(
        zh="证明FE2026-0001有效至20261130，金额 3 项不符，工资 2026-11 起调整，金额 1 至 3 倍，1万人",
        en="FE2026-0001 until 20261130, amounts 2026-11, social bureau 2026-12-02 08:30, DL-PAY-OTHER@2026-11",
    )
    assert discreet(more) == more
    assert discreet(Text(zh="金额5000", en="wage: 18000")) == Text(zh="金额***", en="wage: ***")
    rates = Text(zh="按日加收 0.05%滞纳金，费率 16.00 ％", en="0.05% a day, rate 16.00 %, or 0.50 per cent")
    assert discreet(rates) == rates


def test_addresses() -> None:
    assert is_address("sms", "13800138000") and is_address("sms", "+4915112345678") and not is_address("sms", "0281234")
    assert is_address("wecom", "WangMin.2") and not is_address("wecom", "a|b") and not is_address("wecom", "@all")
    assert is_address("feishu", "ou_7d8a6e6df7621556ce0d21922b676706ccs") and is_address("feishu", "a@b.cn")
    assert not is_address("feishu", '"></at>') and not is_address("dingtalk", "a,b")
