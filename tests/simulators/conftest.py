"""A real server of simulated agencies on the loopback, one a test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from simulators.launch import Running, running

APPLICATION: dict[str, Any] = {
    "name": "ANNA MUSTER", "id_type": "PASSPORT", "id_number": "C01X00T47", "country": "DEU", "birth": "1985-03-14",
    "sex": "F", "employer": "school", "start_month": "2026-10", "base": "18000.00",
}  # fmt: skip
INSURANCES = {
    "social_bureau": ["pension", "unemployment", "work_injury"],
    "medical_bureau": ["medical", "maternity", "large_medical"],
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "agencies") as started:
        yield started


class Caller:
    """The school's side of the wire, in a few words."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=10)

    def behave(self, agency: str, **fields: Any) -> None:
        quick = {"accept_after_seconds": 0, "decide_after_seconds": 0, "sync_after_seconds": 0}
        answer = self.http.put(f"/{agency}/behaviour", json=quick | fields)
        assert answer.status_code == 200, answer.text

    def apply(self, agency: str, key: str, **fields: Any) -> httpx2.Response:
        body = APPLICATION | {"insurances": INSURANCES[agency]} | fields
        return self.http.post(f"/{agency}/applications", json=body, headers={"Idempotency-Key": key})

    def progress(self, agency: str, receipt_no: str) -> dict[str, Any]:
        return self.http.get(f"/{agency}/applications/{receipt_no}").json()

    def log(self, agency: str) -> list[dict[str, Any]]:
        return self.http.get(f"/{agency}/log").json()["items"]

    def enrol(self, agency: str, key: str, **fields: Any) -> str:
        """Applies and gives the number back."""
        receipt = self.apply(agency, key, **fields).json()["receipt_no"]
        return self.progress(agency, receipt)["number"]

    def bill(self, key: str, number: str, *months: str, levy: str = "social", **fields: Any) -> httpx2.Response:
        body = {"unit": "school", "levy": levy, "items": [{"number": number, "months": list(months)}]} | fields
        return self.http.post("/tax_office/bills", json=body, headers={"Idempotency-Key": key})

    def pay(self, key: str, bill_no: str, amount: str) -> httpx2.Response:
        body = {"bill_no": bill_no, "amount": amount}
        return self.http.post("/tax_office/payments", json=body, headers={"Idempotency-Key": key})


@pytest.fixture
def caller(server: Running) -> Iterator[Caller]:
    made = Caller(server.url)
    for agency in ("social_bureau", "medical_bureau", "tax_office"):
        made.behave(agency)
    yield made
    made.http.close()
