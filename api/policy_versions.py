"""The versions of the rules: each applied change made one, and running cases keep the one they work by.

Invariants: reads only. A version is found by its number, or by either hash: that of all rules, or that of the part
which a case carries. Number 0 are the shipped files alone.
"""

from functools import lru_cache

from fastapi import APIRouter
from sqlalchemy.ext.asyncio import AsyncSession

from api.permissions import require_role
from api.policy import READS, view_of
from api.problems import NotFound
from api.sign_in import CurrentViewer
from domain import policy, policy_findings
from schemas.base import Text
from schemas.policy import ChangeState, VersionCase, VersionDetail, VersionView
from store import policies, policy_changes, policy_orders
from store.database import reading
from store.policies import Stamp
from store.users import Viewer

router = APIRouter(prefix="/policy", tags=["policy"])
LISTED = 500
SHIPPED = Text(zh="随系统发布的规则", en="The rules as shipped")
OLDER = Text(zh="较早的规则文件，或只补入了新年度", en="Older files, or only a later year added")


@lru_cache(maxsize=2)
def _shipped(stamp: Stamp, modes: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    del stamp  # part of the cache's key: other files are other versions
    texts = policies.shipped()
    with policy_findings.in_words(texts):
        return policies.version_of(texts), policy.snapshot(texts, dict(modes)).version


async def versions(s: AsyncSession, viewer: Viewer) -> list[VersionView]:
    """All versions, the newest first; at the end those that only running cases still know."""
    require_role(viewer, *READS)
    open_cases = await policy_orders.open_by_version(s)
    rows = sorted(await policy_changes.listed(s, ChangeState.APPLIED.value), key=lambda r: r.number or 0, reverse=True)
    found = [
        VersionView(
            number=row.number,
            version=row.version or "",
            case_version=row.case_version or "",
            change_id=row.id,
            title=view_of(viewer, row).title,
            applied_by=row.applied_by,
            applied_at=row.applied_at,
            open_cases=open_cases.get(row.case_version or "", 0),
        )
        for row in rows
    ]
    whole, of_case = _shipped(policies.stamp(), tuple(sorted(policies.modes().items())))
    found.append(_plain(0, whole, of_case, SHIPPED, open_cases))
    known = {v.case_version for v in found}
    return found + [_plain(None, v, v, OLDER, open_cases) for v in sorted(open_cases) if v not in known]


def _plain(number: int | None, version: str, case_version: str, title: Text, cases: dict[str, int]) -> VersionView:
    return VersionView(
        number=number,
        version=version,
        case_version=case_version,
        change_id=None,
        title=title,
        applied_by=None,
        applied_at=None,
        open_cases=cases.get(case_version, 0),
    )


async def version(s: AsyncSession, viewer: Viewer, name: str) -> VersionDetail:
    """One version with the open cases that work by it. NotFound."""
    everything = await versions(s, viewer)
    one = next((v for v in everything if name in (str(v.number), v.version)), None)
    one = one or next((v for v in everything if v.case_version == name), None)
    if one is None:
        raise NotFound
    rows = await policy_orders.cases_of(s, one.case_version, LISTED)
    return VersionDetail(**one.model_dump(), cases=[VersionCase(process_id=p, case_no=n) for p, n in rows])


@router.get("/versions", summary="Versions of the rules, newest first")
async def get_versions(viewer: CurrentViewer) -> list[VersionView]:
    async with reading() as s:
        return await versions(s, viewer)


@router.get("/versions/{name}", summary="One version by number or hash, with the open cases that work by it")
async def get_version(viewer: CurrentViewer, name: str) -> VersionDetail:
    async with reading() as s:
        return await version(s, viewer, name)
