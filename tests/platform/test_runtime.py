"""Keys, ciphers, settings, ports: what every process relies on."""

import logging
import os
import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from embedded.ports import Ports
from runtime import clock, crypto, namespace
from runtime import logging as logging_module
from runtime.refusals import TemporalRefused, TemporalStarting, refusal
from runtime.settings import Settings, SettingsMissing, get_settings
from runtime.temporal import codec
from store.database import session
from worker.chores import CHORES
from worker.wiring import FIRST_RUN_SECONDS, build_chores


def test_key_is_generated_once_and_kept_secret(settings: Settings) -> None:
    sealed = crypto.field_cipher().encrypt("G12580876")
    assert stat.S_IMODE(os.stat(settings.key_file).st_mode) == 0o600
    assert b"G12580876" not in sealed
    again = crypto.FieldCipher(crypto.load_keyring(settings))
    assert again.decrypt(sealed) == "G12580876"


def test_same_text_is_sealed_differently_but_hashed_alike(settings: Settings) -> None:
    cipher = crypto.field_cipher()
    assert cipher.encrypt("a") != cipher.encrypt("a")
    assert crypto.keyed_hash("a") == crypto.keyed_hash("a") != crypto.keyed_hash("b")


def test_an_older_key_still_reads_and_look_up_hashes_outlive_a_new_key(settings: Settings) -> None:
    sealed, found = crypto.field_cipher().encrypt("旧"), crypto.keyed_hash("x")
    old = settings.key_file.read_text()
    other = crypto.base64.b64encode(bytes(range(32))).decode()
    settings.key_file.write_text(f"{other}\n{old}")
    ring = crypto.load_keyring(settings)
    assert crypto.FieldCipher(ring).decrypt(sealed) == "旧"
    assert crypto.hmac.new(ring.hash_key(), b"x", "sha256").hexdigest() == found
    assert crypto.FieldCipher(ring).encrypt("新")[:4] != sealed[:4]


def test_a_changed_byte_and_a_foreign_key_are_named(settings: Settings, tmp_path: Path) -> None:
    sealed = crypto.field_cipher().encrypt("text")
    broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
    with pytest.raises(crypto.KeyUnusable, match="damaged"):
        crypto.field_cipher().decrypt(broken)
    elsewhere = settings.model_copy(update={"data_dir": tmp_path / "elsewhere"})
    with pytest.raises(crypto.KeyUnusable, match="another key"):
        crypto.FieldCipher(crypto.load_keyring(elsewhere)).decrypt(sealed)


def test_settings_say_which_agency_is_unknown() -> None:
    with pytest.raises(ValidationError, match="social_buro"):
        Settings.model_validate({"agency_modes": "social_buro=portal"})
    made = Settings.model_validate({"agency_modes": "social_bureau=portal", "simulators_url": "http://x:1/"})
    assert (made.agency_mode("social_bureau"), made.agency_mode("tax_office")) == ("portal", "http")
    assert made.agency_url("tax_office") == "http://x:1/tax_office"


def test_a_running_installation_is_found_by_its_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.json").write_text('{"database_url": "postgres://u:p@h/d", "port": 8123}')
    monkeypatch.setenv("BAOQI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BAOQI_PORT", "9000")
    found = Settings()
    assert found.database_url == "postgresql+psycopg://u:p@h/d"
    assert found.port == 9000, "the environment wins over what `baoqi up` wrote"


def test_missing_addresses_say_what_to_do(settings: Settings) -> None:
    with pytest.raises(SettingsMissing, match="baoqi up"):
        settings.require_database_url()
    assert get_settings() is settings


def test_the_demo_clock_moves_now_but_not_real_now() -> None:
    clock.set_offset(timedelta(days=30))
    try:
        assert timedelta(days=29) < clock.now() - clock.real_now() < timedelta(days=31)
    finally:
        clock.set_offset(timedelta())


def test_busy_ports_are_stepped_over_and_remembered(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        ports = Ports(tmp_path / "ports.json")
        chosen = ports.choose("app", taken)
        assert chosen > taken
        ports.save()
    assert Ports(tmp_path / "ports.json").choose("app", taken) == chosen


async def test_each_test_has_a_migrated_database(database: Settings) -> None:
    async with session() as opened:
        tables = await opened.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        assert tables.scalar_one() > 10
        role = await opened.execute(text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))
        assert role.scalar_one() is False


async def test_payloads_are_unreadable_without_the_key(settings: Settings, client: Client) -> None:
    payloads = await client.data_converter.encode(["内部编号"])
    assert "内部编号".encode() not in payloads[0].SerializeToString()
    decoded = await codec(settings).decode(payloads)
    assert "内部编号".encode() in decoded[0].data


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_in_the_log_shows_no_values(
    settings: Settings, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    """The locals of a failed step hold people's names and numbers."""
    before = logging.getLogger().handlers[:]
    settings.log_format = log_format  # type: ignore[assignment]
    logging_module.configure(settings, "test")
    try:
        passport = "".join(["E1234", "5678"])
        raise ValueError(len(passport))
    except ValueError:
        logging.getLogger("test").exception("a step failed")
    finally:
        logging.getLogger().handlers[:] = before
    written = capsys.readouterr().err
    assert "ValueError" in written
    assert "E12345678" not in written


@pytest.mark.parametrize("size", [10, 50_000])
async def test_payloads_come_back_as_they_were_and_large_ones_shrink(settings: Settings, size: int) -> None:
    content = "参保登记".encode() * (size // 12 + 1)
    sealed = await codec(settings).encode([Payload(metadata={"encoding": b"json/plain"}, data=content)])
    assert content[:12] not in sealed[0].data
    assert (await codec(settings).decode(sealed))[0].data == content
    if size > 1000:
        assert len(sealed[0].data) < len(content) / 10


NOT_YET = 'Status { code: Unavailable, message: "Frontend is not healthy yet", source: None } after connection'


async def test_a_server_that_is_just_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow machine its port is open some seconds before it answers; that is not a matter of TLS."""
    starting = refusal(NOT_YET, "127.0.0.1:7233")
    assert isinstance(starting, TemporalStarting)
    answers: list[Exception] = [starting, starting, refusal("code: PermissionDenied", "127.0.0.1:7233")]

    async def connect(settings: Settings) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(namespace, "connect", connect)
    with pytest.raises(TemporalRefused):
        await namespace.prepare(Settings(temporal_address="127.0.0.1:7233"))
    assert not answers
    answers.append(starting)
    with pytest.raises(TemporalStarting):
        await namespace.prepare(Settings(temporal_address="127.0.0.1:7233"), patience=timedelta(0))


def test_a_chore_runs_soon_after_the_start_however_long_its_interval() -> None:
    """A worker that is started anew every half an hour comes to what is done once an hour, too."""
    for job, (seconds, chore) in zip(build_chores(CHORES).get_jobs(), CHORES, strict=True):
        first = job.next_run_time - clock.real_now()
        assert job.args == (chore,) and job.trigger.interval == timedelta(seconds=seconds)
        assert first <= timedelta(seconds=min(seconds, FIRST_RUN_SECONDS))
