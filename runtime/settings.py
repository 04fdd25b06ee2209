"""Settings of one installation, read from the environment with the prefix `BAOQI_`.

Order of precedence: arguments, environment, a `.env` file in the working directory, then `DATA/settings.json`, which
`baoqi up` writes so that a second command (`baoqi import …`) finds the running servers. No secret has a usable default:
the key is generated into the data folder on first use (`runtime.crypto`). Nothing else reads `os.environ`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    JsonConfigSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

AGENCIES = ("social_bureau", "medical_bureau", "tax_office")
AgencyMode = Literal["http", "portal"]


class Settings(BaseSettings):
    """Everything that differs between two installations. `.env.example` explains each for operators."""

    model_config = SettingsConfigDict(env_prefix="BAOQI_", env_file=".env", extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(
        default=Path("data"), description="The one folder of data: databases, documents, keys, logs."
    )
    host: str = Field(default="127.0.0.1", description="Address the pages and the API listen on.")
    port: int = Field(
        default=8000, description="Preferred port of pages and API; stepped over when busy under `baoqi up`."
    )
    public_url: str = Field(default="", description="Address people use, behind a proxy; empty: http://host:port.")
    secure_cookies: bool = Field(default=False, description="Set when people reach the pages by HTTPS.")

    database_url: str = Field(default="", description="SQLAlchemy DSN; empty: the embedded PostgreSQL.")
    database_pool_size: int = Field(default=25, ge=2, description="Connections each process may hold.")
    database_port: int = Field(default=5433, description="Preferred port of the embedded PostgreSQL.")
    database_bin: str = Field(
        default="", description="Folder with initdb and postgres to use instead of the bundled ones."
    )

    temporal_address: str = Field(default="", description="host:port; empty: the embedded development server.")
    temporal_namespace: str = "baoqi"
    temporal_task_queue: str = "baoqi"
    temporal_tls: bool = Field(default=False, description="TLS without client certificate; implied by the files below.")
    temporal_tls_server_name: str = ""
    temporal_tls_ca: Path | None = None
    temporal_tls_cert: Path | None = None
    temporal_tls_key: Path | None = None
    temporal_api_key: SecretStr = SecretStr("")
    temporal_ui_url: str = Field(default="", description="Address of the Temporal UI, for administrators' links.")
    temporal_port: int = Field(default=7233, description="Preferred port of the embedded Temporal.")
    temporal_ui_port: int = Field(default=8233, description="Preferred port of the embedded Temporal's UI.")
    temporal_cached_cases: int = Field(
        default=4000, ge=10, description="Open cases a worker keeps in memory, half a megabyte each."
    )
    temporal_retention_days: int = Field(default=3650, ge=1, description="How long closed histories are kept.")

    agency_modes: Annotated[dict[str, AgencyMode], NoDecode] = Field(
        default_factory=dict, description="social_bureau=portal,medical_bureau=http; what is not named: http."
    )
    agency_urls: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict, description="social_bureau=https://…; what is not named: the simulated agencies."
    )
    simulators: bool = Field(default=True, description="Start the simulated agencies with `baoqi up`.")
    simulators_port: int = 8010
    simulators_url: str = Field(
        default="", description="Address of the simulated agencies; empty: 127.0.0.1:simulators_port."
    )
    demo: bool = Field(
        default=True, description="Create the demo university in an empty database; allow the demo clock."
    )

    smtp_url: str = Field(
        default="", description="smtp://user:password@host:587?starttls=1; empty: files in DATA/mail."
    )
    mail_from: str = "baoqi@localhost"
    wecom_url: str = Field(default="https://qyapi.weixin.qq.com", description="Address of WeCom's interface.")
    wecom_corp_id: str = Field(default="", description="With agent and secret: messages of an own WeCom application.")
    wecom_agent_id: int = 0
    wecom_secret: SecretStr = SecretStr("")
    wecom_robot_url: SecretStr = Field(default=SecretStr(""), description="Webhook of a group robot, with its key.")
    dingtalk_url: str = Field(default="https://oapi.dingtalk.com", description="Address of DingTalk's interface.")
    dingtalk_app_key: str = Field(default="", description="With agent and secret: work notices of an own application.")
    dingtalk_agent_id: int = 0
    dingtalk_app_secret: SecretStr = SecretStr("")
    dingtalk_robot_url: SecretStr = Field(
        default=SecretStr(""), description="Webhook of a group robot, with its token."
    )
    dingtalk_robot_secret: SecretStr = Field(
        default=SecretStr(""), description="加签: the robot's signing secret, SEC…."
    )
    feishu_url: str = Field(default="https://open.feishu.cn", description="Address of Feishu's interface.")
    feishu_app_id: str = Field(default="", description="With the secret: messages of an own Feishu application.")
    feishu_app_secret: SecretStr = SecretStr("")
    feishu_robot_url: SecretStr = Field(default=SecretStr(""), description="Webhook of a group robot.")
    feishu_robot_secret: SecretStr = Field(default=SecretStr(""), description="签名校验: the robot's signing secret.")
    sms_url: str = Field(default="", description="HTTP gateway for text messages (SMS); see docs/messages.md.")
    sms_secret: SecretStr = Field(default=SecretStr(""), description="Shared with the gateway; signs each request.")
    secret_key: SecretStr = Field(default=SecretStr(""), description="32 bytes as base64; empty: DATA/keys/baoqi.key.")

    look_back_days: int = Field(
        default=3650, ge=1, le=36500, description="How far back a case and an inbox can be looked at as they were."
    )
    session_idle_minutes: int = Field(default=30, ge=1)
    update_timeout_seconds: float = Field(
        default=8.0, gt=0, description="How long a click waits before it is answered 202."
    )
    untaken_after_seconds: float = Field(
        default=300.0,
        gt=0,
        description="After how long an answer, a start or an order that its case has not taken is an incident.",
    )
    upload_limit_bytes: int = Field(default=20 * 1024 * 1024, ge=1)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @field_validator("agency_modes", "agency_urls", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        """`a=x,b=y` as a mapping; refuses an agency that does not exist, so that a typing mistake is seen."""
        if isinstance(value, str):
            value = {
                name.strip(): text.strip()
                for name, _, text in (p.partition("=") for p in value.split(",") if p.strip())
            }
        if isinstance(value, dict):
            unknown = sorted(set(value) - set(AGENCIES))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
            if unknown:
                raise ValueError(
                    f"没有这个经办机构：{'、'.join(unknown)};可用：{'、'.join(AGENCIES)}。 "
                    f"No such agency: {', '.join(unknown)}; use one of {', '.join(AGENCIES)}."
                )
        return value  # pyright: ignore[reportUnknownVariableType]

    @field_validator("database_url")
    @classmethod
    def _driver(cls, value: str) -> str:
        """Any common spelling of a PostgreSQL DSN becomes the one for psycopg 3."""
        for prefix in ("postgresql://", "postgres://"):
            if value.startswith(prefix):
                return "postgresql+psycopg://" + value.removeprefix(prefix)
        return value

    @field_validator("temporal_address")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        """An address without a port is refused here, where the setting can be named."""
        if value and not value.rpartition(":")[2].isdigit():
            raise ValueError(
                f"BAOQI_TEMPORAL_ADDRESS 应为 主机:端口，现为 {value}。 "
                f"BAOQI_TEMPORAL_ADDRESS is host:port, not {value}."
            )
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given: Path | str | None = (
            init_settings().get("data_dir") or os.environ.get("BAOQI_DATA_DIR") or dotenv_settings().get("data_dir")
        )
        running = JsonConfigSettingsSource(settings_cls, json_file=Path(given or "data") / "settings.json")
        return init_settings, env_settings, dotenv_settings, running

    @property
    def base_url(self) -> str:
        """Root of pages and API (the API is under `/api/v1`), without a slash at the end."""
        everywhere = self.host in ("0.0.0.0", "::")  # noqa: S104 - an address to listen on is none to visit
        host = "127.0.0.1" if everywhere else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def local_url(self) -> str:
        """The same root without a proxy, for checks from this machine."""
        return self.model_copy(update={"public_url": ""}).base_url

    @property
    def documents_dir(self) -> Path:
        """Where uploaded files are kept."""
        return self.data_dir / "documents"

    @property
    def key_file(self) -> Path:
        """Where the generated key is kept; lost with it: encrypted fields and every open case."""
        return self.data_dir / "keys" / "baoqi.key"

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of messages that are set up here; mail always is (a file without a server)."""
        ways = {
            "mail": True,
            "wecom": bool(self.wecom_corp_id or self.wecom_robot_url.get_secret_value()),
            "dingtalk": bool(self.dingtalk_app_key or self.dingtalk_robot_url.get_secret_value()),
            "feishu": bool(self.feishu_app_id or self.feishu_robot_url.get_secret_value()),
            "sms": bool(self.sms_url),
        }
        return tuple(name for name, there in ways.items() if there)

    def agency_mode(self, agency: str) -> AgencyMode:
        """How `agency` is reached: `http` by a gateway, `portal` by a clerk on the agency's own site."""
        return self.agency_modes.get(agency, "http")

    def agency_url(self, agency: str) -> str:
        """Base address of the agency's interface, without a slash at the end; `/{agency}` is part of it."""
        simulated = self.simulators_url or f"http://127.0.0.1:{self.simulators_port}"
        return self.agency_urls.get(agency, f"{simulated.rstrip('/')}/{agency}").rstrip("/")

    def require_database_url(self) -> str:
        """The DSN, or a sentence that says how to get one."""
        if not self.database_url:
            raise SettingsMissing(
                "没有数据库地址：请先运行 `baoqi up`，或设置 BAOQI_DATABASE_URL。 "
                "No database address: run `baoqi up` first, or set BAOQI_DATABASE_URL."
            )
        return self.database_url

    def require_temporal_address(self) -> str:
        """host:port of Temporal, or a sentence that says how to get one."""
        if not self.temporal_address:
            raise SettingsMissing(
                "没有 Temporal 地址：请先运行 `baoqi up`，或设置 BAOQI_TEMPORAL_ADDRESS。 "
                "No Temporal address: run `baoqi up` first, or set BAOQI_TEMPORAL_ADDRESS."
            )
        return self.temporal_address


class OperatorError(RuntimeError):
    """Something only the operator can mend; the message says what and how, and is shown without a traceback."""


class SettingsMissing(OperatorError):
    """A setting that this command cannot do without."""


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once. Tests and the command line replace them by `use_settings`."""
    return _replacement if _replacement is not None else Settings()


_replacement: Settings | None = None


def use_settings(settings: Settings | None) -> None:
    """Makes `settings` the ones of this process; None returns to the environment."""
    global _replacement
    _replacement = settings
    get_settings.cache_clear()
