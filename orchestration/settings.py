"""Settings of runs and snapshots, read from the environment and from `.env`."""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ingestion.errors import StorageFailed
from ingestion.paths import DataPaths
from ingestion.settings import get_settings as get_ingestion_settings
from ingestion.settings import read_settings
from orchestration.errors import AddressUnreadable
from orchestration.notices.address import scheme_of, split
from orchestration.prefect_password import read_or_make

ROOT = Path(__file__).resolve().parents[1]
DBT_PROJECT = ROOT / "weather_dbt"


class OrchestrationSettings(BaseSettings):
    """Schedule, retention, dbt and Prefect server."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    schedule_cron: str = Field(
        "0 * * * *",
        description="When the deployment runs, in UTC. Hour H is served from about H+10 min, so `12 * * * *` "
        "brings each hour within minutes.",
    )
    snapshots_keep: int = Field(
        24, ge=2, description="Published snapshots kept for rollback and time travel; older ones are deleted."
    )
    close_above_mb: int = Field(
        300,
        ge=0,
        description="MB the build file may use before its oldest months, settled for 10 days, are closed: moved into "
        "Parquet files that all snapshots share. 0 never closes one.",
    )
    dbt_profiles_dir: Path = Field(ROOT / "profiles", description="Folder of dbt's profiles.yml.")
    dbt_threads: int = Field(1, ge=1, le=32, description="Models dbt builds at once; DuckDB uses all cores for each.")
    dbt_log_level_file: Literal["debug", "info", "warn", "error"] = Field(
        "info", description="What dbt writes to logs/dbt.log; with `debug`, every statement."
    )
    prefect_api_url: str = Field(
        "http://127.0.0.1:4200/api", description="Prefect server that records runs, when it answers."
    )
    prefect_auth: bool = Field(
        False,
        description="Whether our Prefect server's UI and API ask for a password: made at the first start, kept in "
        "prefect/password of the data folder.",
    )
    alert_urls: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Where the operator is told that something needs attention, and that it is over: apprise addresses "
        "such as `ntfys://ntfy.sh/my-topic`, separated by spaces or commas.",
    )
    alert_hours: int = Field(
        6, ge=1, le=240, description="Hours without a new observation after which the operator is told."
    )
    role: Literal["all", "worker", "reader"] = Field(
        "all",
        description="What this host does with a shelf: `worker` runs, `reader` serves what others published, `all` "
        "does both.",
    )
    shelf_url: str | None = Field(
        None,
        validate_default=True,
        description="Bucket and prefix that several hosts share, e.g. `s3://bucket/prefix` (docs/hosts.md); its "
        "credentials come from AWS's own variables.",
    )
    behind_seconds: int = Field(
        600,
        ge=10,
        description="With a shelf: a host that could not follow it for so long is not ready. It goes on answering.",
    )
    takeover: bool = Field(
        True,
        description="With a shelf: whether a run that lost its host is marked Crashed and run again on another.",
    )
    prefect_api_database_connection_url: SecretStr | None = Field(
        None,
        description="Database of our Prefect server in place of SQLite, e.g. "
        "`postgresql+asyncpg://user:password@host/prefect`.",
    )
    shutdown_seconds: float = Field(
        30.0, ge=0, description="How long a running run may go on when the service stops; then it is cancelled."
    )

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        return split(value) if isinstance(value, str) else value

    @field_validator("alert_urls")
    @classmethod
    def _check_addresses(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for address in value:
            try:
                scheme_of(address.get_secret_value())
            except AddressUnreadable as error:
                raise ValueError(str(error)) from None
        return value

    @property
    def alert_addresses(self) -> tuple[str, ...]:
        return tuple(address.get_secret_value() for address in self.alert_urls)

    @field_validator("shelf_url")
    @classmethod
    def _require_for_roles(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None and info.data.get("role") in ("worker", "reader"):
            raise ValueError(f"ROLE={info.data['role']} needs the bucket that hosts share, e.g. s3://bucket/prefix")
        return url


_OF_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def export_prefect_settings() -> None:
    """Set Prefect's server address. Call before importing Prefect, which reads its settings then."""
    settings = get_settings()
    _require_way_to_data()
    _spare_this_machine_the_proxy()
    _ensure_home()
    os.environ.setdefault("PREFECT_API_URL", settings.prefect_api_url)
    # A profile in the user's home names the server, key, database or log level of another project. Ours has none.
    folder = get_ingestion_settings().data_dir.resolve() / "prefect"
    os.environ.setdefault("PREFECT_PROFILES_PATH", str(folder / "profiles.toml"))
    if settings.prefect_auth:
        paths = DataPaths(get_ingestion_settings().data_dir)
        os.environ.setdefault("PREFECT_API_AUTH_STRING", read_or_make(paths))
    if settings.prefect_api_url.startswith("http://"):
        # Prefect reads all the web's certificates for each client, 20 to 40 ms, and needs none here.
        os.environ.setdefault("PREFECT_API_SSL_CERT_FILE", str(ROOT / "orchestration" / "one_certificate.pem"))
    os.environ.setdefault("DO_NOT_TRACK", "1")  # no telemetry


def _require_way_to_data() -> None:
    """End with one line where nothing below can be read or written, because a folder above may not be entered."""
    folder = get_ingestion_settings().data_dir.resolve()
    try:
        folder.stat()
    except FileNotFoundError:
        return  # it is made later
    except OSError as error:
        sys.exit(f"error: {StorageFailed(error.errno, error.strerror or '', None, folder)}")


def _ensure_home() -> None:
    """Take the data folder as home where there is none, or one that may not be written: Prefect needs it."""
    try:
        is_usable = os.access(Path.home(), os.W_OK)
    except RuntimeError:  # no HOME, and a user that the system has no entry of
        is_usable = False
    if not is_usable:
        os.environ["HOME"] = str(get_ingestion_settings().data_dir.resolve())


def _spare_this_machine_the_proxy() -> None:
    """Reach addresses of this machine directly, whatever HTTP_PROXY says: here and in every process we start."""
    named = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if named.strip() == "*":  # no proxy at all
        return
    hosts = [host for host in (part.strip() for part in named.split(",")) if host]
    hosts += [host for host in _OF_THIS_MACHINE if host not in hosts]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(hosts)


@lru_cache(maxsize=1)
def get_settings() -> OrchestrationSettings:
    return read_settings(OrchestrationSettings)
