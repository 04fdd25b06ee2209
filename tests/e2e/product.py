"""The running product: `make up` on a folder of its own, started, stopped, killed; and what the agencies saw of it."""

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx

from runtime.settings import Settings
from tests.contract import Json
from tests.e2e.installation import Installation
from tests.e2e.office import Office

PORTS = {
    "PORT": 29000,
    "DATABASE_PORT": 26432,
    "TEMPORAL_PORT": 26233,
    "TEMPORAL_UI_PORT": 29233,
    "SIMULATORS_PORT": 29010,
}
BUREAUS = ("social_bureau", "medical_bureau")
AGENCIES = (*BUREAUS, "tax_office")
BY_HAND = ",".join(f"{bureau}=portal" for bureau in BUREAUS)
QUICK = {"accept_after_seconds": 0, "decide_after_seconds": 0, "sync_after_seconds": 0}


class Product:
    """One running installation. `start` returns when it says READY."""

    def __init__(self, installation: Installation, name: str, **environment: str) -> None:
        self.installation = installation
        self.data = installation.data(name)
        self.environment = environment
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []

    @property
    def env(self) -> dict[str, str]:
        return self.installation.env | {f"BAOQI_{n}": str(p) for n, p in PORTS.items()} | self.environment

    def start(self, seconds: float = 150) -> "Product":
        """`make up`, as its user types it."""
        self.process = subprocess.Popen(
            ["make", "--no-print-directory", "up", f"DATA={self.data}"],
            cwd=self.installation.root, env=self.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, **self.installation.who,
        )  # fmt: skip
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        if not ready.wait(seconds) or self.process.poll() is not None:
            self.stop()
            raise AssertionError(f"never READY:\n{''.join(self.lines)}")
        return self

    def _read(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        """Reads on for ever, so that the product never waits for its listener."""
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line)
            if re.match("^READY$", line):
                ready.set()
        ready.set()

    @property
    def run(self) -> Json:
        return json.loads((self.data / "run.json").read_text())

    def pids(self) -> dict[str, int]:
        return {row["name"]: row["pid"] for row in json.loads((self.data / "pids.json").read_text())}

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill_everything()

    def kill_everything(self) -> None:
        """kill -9 of `make`, of the supervisor and of every process it started, all in one moment."""
        assert self.process is not None
        pids = self.pids()
        os.killpg(self.process.pid, signal.SIGKILL)
        for pid in pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(30)
        end = time.monotonic() + 30
        while any(_runs(pid) for pid in pids.values()):
            assert time.monotonic() < end, f"these outlived kill -9: {pids}"
            time.sleep(0.1)

    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Another `baoqi` command beside the running product, by the same user."""
        return subprocess.run(
            [self.installation.baoqi, *words, "--data", str(self.data)], cwd=self.installation.root, env=self.env,
            capture_output=True, text=True, timeout=120, check=False, **self.installation.who,
        )  # fmt: skip

    def settings(self) -> Settings:
        """The running product's settings, for a test that looks behind the API."""
        return Settings(data_dir=self.data)

    def office(self) -> Office:
        return Office(self.run)

    # What the agencies know -----------------------------------------------------------------------------------------

    def ask(self, path: str) -> Json:
        return httpx.get(f"{self.run['simulators']}{path}", timeout=30).raise_for_status().json()

    def behave(self, agency: str, **fields: Any) -> None:
        """Sets an agency's behaviour whole; without anything it answers at once."""
        body = QUICK | fields
        httpx.put(f"{self.run['simulators']}/{agency}/behaviour", json=body, timeout=30).raise_for_status()

    def log(self, agency: str) -> list[Json]:
        return self.ask(f"/{agency}/log")["items"]

    def applications(self, agency: str) -> list[str]:
        """Passport numbers of the applications the agency took in as new ones, in order."""
        return [
            entry["body"]["id_number"]
            for entry in self.log(agency)
            if entry["path"].endswith("/applications") and entry["outcome"] == "submitted" and not entry["repeat"]
        ]

    def registrations(self, agency: str) -> list[Json]:
        """The registrations in force."""
        return self.ask(f"/{agency}/registrations")["items"]

    def payments(self) -> list[str]:
        """Bills that were paid, one for each payment taken."""
        return [e["body"]["bill_no"] for e in self.log("tax_office") if e["outcome"] == "paid" and not e["repeat"]]

    def assert_nothing_twice(self) -> None:
        """No payment of a bill, and no premium of a person, month and insurance, more than once."""
        payments = self.payments()
        assert len(payments) == len(set(payments))
        bills = self.ask("/tax_office/bills")["items"]
        assert {b["bill_no"] for b in bills if b["state"] == "paid"} == set(payments)
        lines = [
            (b["levy"], i["number"], i["month"], i["insurance"])
            for b in bills
            if b["state"] == "paid"
            for i in b["items"]
        ]
        assert lines
        assert len(lines) == len(set(lines))


def assert_no_incident(office: Office, *cases: str) -> None:
    """Nothing automatic failed on the way."""
    for case in cases:
        incidents = [e["text"]["en"] for e in office.case(case)["timeline"] if e["kind"] == "incident"]
        assert not incidents, (case, incidents)


def assert_board_counts_its_lists(office: Office, person: str = "supervisor") -> int:
    """Every number of the board is its list's total, the list's items as many. Gives how many numbers there were."""
    for _ in range(20):
        before = office[person].get("/board")
        totals = [(where, figure, _total(office, person, figure)) for where, figure in _figures(before)]
        wrong = [f"{w} {f['path']}: {f['value']} != {t}" for w, f, t in totals if t != f["value"]]
        after = office[person].get("/board")
        if _numbers(before) == _numbers(after):  # else a case moved between the requests
            assert not wrong, wrong
            return len(_figures(before))
    raise AssertionError("the board never stood still")


def _figures(board: Json) -> list[tuple[str, Json]]:
    found = [(f"totals.{n}", f) for n, f in board["totals"].items()]
    for part in ("by_process", "by_org_unit", "by_person", "by_agency"):
        found += [(f"{part}.{row['key']}.{n}", f) for row in board[part] for n, f in row["figures"].items()]
    return found


def _numbers(board: Json) -> list[tuple[str, int]]:
    return [(where, figure["value"]) for where, figure in _figures(board)]


def _total(office: Office, person: str, figure: Json) -> int:
    """The list's total. Both are of one moment, whatever moves meanwhile."""
    page = office[person].get(figure["path"] + "&limit=200")
    assert page["total"] > 200 or len(page["items"]) == page["total"], figure
    return page["total"]


def _runs(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False
