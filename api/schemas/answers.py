"""What the read addresses answer, with real examples, for the OpenAPI document."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.errors import problem_responses
from api.schemas.examples import SNAPSHOT, example
from api.warehouse.answer.formats import Format


class SnapshotFacts(BaseModel):
    """The snapshot an answer comes from."""

    model_config = ConfigDict(json_schema_extra={"examples": [SNAPSHOT]})

    id: str
    published_at: str = Field(description="ISO 8601, UTC.")
    run_id: str | None = Field(description="The run that published it; see /runs/{id}.")
    source: str = Field(description="`meteofrance`, `demo` (invented weather), or a source of your own.")
    newest_observation: str | None = Field(description="Hour of the newest observation, UTC.")
    attribution: str = Field(description="To show wherever the data is shown.")


class Answer(BaseModel):
    """What every JSON answer has."""

    snapshot: SnapshotFacts
    next: str | None = Field(None, description="Cursor of the following page; null on the last.")


class RowsAnswer(Answer):
    """Rows: one object each, NULL is null, times are ISO 8601 with their offset."""

    data: list[dict[str, Any]]


class FilledFrom(BaseModel):
    """The station a missing field was taken from."""

    station_id: str
    station_name: str | None
    distance_km: float
    higher_m: float | None = Field(None, description="Metres above the place, or above the station it fills.")


class PlaceMeant(BaseModel):
    """What was understood by a place's name."""

    name: str
    department_code: str | None
    insee_code: str | None = None
    latitude: float
    longitude: float
    altitude_m: float | None = Field(description="Null where it is not known; `altitude` gives it.")
    doubt: str | None = Field(description="Which other places bear the name.")


class StandingStation(BaseModel):
    """The station that stands for a place."""

    station_id: str
    station_name: str | None
    distance_km: float
    altitude_m: float | None = None
    higher_m: float | None = Field(None, description="Metres above the place.")


class ObservationsAnswer(RowsAnswer):
    """Observations."""

    place: PlaceMeant | None = Field(None, description="With `place`.")
    station: StandingStation | None = Field(None, description="With `place`: the station that stands for it.")

    message: str | None = Field(None, description="Which of the stations asked for have no row, and why.")


class StationsAnswer(RowsAnswer):
    """Stations."""

    place: PlaceMeant | None = Field(None, description="With `place`.")


class LatestAnswer(ObservationsAnswer):
    """Latest observations."""

    filled_from: dict[str, FilledFrom] | None = Field(None, description="With `fill`: field to station.")


class PeriodMeant(BaseModel):
    """What was understood by `since` and `until`."""

    since: str = Field(description="ISO 8601, UTC; its own hour is not in the period.")
    until: str = Field(description="ISO 8601, UTC; the newest hour of the snapshot at the latest.")
    tz: str = Field(description="The clock of its days.")
    hours: int = Field(description="Hours that there should be.")


class PeriodRow(BaseModel):
    """One quantity at one station."""

    quantity: str
    station_id: str
    station_name: str | None
    department_code: str | None
    distance_km: float | None = Field(description="From the place.")
    altitude_m: float | None
    higher_m: float | None = Field(description="Metres above the place, where both altitudes are known.")
    hours_there: int
    hours_missing: int
    sum: float | None = Field(description="Of rain, sunshine and radiation; null while an hour is missing.")
    sum_there: float | None = Field(description="Sum of the hours there.")
    mean: float | None = Field(description="Of the readings there; not of sums and gusts.")
    min: float | None
    min_at: str | None
    max: float | None = Field(description="Null where gusts of both kinds are in the period.")
    max_at: str | None = Field(description="The first hour that has it.")
    last: float | None = Field(description="The newest reading of the period.")
    last_at: str | None
    over: float | None = Field(description="The threshold: this much or more.")
    hours_over: int | None
    days_over: int | None = Field(description="Days, or nights with `days=night`.")
    days_over_unsure: int | None = Field(description="Days of which missing hours keep the answer.")
    last_over_at: str | None = Field(description="Last hour with this much or more: since then there was none.")
    hours_missing_after: int | None = Field(description="Hours missing after last_over_at.")
    under: float | None = Field(description="The threshold: this much or less.")
    hours_under: int | None
    days_under: int | None
    days_under_unsure: int | None


class PeriodPlace(BaseModel):
    """The place or point asked about."""

    name: str | None = None
    department_code: str | None = None
    insee_code: str | None = None
    latitude: float
    longitude: float
    altitude_m: float | None
    doubt: str | None = Field(None, description="Which other places bear the name.")


class PeriodAnswer(Answer):
    """A free period."""

    data: list[PeriodRow]
    place: PeriodPlace | None = None
    period: PeriodMeant
    message: str | None = Field(None, description="Which quantities no station has; where the hours begin later.")


class ColumnAnswer(BaseModel):
    """One column."""

    name: str
    type: str = Field(description="DuckDB's type.")
    nullable: bool
    description: str | None
    tests: list[str] = Field(description="dbt tests, and constraints enforced while it was written.")


class TableAnswer(BaseModel):
    """One table or view."""

    model_config = ConfigDict(populate_by_name=True)

    schema_name: str = Field(alias="schema")
    name: str
    kind: str = Field(description="`table` or `view`.")
    description: str | None
    rows: int | None = Field(description="Null for a view in the list of all.")
    tests: list[str]
    columns: list[ColumnAnswer]
    href: str


class TablesAnswer(Answer):
    """Every table and view."""

    data: list[TableAnswer]


class TableRowsAnswer(RowsAnswer):
    """Rows of one table, and what it is."""

    table: TableAnswer


class DocumentAnswer(Answer):
    """An answer that is one object."""

    data: dict[str, Any]


class OtherNumber(BaseModel):
    """A number that a post had before or has since. The rows of both are never joined."""

    station_id: str
    until: str | None = Field(None, description="Last day of a former number.")
    since: str | None = Field(None, description="First day of a new number.")


class ClimateAnswer(RowsAnswer):
    """Rows of a station's history."""

    rule: str | None = Field(None, description="Which years and months count.")
    also_known_as: list[OtherNumber] | None = Field(None, description="Other numbers of a post that was renumbered.")
    message: str | None = Field(None, description="Why there is no row.")


class NormalsAnswer(ClimateAnswer):
    """Normals, and when a value counts."""

    period: str


class AccumulatedAnswer(ClimateAnswer):
    """A sum since a day, and how it was made."""

    quantity: str
    unit: str
    base: float | None = Field(description="°C.")
    method: str
    days_by_method: dict[str, int] | None = Field(None, description="Of `et0`: days of each method.")


class ReturnPeriodsAnswer(ClimateAnswer):
    """Return levels, and how they were computed."""

    method: str


class NormalAnswer(Answer):
    """One station's value against its normal, or a row for each station."""

    data: dict[str, Any] | list[dict[str, Any]]
    also_known_as: list[OtherNumber] | None = Field(None, description="Other numbers of a post that was renumbered.")
    message: str | None = Field(None, description="Why there is no row.")


class QueryColumn(BaseModel):
    """One column of a query's answer."""

    name: str
    type: str


class QueryAnswer(RowsAnswer):
    """Rows of a query."""

    columns: list[QueryColumn]
    truncated: bool = Field(description="Whether there were more rows than the limit.")
    seconds: float


_PROBLEMS = {
    404: "No such station, table or column",
    406: "Not in this format",
    410: "The snapshot named is not kept any more",
    422: "A parameter cannot be read",
    429: "The client's rate limit is used up",
    503: "Nothing published yet, or too many reads at once",
    504: "Stopped at the time limit",
}

LATEST = (LatestAnswer, "latest")
OBSERVATIONS = (ObservationsAnswer, "observations")
PERIOD = (PeriodAnswer, "period")
STATIONS = (StationsAnswer, "stations")
STATION = (DocumentAnswer, "station")
TABLES = (TablesAnswer, "tables")
TABLE = (TableRowsAnswer, "table")
QUERY = (QueryAnswer, "query")
QUALITY = (DocumentAnswer, "quality")
DIFF = (DocumentAnswer, "diff")
NORMALS = (NormalsAnswer, "normals")
RECORDS = (ClimateAnswer, "records")
HISTORY = (ClimateAnswer, "history")
ACCUMULATED = (AccumulatedAnswer, "accumulated")
DRY_SPELLS = (ClimateAnswer, "dry_spells")
FROSTS = (ClimateAnswer, "frosts")
HEAT_WAVES = (ClimateAnswer, "heat_waves")
COLD_SPELLS = (ClimateAnswer, "cold_spells")
RETURN_PERIODS = (ReturnPeriodsAnswer, "return_periods")
NORMAL = (NormalAnswer, "normal")
COVERAGE = (ClimateAnswer, "coverage")


def problem(status: int, description: str | None = None) -> dict[int | str, dict[str, Any]]:
    """One documented problem."""
    return {status: problem_responses(status)[status] | {"description": description or _PROBLEMS[status]}}


def read_responses(
    answer: tuple[type[BaseModel], str], offered: Sequence[Format], problems: Sequence[int] = tuple(_PROBLEMS)
) -> dict[int | str, dict[str, Any]]:
    """Everything a read may answer: its formats with an example, 304, and the problems."""
    model, name = answer
    content: dict[str, Any] = {known.media_type: {} for known in offered}
    content["application/json"] = {"example": example(name)}
    responses: dict[int | str, dict[str, Any]] = {
        200: {"model": model, "description": "The answer", "content": content},
        206: {"description": "The range of it asked for; only of answers with an ETag"},
        304: {"description": "Unchanged since the ETag sent in If-None-Match"},
    }
    for status in problems:
        responses |= problem(status)
    return responses
