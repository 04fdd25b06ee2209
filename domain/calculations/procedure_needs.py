"""procedure-needs: the look-up of documents, agencies and reasons of refusal by category and procedure."""

from domain.calculations.base import Calculation, Context, Refused
from domain.procedures import NotForCategory, needs
from schemas.base import Text
from schemas.calculations.procedure_needs import (
    NeededAgency,
    NeededDeadline,
    NeededDocument,
    ProcedureNeedsAnswer,
    ProcedureNeedsInput,
    RefusalReason,
)


def run(given: ProcedureNeedsInput, context: Context) -> ProcedureNeedsAnswer:
    tables = context.rules.procedures
    try:
        found = needs(given.category, given.procedure, given.conditions, tables)
    except NotForCategory as none:
        raise Refused("/procedure", "not_for_category", none.text.zh, none.text.en) from none
    titles = {a.id: a.title for a in tables.agencies}
    return ProcedureNeedsAnswer(
        documents=[
            NeededDocument(code=d.code, title=d.title, required=d.required, note=d.note) for d in found.documents
        ],
        agencies=[
            NeededAgency(agency=a, title=titles[a], insurances=list(those)) for a, those in found.agencies.items()
        ],
        insurances=list(found.insurances),
        reasons=[RefusalReason(code=r.code, text=r.title) for r in found.reasons],
        deadlines=[
            NeededDeadline(rule=rule, title=context.rules.deadline_titles[rule]) for rule in found.procedure.deadlines
        ],
        source=found.procedure.source,
        flags=["sample"] if found.procedure.sample else [],
    )


CALCULATION = Calculation(
    "procedure-needs",
    Text(zh="事项材料与机构", en="Needs of a procedure"),
    Text(
        zh="某类人员办理某事项需要的材料、经办机构、险种和常见退回原因",
        en="Documents, agencies, insurances and reasons of refusal of a procedure, by category of person",
    ),
    ProcedureNeedsInput,
    ProcedureNeedsAnswer,
    run,
)
