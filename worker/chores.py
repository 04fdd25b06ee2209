"""Housekeeping beside the processes: what was promised and not yet done is done again.

Each chore is safe to run twice and at the same time as itself in another worker.
"""

from collections.abc import Awaitable, Callable

from api.completion import resend_pending_submissions
from api.policy_orders import send_policy_orders
from api.starts import start_pending
from store.forecast import measure, sweep
from store.past import forget
from store.tallies import fold
from worker.delivery import deliver
from worker.exclusions import give_back
from worker.halted import sweep_incidents
from worker.nobody import sweep_nobody
from worker.untaken import sweep_untaken
from worker.watch import tell_watched_dates

CHORES: list[tuple[int, Callable[[], Awaitable[object]]]] = [
    (10, resend_pending_submissions),
    (10, start_pending),
    (10, deliver),
    (10, send_policy_orders),
    (20, fold),
    (20, sweep),
    (30, sweep_incidents),
    (30, sweep_untaken),
    (60, give_back),
    (60, sweep_nobody),
    (600, measure),
    (60, tell_watched_dates),
    (3600, forget),
]
