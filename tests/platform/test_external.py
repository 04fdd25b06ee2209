"""Servers of somebody else by settings alone: a PostgreSQL by DSN, a Temporal behind TLS with certificate or API key.

The servers are started outside of the product: PostgreSQL with passwords over TCP, the development server of Temporal
behind a gate (`temporal_gate`) that speaks TLS. Refused means a sentence and an exit code, soon: never a hang, never a
traceback.
"""

import asyncio
import contextlib
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from embedded.ports import Ports
from embedded.postgres import ROLE, Postgres
from embedded.processes import Child
from embedded.temporal import temporal_launch
from runtime.settings import Settings
from tests.e2e.installation import AS_ROOT, Installation, installation
from tests.e2e.office import Office
from tests.e2e.product import Product
from tests.platform.temporal_gate import NAME, Certificates, Gate

pytestmark = [pytest.mark.machine, pytest.mark.timeout(240)]
API_KEY = "baoqi-test-key-9f2c"
SOON_SECONDS = 30
Environment = dict[str, str]


@dataclass
class Servers:
    """What an operator has from others: addresses and papers."""

    database_url: str
    temporal: str
    papers: Certificates

    def by_certificate(self, gate: Gate) -> Environment:
        cert = {
            "BAOQI_TEMPORAL_TLS_CERT": self.papers.pem("client"),
            "BAOQI_TEMPORAL_TLS_KEY": self.papers.key("client"),
        }
        return self.at(gate) | {name: str(file) for name, file in cert.items()}

    def by_key(self, gate: Gate, key: str = API_KEY) -> Environment:
        return self.at(gate) | {"BAOQI_TEMPORAL_API_KEY": key}

    def at(self, gate: Gate) -> Environment:
        return {
            "BAOQI_DATABASE_URL": self.database_url,
            "BAOQI_TEMPORAL_ADDRESS": gate.address,
            "BAOQI_TEMPORAL_NAMESPACE": "campus",
            "BAOQI_TEMPORAL_TLS_CA": str(self.papers.pem("ca")),
            "BAOQI_TEMPORAL_TLS_SERVER_NAME": NAME,
        }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def servers(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """An empty database of our own role, and a Temporal that knows nothing of us."""
    folder = tmp_path_factory.mktemp("external")
    name = f"external_{uuid.uuid4().hex[:8]}"
    connection = await psycopg.AsyncConnection.connect(postgres.superuser_dsn(), autocommit=True)
    async with connection:
        made = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(ROLE))
        await connection.execute(made)
    url = postgres.database_url.rpartition("/")[0].replace("postgresql+psycopg://", "postgresql://") + f"/{name}"
    ports = Ports(folder / "ports.json")
    port, ui_port = ports.choose("temporal", 24700), ports.choose("temporal_ui", 24800)
    temporal = await Child.start(temporal_launch(Settings(data_dir=folder), port, ui_port, ""))
    await temporal.wait_ready()
    yield Servers(url, f"127.0.0.1:{port}", Certificates.make(folder / "papers"))
    await temporal.stop()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """This working copy."""
    with installation("root" if AS_ROOT else "ordinary", tmp_path_factory.mktemp("ours")) as made:
        yield made


@pytest.fixture(scope="module")
def locked(servers: Servers) -> Iterator[Gate]:
    """Temporal for those with a client certificate."""
    with Gate(servers.temporal, servers.papers, client_certificate=True) as gate:
        yield gate


@pytest.fixture(scope="module")
def keyed(servers: Servers) -> Iterator[Gate]:
    """Temporal for those with an API key."""
    with Gate(servers.temporal, servers.papers, api_key=API_KEY) as gate:
        yield gate


@pytest.fixture(scope="module")
def begun() -> list[str]:
    """The case that the first test begins and the second takes further."""
    return []


def complete_one(office: Office, case: str, kind: str, person: str) -> None:
    """A person finishes the case's open task of this kind."""
    task = office.wait(lambda: office.open_tasks(case, kind))[0]["id"]
    answer = office[person].complete(task)
    assert answer.status_code == 200, answer.text
    assert answer.json()["task"]["state"] == "completed"


async def test_up_with_a_database_and_a_temporal_of_others_by_client_certificate(
    servers: Servers, locked: Gate, installed: Installation, begun: list[str]
) -> None:
    product = Product(installed, "data", **servers.by_certificate(locked))
    await asyncio.to_thread(product.start)
    try:
        assert set(product.pids()) == {"simulators", "worker", "app"}, "nothing embedded was started"
        assert not (product.data / "postgres").exists()
        office = await asyncio.to_thread(product.office)
        begun.append(await asyncio.to_thread(office.start))
        await asyncio.to_thread(complete_one, office, begun[0], "enrolment.materials", "college")
        examined = await asyncio.to_thread(product.command, "doctor")
        assert examined.returncode == 0, examined.stdout
        assert f"{locked.address} campus" in examined.stdout
        office.close()
    finally:
        await asyncio.to_thread(product.stop)


async def test_init_api_and_worker_as_services_of_their_own_by_api_key(
    servers: Servers, keyed: Gate, installed: Installation, begun: list[str]
) -> None:
    """The same installation the day after, beyond one machine: the case goes on where it was."""
    assert begun, "the first test begins the case"
    product = Product(installed, "data", **servers.by_key(keyed))
    users = product.run["users"]
    done = await asyncio.to_thread(product.command, "init")
    assert done.returncode == 0, done.stdout + done.stderr
    before = keyed.passed
    port = Ports(installed.folder / "ports.json").choose("app", 24900)
    product.environment["BAOQI_PORT"] = str(port)
    services = [start(product, name) for name in ("api", "worker")]
    try:
        run = {"api": f"http://127.0.0.1:{port}", "users": users}
        office = await asyncio.to_thread(signed_in, run)
        await asyncio.to_thread(complete_one, office, begun[0], "enrolment.verification", "clerk")
        office.close()
    finally:
        for service in services:
            service.terminate()
        ended = [await asyncio.to_thread(service.wait, 60) for service in services]
    assert keyed.passed > before
    assert not keyed.refused
    assert ended[1] == 0, "a worker told to stop ends in peace"


def start(product: Product, *words: str) -> "subprocess.Popen[bytes]":
    """A command that runs until it is told to stop."""
    return subprocess.Popen(
        [product.installation.baoqi, *words, "--data", str(product.data)],
        cwd=product.installation.root, env=product.env, stdout=subprocess.DEVNULL, **product.installation.who,
    )  # fmt: skip


def signed_in(run: dict[str, object], seconds: float = 60) -> Office:
    """Everybody, as soon as the API answers."""
    import httpx2 as httpx

    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.TransportError):
            return Office(run)
        assert time.monotonic() < end, "the API never answered"
        time.sleep(0.3)


Wrong = Callable[[Servers, Gate, Gate], Environment]
REFUSED: dict[str, tuple[Wrong, str]] = {
    "a wrong API key": (lambda s, _, keyed: s.by_key(keyed, "stolen"), "check BAOQI_TEMPORAL_API_KEY"),
    "no client certificate": (lambda s, locked, _: s.at(locked), "a client certificate that it knows"),
    "a server of another name": (
        lambda s, _, keyed: s.by_key(keyed) | {"BAOQI_TEMPORAL_TLS_SERVER_NAME": "elsewhere.example.edu"},
        "set BAOQI_TEMPORAL_TLS_SERVER_NAME",
    ),
    "an unknown authority": (
        lambda s, _, keyed: s.by_key(keyed) | {"BAOQI_TEMPORAL_TLS_CA": str(s.papers.pem("client"))},
        "check BAOQI_TEMPORAL_TLS_CA",
    ),
    "TLS where there is none": (
        lambda s, _, keyed: s.by_key(keyed) | {"BAOQI_TEMPORAL_ADDRESS": s.temporal},
        "does not speak TLS",
    ),
    "a certificate that is not there": (
        lambda s, locked, _: s.by_certificate(locked) | {"BAOQI_TEMPORAL_TLS_CERT": "/nowhere.pem"},
        "/nowhere.pem named by BAOQI_TEMPORAL_TLS_CERT cannot be read",
    ),
    "a wrong password of the database": (
        lambda s, _, keyed: s.by_key(keyed) | {"BAOQI_DATABASE_URL": s.database_url.replace(f"{ROLE}:", f"{ROLE}:x")},
        "BAOQI_DATABASE_URL",
    ),
    "an address without a port": (
        lambda s, _, keyed: s.by_key(keyed) | {"BAOQI_TEMPORAL_ADDRESS": "temporal.example.edu"},
        "BAOQI_TEMPORAL_ADDRESS is host:port",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_settings_get_a_sentence_from_doctor_init_and_up(
    what: str, servers: Servers, locked: Gate, keyed: Gate, installed: Installation, tmp_path: Path
) -> None:
    environment, sentence = REFUSED[what]
    product = Product(installed, f"refused-{tmp_path.name}", **environment(servers, locked, keyed))
    for command in ("doctor", "init", "up"):
        began = time.monotonic()
        ended = product.command(command)
        said = ended.stdout + ended.stderr
        assert ended.returncode in (1, 2), f"{command}: {said}"
        assert sentence in " ".join(said.split()), f"{command}: {said}"
        assert "Traceback" not in said, f"{command}: {said}"
        assert API_KEY not in said
        assert time.monotonic() - began < SOON_SECONDS


def test_a_worker_with_a_wrong_key_ends_instead_of_waiting(
    servers: Servers, keyed: Gate, installed: Installation
) -> None:
    product = Product(installed, "data", **servers.by_key(keyed, "stolen"))
    before = keyed.refused
    ended = product.command("worker")
    assert ended.returncode == 1
    assert "check BAOQI_TEMPORAL_API_KEY" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    assert keyed.refused > before
