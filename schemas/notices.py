"""The notice to a person whose case is done, and the dates that are watched for a person.

`Notice` holds numbers and amounts of one person: it is stored encrypted, never enters a workflow, a log or a subject
line. Amounts are strings of yuan with two places.
"""

from datetime import date, datetime

from schemas.base import Payload, Text


class NoticeNumber(Payload):
    """The number one agency gave: social-security number, or the medical person number."""

    agency: str
    title: Text
    number: str


class NoticeAmount(Payload):
    """The person's own part of one insurance in one month."""

    insurance: str
    title: Text
    amount: str


class NoticeMonth(Payload):
    """The person's own part of one premium month."""

    month: str
    amounts: list[NoticeAmount]
    total: str


class CardGuide(Payload):
    """How to get the electronic social-security card (`policies/notice_texts.yaml`)."""

    title: Text
    steps: list[Text]
    source: str
    confidence: str
    sample: bool = False


class Notice(Payload):
    """What a person is told when the enrolment is done. `certificate_by` is set while a certificate is awaited."""

    case_no: str
    name: str
    numbers: list[NoticeNumber] = []
    insurances: list[Text] = []
    exempt: list[Text] = []
    first_month: str | None = None
    months: list[NoticeMonth] = []
    card: CardGuide | None = None
    certificate_by: date | None = None
    certificate_note: Text | None = None  # what handing it in late costs, from the rule
    sample: bool = False


class NoticeView(Payload):
    """A notice as a page shows it. `mail`: queued, sent, failed, no_mail (no usable address on record)."""

    process_id: str
    text: Text
    at: datetime
    mail: str
    masked: bool = True
    notice: Notice | None = None  # the parts, for the person alone


class WatchRule(Payload):
    """One line of `watch_rules.yaml`: how many calendar days before a date of this kind the office is told.

    `kind` is a kind of `watch_dates`; `advice` says what is to be done."""

    kind: str
    title: Text
    advice: Text
    days: list[int]
    source: str
    confidence: str
    sample: bool = False
