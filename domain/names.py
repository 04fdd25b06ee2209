"""What people call insurances and pension schemes, for sentences that name one. The pages' words are the same."""

from collections.abc import Sequence

from schemas.base import Text

INSURANCES = {
    "pension": Text(zh="基本养老保险", en="basic pension"),
    "annuity": Text(zh="职业年金", en="occupational annuity"),
    "unemployment": Text(zh="失业保险", en="unemployment insurance"),
    "work_injury": Text(zh="工伤保险", en="work injury insurance"),
    "medical": Text(zh="基本医疗保险", en="basic medical insurance"),
    "maternity": Text(zh="生育保险", en="maternity insurance"),
    "large_medical": Text(zh="大病医疗互助补充保险", en="large-sum medical insurance"),
    "medical_maternity": Text(zh="医疗（含生育、大病）", en="medical insurance with maternity and large-sum"),
    "long_term_care": Text(zh="长期护理保险", en="long-term care insurance"),
}
SCHEMES = {
    "enterprise": Text(zh="城镇企业职工", en="enterprise"),
    "public_institution": Text(zh="机关事业单位", en="public institution"),
    "all": Text(zh="两种养老类型", en="both schemes"),
}


def insurance(code: str) -> Text:
    """The name of an insurance; a code that nobody has named stands for itself."""
    return INSURANCES.get(code, Text(zh=code, en=code))


def scheme(code: str) -> Text:
    return SCHEMES.get(code, Text(zh=code, en=code))


def listed(codes: Sequence[str]) -> Text:
    """Several insurances in one sentence."""
    named = [insurance(code) for code in codes]
    return Text(zh="、".join(n.zh for n in named), en=" and ".join(n.en for n in named))
