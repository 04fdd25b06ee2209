"""The threads in which cases run their steps: of one case never two at a time.

The SDK gives a step two seconds. One that has none of the processor for so long (a busy machine, Python's collector
looking through thousands of cases) is taken for a deadlock: its thread is interrupted, and the case is thrown out of
memory to be read anew. It is thrown out while the step may still run, because the future that the SDK waits for was
cancelled with the waiting; the two tread on each other, the case can never be thrown out, and hangs until the worker is
started anew. Here whatever comes next for a case waits until the step before it is done.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 500  # the SDK's own number of threads


class OneAtATime(ThreadPoolExecutor):
    """For `Worker(workflow_task_executor=…)`. What it is given are bound methods of the case they are for."""

    def __init__(self) -> None:
        super().__init__(max_workers=AT_ONCE, thread_name_prefix="case_")
        self._turns: WeakKeyDictionary[Any, threading.Lock] = WeakKeyDictionary()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Called in the worker's event loop only."""
        turn = self._turns.setdefault(fn.__self__, threading.Lock())  # type: ignore[attr-defined]

        def in_turn(*args: P.args, **kwargs: P.kwargs) -> T:
            with turn:
                return fn(*args, **kwargs)

        return super().submit(in_turn, *args, **kwargs)
