"""Why an automatic step failed, in plain words for clerks: by the type of its failure.

Timeline and task say what `of_error` says: a failure that knows more (which row of a file) brings its sentence along.
The incident desk keeps the type only and says what `why_of` says. The type itself and the program's own sentence are
for administrators only.
"""

from schemas.base import Text

WHY: dict[str, Text] = {
    "AgencyUnavailable": Text(
        zh="经办机构的系统暂时无法访问或尚未准备好数据。",
        en="The authority's system cannot be reached, or does not have the data yet.",
    ),
    "AgencyRefused": Text(zh="经办机构的系统不接受这一请求。", en="The authority's system refuses the request."),
    "NoAnswer": Text(
        zh="上一次尝试没有在时限内结束，或工作进程中断。",
        en="The last attempt did not end in its time, or its worker was interrupted.",
    ),
    "DatabaseAway": Text(zh="数据库暂时无法访问。", en="The database cannot be reached."),
    "DocumentsUnwritable": Text(
        zh="存放文件的目录无法写入或磁盘已满，请系统管理员处理。",
        en="The folder for documents cannot be written to, or its disk is full: an administrator mends it.",
    ),
    "DocumentsUnreadable": Text(
        zh="存放文件的目录或磁盘无法读取，请系统管理员处理。",
        en="The folder for documents or its disk cannot be read: an administrator mends it.",
    ),
    "DocumentMissing": Text(
        zh="所需文件的内容缺失或已损坏，请系统管理员从备份恢复，或重新上传该文件。",
        en="The content of a file that is needed is gone or damaged: an administrator restores it from a backup, or it "
        "is uploaded anew.",
    ),
    "PolicyGap": Text(zh="政策数据缺少所需的规定或数值。", en="The policy data lack a rule or value that is needed."),
    "PolicyError": Text(zh="政策数据有误。", en="The policy data have a fault."),
    "UnreadableBill": Text(zh="征集单无法识别。", en="The bill cannot be read."),
    "UnknownBill": Text(zh="系统中没有这张征集单。", en="There is no such bill."),
    "NoBill": Text(zh="尚未取得税务征集单。", en="The bill of the tax office has not been fetched yet."),
    "NoCertificate": Text(zh="尚无完税证明。", en="There is no payment certificate yet."),
    "NoReceipt": Text(zh="该申请尚无受理回执。", en="This application has no receipt yet."),
    "PartsDiffer": Text(
        zh="报账单的个人部分与代扣合计不一致。", en="The voucher's person part differs from what is withheld."
    ),
    "NumberTaken": Text(zh="证件号码已属于另一人员。", en="The document number belongs to another person."),
    "NumberOfAnother": Text(
        zh="经办机构给出的参保编号已登记在另一人名下，未予登记：请与经办机构核实该编号属于谁，将登错的一方更正后重试。",
        en="The number that the authority gives is on record here for another person, so it was not recorded: ask the "
        "authority whose it is, amend the one that is wrong, then retry.",
    ),
    "UnknownHire": Text(zh="该业务没有人员信息。", en="The case has no person's record."),
    "IncompleteRecord": Text(zh="人员信息不完整，无法填写申请表。", en="The record lacks what the form asks for."),
    "NumberMissing": Text(zh="有人员尚无参保编号。", en="Somebody has no number at the agency yet."),
}
UNEXPECTED = Text(zh="程序出现了未预期的错误。", en="The program met an error that it does not know.")


def why_of(kind: str) -> Text:
    """The words for a type of failure; an unknown one is an error of the program."""
    return WHY.get(kind, UNEXPECTED)


def kind_of(error: BaseException) -> str:
    """The type of a failure, as an `ApplicationError` carries it or as Python calls it."""
    return str(getattr(error, "type", None) or type(error).__name__)


def of_error(error: BaseException) -> Text:
    """The failure's own sentence in both languages where it brought one (its first detail), or that of its type."""
    details = getattr(error, "details", ())
    own = details[0] if details else None
    if isinstance(own, dict) and own.keys() == {"zh", "en"}:
        return Text.model_validate(own)
    return why_of(kind_of(error))
