"""Watches as the API shows them. An address goes in and never comes out."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from orchestration.watches.quiet import read_quiet_hours
from orchestration.watches.watches import Watch

WATCH_ID = "3f9c2a7be410"


class WatchIn(BaseModel):
    """Which stations, what to wait for, where to send the message."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {
                    "name": "Frost at the orchard",
                    "stations": ["ST GIRONS"],
                    "condition": "temperature_c < 0",
                    "hysteresis": 1,
                    "quiet": "22:00-06:00",
                    "tz": "Europe/Paris",
                    "notify": "ntfys://ntfy.sh/my-topic",
                }
            ]
        },
    )

    condition: str = Field(
        description="Column of `hourly_observations`, operator and number, or silence: `temperature_c < 0`, "
        "`precipitation_24h_mm >= 30`, `gust_ms > 25 for 2 h`, `silent 6 h`.",
        max_length=200,
    )
    notify: SecretStr = Field(
        description="Address as apprise writes it, e.g. `ntfys://ntfy.sh/my-topic`. Answers show only its scheme.",
        min_length=1,
        max_length=2_000,
    )
    stations: list[str] | None = Field(
        None, description="Stations by id or name; or `place`, or `dept`.", min_length=1, max_length=100
    )
    place: str | None = Field(
        None,
        description="A town: the nearest station that measures what is asked stands for it.",
        min_length=1,
        max_length=120,
    )
    dept: str | None = Field(None, description="One département by code or name, with all its stations.", max_length=60)
    name: str = Field("", description="What messages call it; by default, the condition.", max_length=80)
    hysteresis: float = Field(
        0.0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        description="How far back beyond the number the value must go until it is over, in the column's unit.",
    )
    quiet: str | None = Field(
        None, description="Hours in which nothing is sent, e.g. `22:00-07:00`; it is sent at their end.", max_length=11
    )
    tz: str = Field("UTC", description="Time zone of the quiet hours.", max_length=60)

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not name.isprintable():
            raise ValueError("write a name of printable characters on one line")
        return name.strip()

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if [self.stations, self.place, self.dept].count(None) != 2:
            raise ValueError("name `stations`, `place` or `dept`: one of them")
        if self.tz not in available_timezones():
            raise ValueError("`tz` is no time zone: write one such as Europe/Paris")
        if self.quiet is not None:
            read_quiet_hours(self.quiet, self.tz)
        return self


class WatchMessage(BaseModel):
    """One message of a watch, and whether it was taken."""

    kind: Literal["began", "over", "passed", "corrected"]
    title: str
    text: str
    at: datetime
    due: datetime
    sent_at: datetime | None = Field(description="When the address took it.")
    tries: int
    given_up_at: datetime | None = Field(description="After three days of tries.")


class WatchEvent(BaseModel):
    """What is going on."""

    began_at: datetime
    value: float
    station: str


class WatchOut(BaseModel):
    """A watch, what is going on, and what was sent when."""

    id: str = Field(examples=[WATCH_ID])
    name: str
    stations: list[str] | None = Field(description="Station ids; null for all those of `dept`.")
    place: str | None = Field(description="As asked; `stations` holds the one that stands for it.")
    dept: str | None
    condition: str
    hysteresis: float
    quiet: str | None
    tz: str
    notify: str = Field(description="The address's scheme; the rest is not shown.", examples=["ntfys://…"])
    made_at: datetime
    judged_snapshot: str | None
    event: WatchEvent | None = Field(None, description="The event that is on; null while there is none.")
    messages: list[WatchMessage] = Field(default_factory=list, description="The newest twenty, newest first.")

    @classmethod
    def of(cls, watch: Watch, event: sqlite3.Row | None = None, messages: Sequence[sqlite3.Row] = ()) -> Self:
        """Show a watch without its address."""
        return cls(
            id=watch.id,
            name=watch.name,
            stations=list(watch.stations) or None,
            place=watch.place,
            dept=watch.department,
            condition=watch.condition_text,
            hysteresis=watch.hysteresis,
            quiet=watch.quiet,
            tz=watch.timezone,
            notify=f"{watch.scheme}://…",
            made_at=watch.made_at,
            judged_snapshot=watch.judged_snapshot,
            event=WatchEvent(began_at=event["began_at"], value=event["began_value"], station=event["began_station"])
            if event is not None
            else None,
            messages=[
                WatchMessage(
                    kind=row["kind"],
                    title=row["title"],
                    text=row["body"],
                    at=row["made_at"],
                    due=row["due_at"],
                    sent_at=row["sent_at"],
                    tries=row["tries"],
                    given_up_at=row["given_up_at"],
                )
                for row in messages
            ],
        )


class WatchList(BaseModel):
    """Every watch, oldest first."""

    watches: list[WatchOut]


class WatchTest(BaseModel):
    """How a test message went."""

    delivered: bool
    message: str = Field(examples=["the address took the message"])
