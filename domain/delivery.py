"""When a message may leave the house, and what may stand in it. Pure: wishes and instants in, an instant or text out.

Invariants: quiet hours and the digest move a message to a later moment, never to an earlier one, and never change it; a
reminder leaves neither on a rest day of the school nor in the night after it, nor is it held for a digest past the day
it reminds of; what leaves holds no number of a person and no amount, whoever wrote the text.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from email_validator import EmailNotValidError, validate_email

from domain.calendar import WorkCalendar
from domain.times import SHANGHAI, at, day_of
from schemas.base import Text

MAIL, WECOM, DINGTALK, FEISHU, SMS = "mail", "wecom", "dingtalk", "feishu", "sms"
CHANNELS = (MAIL, WECOM, DINGTALK, FEISHU, SMS)
DIGEST_AT = "08:30"
# Rungs fire at that very minute: the digest leaves a little later and has them in it.
GATHERING = timedelta(minutes=2)
HIDDEN = "***"
LONGEST_QUIET = timedelta(hours=16)  # reminders need some hours of each day in which they may leave

# What an address looks like at each channel but mail.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
ADDRESSES = {
    WECOM: _ID,
    DINGTALK: _ID,
    FEISHU: re.compile(r"(ou_[A-Za-z0-9]{10,64}|[A-Za-z0-9][A-Za-z0-9._-]{0,63}(@[A-Za-z0-9.-]{3,100})?)"),
    SMS: re.compile(r"(\+\d{8,15}|1[3-9]\d{9})"),
}


class Trouble(StrEnum):
    """What keeps a whole channel from working; what administrators are told of it (`api/channels.py`)."""

    UNREACHABLE = "unreachable"  # no connection, no answer in time
    REFUSES_US = "refuses_us"  # wrong secret, no right, too many messages
    ODD_ANSWER = "odd_answer"  # an error, or an answer that is none of its interface
    OUR_SETTINGS = "our_settings"  # what this installation has set cannot be used


@dataclass(frozen=True)
class Wishes:
    """How a person wants to be told. No quiet hours when either end is missing."""

    channels: tuple[str, ...] = (MAIL,)
    quiet_from: time | None = None
    quiet_to: time | None = None
    digest: bool = False


def is_address(channel: str, text: str) -> bool:
    """Whether this may be somebody's address at a channel."""
    if channel != MAIL:
        return ADDRESSES[channel].fullmatch(text) is not None
    try:
        validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return False
    return True


def quiet_for(first: time, last: time) -> timedelta:
    """How long quiet hours are; those that end earlier than they begin go over midnight."""
    minutes = (last.hour - first.hour) * 60 + last.minute - first.minute
    return timedelta(minutes=minutes % (24 * 60))


def digest_after(queued_at: datetime, school: WorkCalendar) -> datetime:
    """When the digest leaves that has a message queued at this moment in it: 08:30 of a working day."""
    day = day_of(queued_at)
    if school.is_working_day(day) and queued_at <= at(day, DIGEST_AT) + GATHERING:
        return at(day, DIGEST_AT) + GATHERING
    return at(school.next_working_day(day), DIGEST_AT) + GATHERING


def in_digest(
    wishes: Wishes, *, reminder: bool, queued_at: datetime, due: datetime | None, school: WorkCalendar
) -> bool:
    """Whether a message waits for the digest: not when that would come after the moment it reminds of."""
    return wishes.digest and reminder and (due is None or due >= digest_after(queued_at, school))


def leaves_at(
    wishes: Wishes, *, reminder: bool, queued_at: datetime, due: datetime | None, now: datetime, school: WorkCalendar
) -> datetime:
    """The first moment from `now` on at which a message may leave. `due`: when what it reminds of falls due."""
    moment = now
    if in_digest(wishes, reminder=reminder, queued_at=queued_at, due=due, school=school):
        moment = max(moment, digest_after(queued_at, school))
    while True:
        if reminder and school.is_rest(day_of(moment)):
            moment = _morning(wishes, school.next_working_day(day_of(moment)))
            continue
        end = quiet_until(wishes, moment)
        if end is None:
            return moment
        moment = end


def _morning(wishes: Wishes, day: date) -> datetime:
    """When what was held over rest days leaves: as the quiet hours of that night end, else at the digest's hour."""
    return quiet_until(wishes, at(day, "00:00")) or at(day, DIGEST_AT)


def quiet_until(wishes: Wishes, moment: datetime) -> datetime | None:
    """When the quiet hours end in which a moment falls; None outside of them. 22:00 to 07:00 goes over midnight."""
    first, last = wishes.quiet_from, wishes.quiet_to
    if first is None or last is None or first == last:
        return None
    local = moment.astimezone(SHANGHAI)
    clock = local.time()
    if first < last:
        inside, days = first <= clock < last, 0
    else:
        inside, days = clock >= first or clock < last, 1 if clock >= first else 0
    if not inside:
        return None
    return datetime.combine(local.date() + timedelta(days=days), last, SHANGHAI).astimezone(moment.tzinfo)


# --- what may stand in it --------------------------------------------------------------------------------------------

_PERSONAL = re.compile(
    r"""
    (?P<label>(?:金额|工资|月薪|\b(?:amount|wage|salary|sum)s?\b)(?:\s?[:：为是]|\s(?:of|is))?\s?) # stays
    (?:[A-Z]{3}\s?|[¥￥$€]\s?)?\d[\d,]*(?:\.\d+)?(?!\.?\d|[%％-]|\s?(?:[项人个笔条天号月年倍至]|per[ ]cent))
  | (?<![\dA-Za-z])\d{6}[ ]?\d{8}[ ]?\d{3}[\dXx](?![\dA-Za-z])         # resident ID, 18
  | (?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)           # mobile phone
  | (?<!\d)\d{4}(?:[ -]\d{4}){3,4}(?:[ -]\d{1,3})?(?!\d)               # bank card in groups
  | (?<![\dA-Za-z])[A-Za-z]{1,3}\d{7,10}(?![\dA-Za-z])                 # passport, permits
  | (?<![\dA-Za-z])(?=[\dA-Z]*[A-Z])(?=(?:[A-Z]*\d){5})[\dA-Z]{8,}(?![\dA-Za-z])  # the same of letters between digits
  | (?<!\d)\d{9,}(?!\d)[Xx]?                                           # any other long number: card, account, permit
  | [(（]0\d{2,3}[)）][ -]?\d{3,4}[ -]?\d{4}(?!\d)                     # landline
  | (?<![\d-])0\d{2,3}[ -]?\d{3,4}[ -]?\d{4}(?!\d)
  | (?<![\d.])(?!(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))\d{8}(?!\d)  # eight digits that are no day
  | (?:[¥￥$€]|(?<![A-Za-z])(?:RMB|CNY|USD|EUR|yuan)|人民币)\s?\d[\d,]*(?:\.\d+)?(?:\s?[百千万亿]+元?)?   # amounts
  | (?<![\d.])\d[\d,]*(?:\.\d+)?\s?(?:[百千万亿]*(?:元|块钱)|(?:(?:thousand|million)\s)?(?:yuan|RMB|CNY)\b)
  | (?<![\d.])\d[\d,]*(?:\.\d+)?\s?[千万亿]+(?![\d人名个件次份字])
  | (?<![\d.])\d[\d,]*\.\d{2}(?![\d.]|\s?(?:[%％‰]|per[ ]?cent\b))      # two decimals, but no rate of the law
    """,
    re.VERBOSE,
)


def _hidden(found: re.Match[str]) -> str:
    return (found["label"] or "") + HIDDEN


def discreet(text: Text) -> Text:
    """The text without numbers of persons (identity, bank, phone) and without amounts; case numbers, dates and rates
    stay."""
    return Text(zh=_PERSONAL.sub(_hidden, text.zh), en=_PERSONAL.sub(_hidden, text.en))
