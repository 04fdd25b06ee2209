"""Work per clerk: the fair share, and who has most above it or below it.

The fair share is what each present clerk would hold if the open tasks that they hold together were spread evenly.
Somebody who is absent today has no share, and what lies with them is not spread: their substitute sees to it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from schemas.base import Text

_PLACES = Decimal("0.1")


@dataclass(frozen=True)
class Shares:
    """`share` is None where no clerk is present. `above`: holder -> how many more than the share."""

    share: Decimal | None
    above: Mapping[str, Decimal]
    says: Text


def shares(held: Mapping[str, int], absent: Collection[str], names: Mapping[str, Text]) -> Shares:
    """`held`: open tasks in the hands of each clerk, those with none included."""
    present = {who: n for who, n in held.items() if who not in absent}
    if not present:
        return Shares(None, {}, Text(zh="今天没有在岗的经办人。", en="No clerk is present today."))
    total = sum(present.values())
    share = _rounded(Decimal(total) / len(present))
    above = {who: _rounded(n - Decimal(total) / len(present)) for who, n in present.items()}
    zh = f"公平份额 {share} 项：在岗经办人 {len(present)} 人手中未办结任务共 {total} 项，按人数平均。"
    en = (
        f"Fair share {share}: the open tasks in the hands of the clerks present today ({total}), "
        f"divided by their number ({len(present)})."
    )
    most = max(above, key=lambda who: (above[who], who))
    least = min(above, key=lambda who: (above[who], who))
    if above[most] > 0:
        zh += f"最多：{_name(names, most).zh}，多 {above[most]} 项；"
        zh += f"最少：{_name(names, least).zh}，少 {-above[least]} 项。"
        en += (
            f" Most: {_name(names, most).en}, {above[most]} above it; "
            f"least: {_name(names, least).en}, {-above[least]} below it."
        )
    return Shares(share, above, Text(zh=zh, en=en))


def _rounded(value: Decimal) -> Decimal:
    return value.quantize(_PLACES, ROUND_HALF_UP)


def _name(names: Mapping[str, Text], who: str) -> Text:
    return names.get(who, Text(zh=who, en=who))
