"""Looks into a running worker or app when asked: where its threads are, how long known steps take, how many statements.

Python imports this module by its name when the folder is on the path; only `bench/installation.py` puts it there. It
sleeps until the file `probe.on` appears, so that the figures of the benchmark are taken without it, and writes
`probe.<process>.json` when the file goes away. Standard library only; nothing of the product is imported here, only
wrapped where it is loaded already.
"""

import json
import os
import sys
import threading
import time
from collections import Counter, defaultdict

OURS = ("schemas", "domain", "workflows", "runtime", "store", "activities", "api", "web", "worker", "policies", "cli")
IDLE = {
    ("selectors.py", "select"), ("threading.py", "wait"), ("threading.py", "_wait_for_tstate_lock"),
    ("thread.py", "_worker"), ("queue.py", "get"),
}  # fmt: skip
STEPS = {
    "api": {
        "api.sign_in": ["identify"],
        "api.completion": ["complete", "_store", "_send", "_completed", "_form", "_documents"],
        "api.tasks": ["locked_task", "hold", "find_task"],
        "api.engine": ["update"],
        "store.submissions": ["add", "by_key"],
        "api.views": ["lookup"],
    },
    "worker": {
        "store.projection": ["apply", "_locked", "_write_task", "_write_timeline", "_urgency", "_remind"],
    },
}
EVERY_SECONDS = 0.004
PACKAGES = "/site-packages/"


def _place(filename: str) -> str:
    """The package of a file: sqlalchemy, pydantic, store…, or the standard library's module."""
    if PACKAGES in filename:
        return filename.partition(PACKAGES)[2].split("/")[0]
    parts = filename.split("/")
    for part in parts[-3:-1]:
        if part in OURS:
            return part
    return "python:" + parts[-1].removesuffix(".py")


class Probe:
    """The thread that watches."""

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self.switch = os.path.join(folder, "probe.on")
        self.report = os.path.join(folder, f"probe.{name}.json")
        self.on = False
        self.steps: dict[str, list[float]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.wrapped = False

    def run(self) -> None:
        while True:
            time.sleep(0.2)
            if os.path.exists(self.switch):
                if not self.wrapped:
                    self._wrap()
                self._watch()

    def _watch(self) -> None:
        by_package: Counter[str] = Counter()
        by_function: Counter[str] = Counter()
        samples = 0
        self.on, me = True, threading.get_ident()
        next_look = 0.0
        while time.monotonic() < next_look or os.path.exists(self.switch):
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + 0.2
            time.sleep(EVERY_SECONDS)
            samples += 1
            for ident, frame in sys._current_frames().items():
                if ident == me:
                    continue
                code = frame.f_code
                if (os.path.basename(code.co_filename), code.co_name) in IDLE:
                    continue
                by_package[_place(code.co_filename)] += 1
                own = frame
                while own is not None and _place(own.f_code.co_filename) not in OURS:
                    own = own.f_back
                where = own.f_code if own is not None else None
                by_function[f"{_place(where.co_filename)}/{os.path.basename(where.co_filename)}:{where.co_name}"
                            if where else "(outside of the product's code)"] += 1  # fmt: skip
        self.on = False
        content = {
            "samples": samples,
            "packages": by_package.most_common(20),
            "functions": by_function.most_common(25),
            "steps": {k: {"n": len(v), "mean_ms": 1000 * sum(v) / len(v)} for k, v in self.steps.items() if v},
            "counts": dict(self.counts),
        }
        with open(self.report + ".part", "w") as out:
            json.dump(content, out)
        os.replace(self.report + ".part", self.report)

    def _wrap(self) -> None:
        self.wrapped = True
        for module_name, functions in STEPS[self.name].items():
            module = sys.modules.get(module_name)
            for function in functions:
                original = getattr(module, function, None)
                if original is not None:
                    setattr(module, function, self._timed(f"{module_name}.{function}", original))
        cursor = getattr(sys.modules.get("psycopg"), "AsyncCursor", None)
        if cursor is not None:
            execute, probe = cursor.execute, self

            async def counted(self, *args, **kwargs):
                if probe.on:
                    probe.counts["statements"] += 1
                return await execute(self, *args, **kwargs)

            cursor.execute = counted

    def _timed(self, name, original):
        async def timed(*args, **kwargs):
            start = time.perf_counter()
            try:
                return await original(*args, **kwargs)
            finally:
                if self.on:
                    self.steps[name].append(time.perf_counter() - start)

        return timed


def _start() -> None:
    folder = os.environ.get("BAOQI_BENCH_PROBE")
    words = sys.orig_argv
    name = next((n for n in ("api", "worker") if n in words and "cli.main" in words), None)
    if folder and name:
        threading.Thread(target=Probe(name, folder).run, name="bench-probe", daemon=True).start()


_start()
