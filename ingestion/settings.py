"""Settings of the ingestion, read from the environment and from `.env`."""

import sys
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Settings = TypeVar("Settings", bound=BaseSettings)


class IngestionSettings(BaseSettings):
    """Where observations come from and where they land."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(Path("data"), description="Folder of everything written at run time.")
    depts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("9",), description="Départements of the hourly run, separated by commas; `all` for every one."
    )
    meteofrance_token: SecretStr | None = Field(
        None,
        description="Token of the DPPaquetObs v2 subscription. Without it, and without an application id, the demo "
        "source is used.",
    )
    meteofrance_application_id: SecretStr | None = Field(
        None,
        description="Application id of the portal, in place of a token: tokens are made from it and renewed.",
    )
    meteofrance_token_url: HttpUrl = Field(
        HttpUrl("https://portail-api.meteofrance.fr/token"), description="Where an application id is given tokens."
    )
    meteofrance_auth: Literal["apikey", "bearer"] = Field(
        "apikey", description="How the token is sent: the portal's API key, or a one-hour bearer token."
    )
    meteofrance_url: HttpUrl = Field(
        HttpUrl("https://public-api.meteofrance.fr/public/DPPaquetObs"),
        description="Base address up to and without the version; a local server can stand in.",
    )
    meteofrance_source: str = Field(
        "auto",
        description="`meteofrance`, `demo`, or a source of your own. `auto` takes Météo-France when there is a token, "
        "the demo source otherwise.",
    )
    requests_per_minute: int = Field(50, ge=1, le=600, description="Météo-France's quota for one token.")
    connect_timeout_seconds: float = Field(5.0, gt=0, description="Longest wait for a connection.")
    read_timeout_seconds: float = Field(30.0, gt=0, description="Longest silence inside an answer.")
    max_attempts: int = Field(5, ge=1, le=20, description="Tries of one request before it is given up.")

    @field_validator("depts", mode="before")
    @classmethod
    def _split_on_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("meteofrance_source")
    @classmethod
    def _refuse_unknown_source(cls, value: str) -> str:
        known = ["auto", *sorted(file.parent.name for file in Path(__file__).parent.glob("*/source.py"))]
        if value not in known:
            raise ValueError(f"there is no source `{value}`: take one of {', '.join(known)}")
        return value

    @property
    def source(self) -> str:
        """The source really used, once `auto` is decided."""
        if self.meteofrance_source != "auto":
            return self.meteofrance_source
        return "meteofrance" if self.meteofrance_token or self.meteofrance_application_id else "demo"


def read_settings(kind: type[Settings]) -> Settings:
    """Read settings from the environment and `.env`. A wrong one ends the program with one line."""
    try:
        return kind()
    except ValidationError as error:
        wrong = "; ".join(
            f"{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        sys.exit(f"error: {wrong}: correct it in the environment or in .env (docs/settings.md)")


@lru_cache(maxsize=1)
def get_settings() -> IngestionSettings:
    """Read the settings once per process."""
    return read_settings(IngestionSettings)
