"""docker-compose.yml as text: the order of starting, what is kept, what is published, and that every setting exists.

No container engine is asked; what only a run can show is named in CHANGELOG.md.
"""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from cli.main import app
from embedded.temporal import TRIED_AGAIN
from runtime.settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("init", "api", "worker")
KNOWN = {f"BAOQI_{name.upper()}" for name in Settings.model_fields}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def waits_for(service: str) -> dict[str, str]:
    return {name: how["condition"] for name, how in SERVICES[service].get("depends_on", {}).items()}


def test_the_services_and_the_order_in_which_they_start() -> None:
    assert set(SERVICES) == {"app-db", "temporal-db", "temporal-schema", "temporal", "temporal-ui", *OURS}
    healthy, done = "service_healthy", "service_completed_successfully"
    assert waits_for("temporal-schema") == {"temporal-db": healthy}
    assert waits_for("temporal") == {"temporal-schema": done}
    assert waits_for("temporal-ui") == {"temporal": healthy}
    assert waits_for("init") == {"app-db": healthy, "temporal": healthy}
    assert waits_for("api") == waits_for("worker") == {"init": done}
    for service in SERVICES:
        for name, condition in waits_for(service).items():
            # Who is waited for says when it is healthy, or ends; else nothing would ever start.
            assert ("healthcheck" in SERVICES[name]) == (condition == healthy), (service, name)
            assert condition != done or SERVICES[name]["restart"].startswith("on-failure"), name


def test_servers_of_their_own_that_keep_their_data_and_are_not_published() -> None:
    assert SERVICES["app-db"]["image"] == "postgres:18"
    assert SERVICES["app-db"]["volumes"] == ["app-db:/var/lib/postgresql"]
    assert SERVICES["temporal-db"]["image"] == "postgres:16"
    assert SERVICES["temporal-db"]["volumes"] == ["temporal-db:/var/lib/postgresql/data"]
    used = {v.partition(":")[0] for s in SERVICES.values() for v in s.get("volumes", [])}
    assert {v for v in used if not v.startswith(".")} == set(COMPOSE["volumes"])
    assert "auto-setup" not in TEXT, "the image that nobody builds any more"
    assert SERVICES["temporal"]["environment"]["NUM_HISTORY_SHARDS"] == "512"
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert set(published) == {"api", "temporal-ui"}
    assert published["temporal-ui"][0].startswith("127.0.0.1:"), "it has no sign-in"
    assert "version" not in COMPOSE


def test_the_schema_job_has_its_script_and_knows_the_server_it_prepares() -> None:
    job = SERVICES["temporal-schema"]
    folder, _, rest = job["volumes"][0].partition(":")
    script = ROOT / folder / Path(job["entrypoint"][1]).name
    assert rest == f"{Path(job['entrypoint'][1]).parent}:ro"
    text = script.read_text()
    needed = set(re.findall(r"\$\{(\w+):\?\}", text))
    assert needed, "the script says what it cannot do without"
    assert needed <= job["environment"].keys()
    for step in ("create", "setup-schema -v 0.0", "update-schema"):
        assert step in text
    for kind in ("temporal temporal", "temporal_visibility visibility"):
        assert f"setup {kind}" in text
    server = SERVICES["temporal"]["environment"]
    assert job["image"].rpartition(":")[2] == SERVICES["temporal"]["image"].rpartition(":")[2], "the same version"
    assert (server["POSTGRES_SEEDS"], server["DB_PORT"]) == (job["environment"]["POSTGRES_SEEDS"], "5432")


def test_the_server_tries_a_case_that_stands_still_as_soon_as_the_embedded_one() -> None:
    file, _, where = SERVICES["temporal"]["volumes"][0].partition(":")
    assert where == SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"] + ":ro"
    config: dict[str, list[dict[str, str]]] = yaml.safe_load((ROOT / file).read_text())
    assert {f'{name}="{values[0]["value"]}"' for name, values in config.items()} == {TRIED_AGAIN}


def test_the_commands_of_our_image_exist() -> None:
    commands = get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    for service in OURS:
        assert SERVICES[service]["build"] == "."
        program, *words = SERVICES[service]["command"]
        assert program == "baoqi"
        assert words[0] in commands
    dockerfile = (ROOT / "Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE):
        assert all((ROOT / name).exists() for name in shlex.split(line)), line
    assert re.search(r"^USER baoqi$", dockerfile, re.MULTILINE), "not root"


@pytest.mark.parametrize("service", OURS)
def test_every_setting_is_one_that_we_read_and_holds(service: str, tmp_path: Path, monkeypatch: Any) -> None:
    environment: dict[str, str] = SERVICES[service]["environment"]
    assert {name for name in environment if name.startswith("BAOQI_")} <= KNOWN
    given = {"BAOQI_DB_PASSWORD": "secret", "BAOQI_SECRET_KEY": "k", "TEMPORAL_DB_PASSWORD": "t"}

    def filled(value: Any) -> str:
        return VARIABLE.sub(lambda m: given.get(m[1]) or (m[3] if m[2] == "-" else ""), str(value))

    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, filled(value))
    settings = Settings()  # pyright: ignore[reportCallIssue]
    assert settings.database_url == "postgresql+psycopg://baoqi:secret@app-db:5432/baoqi"
    assert settings.temporal_address == "temporal:7233"
    assert settings.agency_modes == {"social_bureau": "portal", "medical_bureau": "portal", "tax_office": "portal"}
    assert not settings.demo, "no invented people beside real ones"
    assert str(settings.data_dir) in [v.partition(":")[2] for v in SERVICES[service]["volumes"]]


def test_what_an_operator_must_give_is_in_the_example() -> None:
    example = (ROOT / "deploy" / "compose.env.example").read_text()
    offered = set(re.findall(r"^#? ?(\w+)=", example, re.MULTILINE))
    required = {m[1] for m in VARIABLE.finditer(TEXT) if m[2] == "?"}
    assert required
    assert required <= offered
    others = {m[1] for m in VARIABLE.finditer(TEXT)} - KNOWN
    assert offered <= KNOWN | others
    assert {name for name in others if name.startswith("BAOQI_")} == {"BAOQI_DB_PASSWORD", "BAOQI_VERSION"}


def test_every_setting_is_explained_to_operators() -> None:
    explained = set(re.findall(r"^# (BAOQI_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert explained == KNOWN
