"""Settings of the HTTP service, read from the environment and from `.env`."""

import re
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ingestion.settings import read_settings

# As browsers send it: lower case, without a path.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\sA-Z]+")
_PATH = re.compile(r"(/[\w.~-]+)*", re.ASCII)


def read_root_path(text: str) -> str:
    """Write a path with one slash before it and none behind it; empty for the root."""
    path = f"/{text.strip('/')}".rstrip("/")
    if not _PATH.fullmatch(path):
        raise ValueError("write a path such as /girouette: letters, digits and . _ ~ - between slashes")
    return path


class ApiSettings(BaseSettings):
    """Where the service listens, who may change things, how it logs."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    api_host: str = Field("127.0.0.1", description="Address `make run` listens on; `0.0.0.0` opens it to the network.")
    api_port: int = Field(8000, ge=1, le=65535, description="Port `make run` listens on.")
    root_path: Annotated[str, AfterValidator(read_root_path)] = Field(
        "",
        description="Path under which a reverse proxy shows the service, e.g. `/girouette`. Changes then need one of "
        "`API_KEYS`.",
    )
    api_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Keys that may change things, separated by commas; each plain, or `sha256:` and the key's "
        "SHA-256 in hex. Without any, changes are accepted from this user's programs only.",
    )
    watch_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Beginnings of the addresses that holders of a key may have watches notify, separated by commas, "
        "e.g. `ntfys://ntfy.sh/,mailtos://`; `*` for all. Without keys, this user's programs may use any.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origins whose pages may read in a browser, separated by commas, e.g. `http://localhost:8888` for "
        "a notebook; `*` for all. They can change nothing.",
    )
    rate_limit_changes: str = Field(
        "120/minute", description="Changes one client may ask for, e.g. `120/minute` or `10/second;200/hour`."
    )
    rate_limit_reads: str = Field(
        "6000/minute", description="Reads one client may ask for; clients on this machine are not counted."
    )
    body_kb: int = Field(1024, ge=1, description="Largest body of a request.")
    stall_seconds: float = Field(
        60.0, gt=0, description="How long a caller may send nothing of its body, or take nothing of its answer."
    )
    log_format: Literal["auto", "pretty", "json"] = Field(
        "auto", description="`auto` is pretty on a terminal and JSON otherwise."
    )

    @field_validator("api_keys", "watch_targets", "cors_origins", mode="before")
    @classmethod
    def _split_on_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse what no browser sends, which would never match."""
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"`{origin}` is no origin: write scheme, host and port, e.g. `http://localhost:8888`")
        return origins


@lru_cache(maxsize=1)
def get_settings() -> ApiSettings:
    """Read the settings once per process."""
    return read_settings(ApiSettings)
