"""What the agencies remember: one SQLite file with one writer, durable at every answer.

Invariants: every change is one transaction written through to the disk before the answer leaves (WAL, synchronous
FULL); an idempotency key maps for ever to one answer; log lines are never changed.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulators.clock import real_seconds, stamp
from simulators.models import AGENCIES, LEVY_OF, Behaviour
from simulators.rates import reasons

_TABLES = """
CREATE TABLE IF NOT EXISTS behaviour (agency TEXT PRIMARY KEY, body TEXT NOT NULL, outage_until REAL NOT NULL);
CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, agency TEXT NOT NULL, at TEXT NOT NULL, method TEXT NOT NULL,
  path TEXT NOT NULL, key TEXT, repeat INTEGER NOT NULL, outcome TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (agency TEXT NOT NULL, key TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL,
  status INTEGER NOT NULL, answer TEXT NOT NULL, PRIMARY KEY (agency, key));
CREATE TABLE IF NOT EXISTS applications (receipt_no TEXT PRIMARY KEY, agency TEXT NOT NULL, id_number TEXT NOT NULL,
  country TEXT NOT NULL, body TEXT NOT NULL, submitted REAL NOT NULL, offset REAL NOT NULL, verdict TEXT, note TEXT,
  accepted REAL, decided REAL, state TEXT NOT NULL, number TEXT);
CREATE TABLE IF NOT EXISTS persons (agency TEXT NOT NULL, country TEXT NOT NULL, id_number TEXT NOT NULL,
  number TEXT NOT NULL, PRIMARY KEY (agency, country, id_number));
CREATE TABLE IF NOT EXISTS registrations (receipt_no TEXT PRIMARY KEY, agency TEXT NOT NULL, number TEXT NOT NULL,
  body TEXT NOT NULL, approved REAL NOT NULL, withdrawn REAL);
CREATE TABLE IF NOT EXISTS bills (bill_no TEXT PRIMARY KEY, unit TEXT NOT NULL, levy TEXT NOT NULL, kind TEXT NOT NULL,
  state TEXT NOT NULL, total TEXT NOT NULL, made TEXT NOT NULL, certificate_no TEXT, paid_at TEXT);
CREATE TABLE IF NOT EXISTS bill_lines (bill_no TEXT NOT NULL, number TEXT NOT NULL, month TEXT NOT NULL,
  insurance TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (bill_no, number, month, insurance));
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""


class State:
    """The agencies' memory. All methods are synchronous and short; the server calls them from one event loop."""

    def __init__(self, data_dir: Path | None) -> None:
        if data_dir is None:
            target = ":memory:"
        else:
            data_dir.mkdir(parents=True, exist_ok=True)
            target = str(data_dir / "agencies.sqlite")
        self.db = sqlite3.connect(target, isolation_level=None, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.executescript(_TABLES)

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; rolled back when the block raises."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def next_number(self, name: str) -> int:
        row = self.db.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        ).fetchone()
        return int(row["value"])

    # Behaviour -------------------------------------------------------------------------------------------------------

    def behaviour(self, agency: str) -> Behaviour:
        row = self.db.execute("SELECT body FROM behaviour WHERE agency = ?", (agency,)).fetchone()
        return Behaviour.model_validate_json(row["body"]) if row else Behaviour()

    def set_behaviour(self, agency: str, behaviour: Behaviour, outage_until: float | None = None) -> None:
        """Keeps a behaviour. `outage_until` None leaves the running outage as it is."""
        self.db.execute(
            "INSERT INTO behaviour VALUES (?, ?, ?) ON CONFLICT (agency) DO UPDATE SET body = excluded.body,"
            " outage_until = CASE WHEN ? THEN excluded.outage_until ELSE outage_until END",
            (agency, behaviour.model_dump_json(), outage_until or 0.0, outage_until is not None),
        )

    def outage_until(self, agency: str) -> float:
        row = self.db.execute("SELECT outage_until FROM behaviour WHERE agency = ?", (agency,)).fetchone()
        return float(row["outage_until"]) if row else 0.0

    # Log and idempotency ---------------------------------------------------------------------------------------------

    def write_log(
        self, agency: str, at: str, method: str, path: str, key: str | None, repeat: bool, outcome: str, body: Any
    ) -> None:
        self.db.execute(
            "INSERT INTO log (agency, at, method, path, key, repeat, outcome, body) VALUES (?,?,?,?,?,?,?,?)",
            (agency, at, method, path, key, int(repeat), outcome, json.dumps(body, ensure_ascii=False)),
        )

    def read_log(self, agency: str) -> list[dict[str, Any]]:
        rows = self.db.execute("SELECT * FROM log WHERE agency = ? ORDER BY id", (agency,)).fetchall()
        return [
            {
                "at": r["at"], "method": r["method"], "path": r["path"], "key": r["key"], "repeat": bool(r["repeat"]),
                "outcome": r["outcome"], "body": json.loads(r["body"]),
            }
            for r in rows
        ]  # fmt: skip

    # The agencies' own work ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Moves every open application to where its agency's delays say it stands by now."""
        now = real_seconds()
        for agency in AGENCIES[:2]:
            behaviour = self.behaviour(agency)
            rows = self.db.execute(
                "SELECT * FROM applications WHERE agency = ? AND state IN ('submitted', 'accepted')"
                " ORDER BY submitted, receipt_no",
                (agency,),
            ).fetchall()
            for row in rows:
                accepted = row["accepted"] or row["submitted"] + behaviour.accept_after_seconds
                if accepted > now:
                    continue
                if row["accepted"] is None:
                    self.db.execute(
                        "UPDATE applications SET state = 'accepted', accepted = ? WHERE receipt_no = ?",
                        (accepted, row["receipt_no"]),
                    )
                decided = accepted + behaviour.decide_after_seconds
                if decided <= now:
                    self._decide(row, decided)

    def _decide(self, row: sqlite3.Row, decided: float) -> None:
        agency, receipt, verdict = row["agency"], row["receipt_no"], row["verdict"]
        if verdict is None and self.in_force(agency, row["country"], row["id_number"]):
            verdict = "R09"  # the person is already enrolled here: a second registration is never made
        if verdict is not None:
            self.db.execute(
                "UPDATE applications SET state = 'refused', decided = ?, verdict = ?, note = coalesce(note, ?)"
                " WHERE receipt_no = ?",
                (decided, verdict, reasons().get(verdict, "不符合受理条件"), receipt),
            )
            return
        number = self._person_number(agency, row["country"], row["id_number"])
        self.db.execute(
            "UPDATE applications SET state = 'approved', decided = ?, number = ? WHERE receipt_no = ?",
            (decided, number, receipt),
        )
        self.db.execute(
            "INSERT INTO registrations VALUES (?, ?, ?, ?, ?, NULL)", (receipt, agency, number, row["body"], decided)
        )

    def _person_number(self, agency: str, country: str, id_number: str) -> str:
        """A person keeps the first number for ever. Social: 外国人社会保障号码; medical: its own series."""
        known = self.db.execute(
            "SELECT number FROM persons WHERE agency = ? AND country = ? AND id_number = ?",
            (agency, country, id_number),
        ).fetchone()
        if known:
            return str(known["number"])
        if agency == "social_bureau":
            number = f"{country}0{id_number}"
        else:
            number = f"5101{self.next_number('medical_person'):010d}"
        self.db.execute("INSERT INTO persons VALUES (?, ?, ?, ?)", (agency, country, id_number, number))
        return number

    def in_force(self, agency: str, country: str, id_number: str) -> bool:
        return (
            self.db.execute(
                "SELECT 1 FROM registrations r JOIN persons p ON p.agency = r.agency AND p.number = r.number"
                " WHERE r.agency = ? AND r.withdrawn IS NULL AND p.country = ? AND p.id_number = ?",
                (agency, country, id_number),
            ).fetchone()
            is not None
        )

    def registration(self, agency: str, number: str) -> sqlite3.Row | None:
        """The registration in force under a number, else None."""
        return self.db.execute(
            "SELECT * FROM registrations WHERE agency = ? AND number = ? AND withdrawn IS NULL ORDER BY approved DESC",
            (agency, number),
        ).fetchone()

    def application_answer(self, row: sqlite3.Row) -> dict[str, Any]:
        """An application as the bureau shows it to the unit that handed it in."""
        offset = row["offset"]
        answer: dict[str, Any] = {
            "receipt_no": row["receipt_no"], "state": row["state"], "levy": LEVY_OF[row["agency"]],
            "submitted_at": stamp(row["submitted"], offset),
            "accepted_at": stamp(row["accepted"], offset) if row["accepted"] else None,
            "decided_at": stamp(row["decided"], offset) if row["decided"] else None,
            "number": row["number"], "code": None, "reason": None,
        }  # fmt: skip
        if row["state"] == "refused":
            answer |= {"code": row["verdict"], "reason": row["note"]}
        return answer
