"""identity: a number of a document, recognised and checked. The number itself is in the answer only."""

from domain.calculations.base import Calculation, Context
from domain.identity import IdKind, identify
from schemas.base import Text
from schemas.calculations.identity import IdentityAnswer, IdentityInput, IdentityReason, IdentityType, NumberSex

KINDS: dict[IdentityType, tuple[IdKind, ...]] = {
    IdentityType.CN: (IdKind.CN_RESIDENT_ID,),
    IdentityType.HMT: (IdKind.HMT_RESIDENCE_PERMIT, IdKind.HK_MACAO_TRAVEL_PERMIT, IdKind.TAIWAN_TRAVEL_PERMIT),
    IdentityType.PR2017: (IdKind.FOREIGN_PR_CARD_2017,),
    IdentityType.PR2023: (IdKind.FOREIGN_PR_CARD_2023,),
    IdentityType.PASSPORT: (IdKind.PASSPORT,),
    IdentityType.SSN_FOREIGN: (IdKind.FOREIGN_SSN,),
}
_TYPES = {kind: name for name, kinds in KINDS.items() for kind in kinds}


def run(given: IdentityInput, context: Context) -> IdentityAnswer:
    rules = context.rules
    found = identify(
        given.value,
        KINDS[given.type] if given.type else (),
        today=context.today,
        patterns=rules.id_patterns,
        countries=rules.countries.keys(),
    )
    result = found.result
    return IdentityAnswer(
        valid=result.valid,
        type=_TYPES[result.kind],
        normalised=result.value,
        sex=NumberSex(result.sex) if result.sex else None,
        birth=result.birth,
        province=result.province,
        country=result.country,
        form=found.form,
        reason=IdentityReason(found.reason) if found.reason else None,
        message=result.text,
        suggestion=found.suggestion,
    )


CALCULATION = Calculation(
    "identity",
    Text(zh="证件号码校验", en="Identity numbers"),
    Text(
        zh="识别并校验身份证、港澳台证件、永居证、护照和外国人社会保障号码",
        en="Recognises and checks the numbers of documents and of social security",
    ),
    IdentityInput,
    IdentityAnswer,
    run,
)
