"""Where the time goes: the round trip of an update cut up by its history, and what the probe and the processors say."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import mean
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client


@dataclass
class RoundTrip:
    """Milliseconds between the events of one completion, each a list over all completions looked at."""

    accepted: list[float] = field(default_factory=list[float])  # update at the server → checked and accepted
    queued: list[float] = field(default_factory=list[float])  # activity scheduled → a worker starts it
    written: list[float] = field(default_factory=list[float])  # activity runs: the transaction
    answered: list[float] = field(default_factory=list[float])  # activity done → update completed
    kinds: Counter[str] = field(default_factory=Counter[str])  # events of the histories, by type
    bytes: int = 0  # of the histories
    updates: int = 0  # completions to which these events belong

    def means(self) -> dict[str, float]:
        return {name: mean(values) if values else 0.0 for name, values in vars(self).items() if type(values) is list}

    def events(self) -> list[tuple[str, float]]:
        """Events of a history a task, by type, the most frequent first."""
        return [(kind, n / max(1, self.updates)) for kind, n in self.kinds.most_common()]


def _at(event: HistoryEvent) -> float:
    return event.event_time.seconds + event.event_time.nanos / 1e9


async def round_trips(client: Client, process_ids: list[str], since: float, until: float) -> RoundTrip:
    """Reads the histories; completions accepted between the two instants count."""
    found = RoundTrip()
    for process_id in process_ids:
        history = await client.get_workflow_handle(process_id).fetch_history()
        events = {e.event_id: e for e in history.events}
        inside = [e for e in history.events if since <= _at(e) <= until]
        for event in inside:
            found.kinds[_kind(event)] += 1
            found.bytes += event.ByteSize()
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
                found.updates += 1
                _cut(found, events, event)
    return found


def _kind(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").replace("_", " ").lower()
    if event.HasField("activity_task_scheduled_event_attributes"):
        name += f" ({event.activity_task_scheduled_event_attributes.activity_type.name})"
    return name


def _cut(found: RoundTrip, events: dict[int, HistoryEvent], accepted: HistoryEvent) -> None:
    step = accepted.event_id
    while events[step].event_type != EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
        step -= 1
    update = accepted.workflow_execution_update_accepted_event_attributes.protocol_instance_id
    started = done = answered = None
    scheduled: HistoryEvent | None = None
    for number in range(accepted.event_id + 1, len(events) + 1):
        event = events[number]
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                name = event.activity_task_scheduled_event_attributes.activity_type.name
                if scheduled is None and name == "record_transition":
                    scheduled = event
            case EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
                about = event.activity_task_started_event_attributes.scheduled_event_id
                if scheduled is not None and about == scheduled.event_id:
                    started = event
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                about = event.activity_task_completed_event_attributes.scheduled_event_id
                if scheduled is not None and about == scheduled.event_id:
                    done = event
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
                meta = event.workflow_execution_update_completed_event_attributes.meta
                if meta.update_id == update:
                    answered = event
                    break
            case _:
                continue
    if scheduled is None or started is None or done is None or answered is None:
        return
    found.accepted.append(1000 * (_at(accepted) - _at(events[step])))
    found.queued.append(1000 * (_at(started) - _at(scheduled)))
    found.written.append(1000 * (_at(done) - _at(started)))
    found.answered.append(1000 * (_at(answered) - _at(done)))


async def tail(client: Client, process_id: str, count: int = 30) -> list[str]:
    """The last events of a case with their times, to the millisecond: which step a click has waited for. A work step
    that timed out, or failed, is an event of its own."""
    history = await client.get_workflow_handle(process_id).fetch_history()
    return [f"{datetime.fromtimestamp(_at(e), UTC):%H:%M:%S.%f}"[:-3] + f" {_kind(e)}" for e in history.events[-count:]]


def processor_lines(before: dict[str, float], after: dict[str, float], tasks: int) -> list[tuple[str, float]]:
    """Processor milliseconds a task, by process, the dearest first."""
    spent = [(name, 1000 * (after[name] - before.get(name, 0.0)) / tasks) for name in after]
    return sorted((s for s in spent if s[1] >= 0.05), key=lambda s: -s[1])


def side_by_side(product: list[tuple[str, float]], plain: list[tuple[str, float]]) -> list[str]:
    """The two lists of processes as rows of one table."""
    first, second = dict(product), dict(plain)
    names = [*first, *(n for n in second if n not in first)]
    return [f"| {n.replace('_', ' ')} | {first.get(n, 0):.1f} | {second.get(n, 0):.1f} |" for n in names]


def step_lines(findings: dict[str, Any]) -> list[str]:
    """Known steps inside of app and worker, with their mean duration under load."""
    lines: list[str] = []
    for process, found in findings.items():
        for name, step in sorted(found["steps"].items(), key=lambda s: -s[1]["mean_ms"]):
            lines.append(f"| {process} | `{name}` | {step['n']} | {step['mean_ms']:.1f} |")
    return lines


def busy_lines(findings: dict[str, Any], key: str, top: int) -> list[str]:
    """Shares of the samples in which a thread was busy."""
    lines: list[str] = []
    for process, found in findings.items():
        total = sum(n for _, n in found[key]) or 1
        for name, n in found[key][:top]:
            lines.append(f"| {process} | {name} | {100 * n / total:.0f} % |")
    return lines
