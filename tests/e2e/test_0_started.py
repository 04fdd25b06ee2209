"""What `make up` leaves on the machine: addresses that answer, processes of its user, closed files."""

from pathlib import Path

import httpx2 as httpx
import pytest

from tests.e2e.installation import Installation
from tests.e2e.office import Office
from tests.e2e.product import Product

# The first of this folder installs a clone.
pytestmark = [pytest.mark.machine, pytest.mark.timeout(900)]
PROCESSES = {"postgres", "temporal", "simulators", "worker", "app"}


def test_make_up_names_its_addresses_and_every_demo_user_signs_in(product: Product, office: Office) -> None:
    run = product.run
    assert set(run) == {"api", "pages", "temporal_ui", "simulators", "users"}
    said = "".join(product.lines)
    for address in (run["pages"], f"{run['api']}/docs", run["temporal_ui"], run["simulators"]):
        assert address in said
    for address in (run["pages"], f"{run['api']}/docs", run["temporal_ui"], f"{run['simulators']}/healthz"):
        assert httpx.get(address, follow_redirects=True).status_code == 200, address
    assert all(set(user) == {"name", "password", "roles"} for user in run["users"])
    assert office.people.keys() == {user["name"] for user in run["users"]} >= {"clerk", "finance", "admin", "college"}
    assert said.rstrip().endswith("READY")


def test_every_process_is_its_users_and_what_is_secret_is_closed(product: Product, installed: Installation) -> None:
    pids = product.pids()
    assert set(pids) == PROCESSES
    owners = {name: Path(f"/proc/{pid}").stat().st_uid for name, pid in pids.items()}
    me = installed.uid
    assert {name: uid for name, uid in owners.items() if name != "postgres"} == dict.fromkeys(
        PROCESSES - {"postgres"}, me
    )
    # PostgreSQL refuses root; everybody else's runs as themselves.
    assert owners["postgres"] == me if me else owners["postgres"] != 0
    for name in ("keys", "keys/baoqi.key", "documents", "logs", "run.json", "settings.json", "postgres"):
        assert not (product.data / name).stat().st_mode & 0o077, f"{name} is open to others"


def test_the_doctor_finds_nothing_to_mend(product: Product) -> None:
    examined = product.command("doctor")
    assert examined.returncode == 0, examined.stdout + examined.stderr
    assert "✗" not in examined.stdout
    for server in (product.run["pages"], "127.0.0.1:"):
        assert server in examined.stdout, "it looked at what is running"
