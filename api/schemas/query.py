"""What callers of /warehouse/query send."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.schemas.reads import RowsQuery
from api.warehouse.answer.columns import known_zone
from api.warehouse.answer.formats import FormatName
from api.warehouse.sql.guard import LONGEST_SQL

_SQL = "select department_code, round(avg(temperature_c), 1) as mean_c from marts.latest_observations group by all"

Scalar = bool | int | float | str | None


class QueryParameters(RowsQuery):
    """Parameters of GET /warehouse/query."""

    sql: str = Field(min_length=1, max_length=LONGEST_SQL, description="One SELECT.", examples=[_SQL])
    param: list[str] = Field([], max_length=200, description="Values of `?` in order, as text; repeats.")
    limit: int | None = Field(None, ge=1, description="Most rows; there may be more if `truncated`.")


class QueryBody(BaseModel):
    """Body of POST /warehouse/query."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"sql": _SQL},
                {
                    "sql": "select * from marts.hourly_observations where station_id = $station and gust_ms > $gust",
                    "params": {"station": "09289001", "gust": 10},
                    "limit": 100,
                },
            ]
        },
    )

    sql: str = Field(min_length=1, max_length=LONGEST_SQL, description="One SELECT.")
    params: Annotated[list[Scalar], Field(max_length=200)] | dict[str, Scalar] = Field(
        [], description="Values to bind: a list for `?` and `$1`, an object for `$name`."
    )
    limit: int | None = Field(None, ge=1, description="Most rows; there may be more if `truncated`.")
    snapshot: str | None = Field(None, max_length=80, description="A kept snapshot; the served one without it.")
    format: FormatName | None = Field(None, description="Format of the answer; without it, `Accept` decides.")
    tz: Annotated[str, AfterValidator(known_zone)] = Field("UTC", description="Time zone of the times in the answer.")
