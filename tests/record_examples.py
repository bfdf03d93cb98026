"""Record api/schemas/examples.json from a running demo service: `python tests/record_examples.py ADDRESS`.

The service needs history: `make backfill` first, then a run.
"""

import json
import sys
from pathlib import Path
from typing import Any

import httpx

FILE = Path(__file__).resolve().parents[1] / "api" / "schemas" / "examples.json"
ADDRESSES = {
    "latest": "/warehouse/latest?place=Foix&fill=true&fields=temperature_c,wind_speed_kmh,pressure_hpa",
    "observations": "/warehouse/observations?station=09289001&fields=temperature_c,precipitation_mm"
    "&tz=Europe/Paris&limit=2",
    "period": "/warehouse/period?place=Foix&since=today&fields=precipitation_mm,temperature_c",
    "stations": "/warehouse/stations?limit=1",
    "station": "/warehouse/stations/09289001",
    "tables": "/warehouse/tables",
    "table": "/warehouse/tables/marts/hourly_observations?temperature_c__lt=0"
    "&select=station_id,observed_at,temperature_c&limit=1",
    "query": "/warehouse/query?sql=select department_code, round(avg(temperature_c), 1) as mean_c"
    " from marts.hourly_observations group by all order by all",
    "quality": "/quality",
    "normals": "/climate/09289001/normals?quantity=temperature_max_c",
    "records": "/climate/09289001/records?quantity=temperature_max_c",
    "history": "/climate/09289001/history?from=2024-07-01&to=2024-07-14",
    "normal": "/climate/normal?station=09289001&date=2024-07-14&quantity=temperature_max_c",
    "accumulated": "/climate/09289001/accumulate?quantity=rain&since=2024-04-01&until=2024-07-14",
    "dry_spells": "/climate/09289001/dry-spells?from=2024-01-01&to=2024-12-31&least_days=10",
    "frosts": "/climate/09289001/frosts?to=2025-06-30",
    "heat_waves": "/climate/09289001/heat-waves?over=28&to=2025-12-31",
    "cold_spells": "/climate/09289001/cold-spells?under=0&to=2025-12-31",
    "return_periods": "/climate/09289001/return-periods?quantity=tx",
    "coverage": "/archive/coverage?station=09289001&by=year",
}
_ITEMS = 2  # of each list: an example shows the shape, not the data


def record(service: httpx.Client) -> dict[str, Any]:
    """Ask every address. Raises ValueError when one does not answer, or when the service does not serve demo data."""
    snapshots = service.get("/warehouse/snapshots").raise_for_status().json()["data"]
    if not snapshots:
        raise ValueError("the service has no snapshot yet, nothing was written: start a run first")
    newest, before = snapshots[0]["id"], snapshots[min(1, len(snapshots) - 1)]["id"]
    addresses = ADDRESSES | {"diff": f"/warehouse/snapshots/{before}/diff/{newest}"}
    examples = {}
    for name, address in addresses.items():
        answer = service.get(address)
        if answer.is_error:
            raise ValueError(f"{address} answered {answer.status_code}, nothing was written: {answer.text}")
        recorded = answer.json()
        if name == "tables":
            recorded["data"] = [table for table in recorded["data"] if table["name"] == "hourly_observations"]
        examples[name] = _shortened(recorded)
    source = examples["latest"]["snapshot"]["source"]
    if source != "demo":
        raise ValueError(f"the service serves `{source}`, nothing was written: start it on demo data")
    return examples


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value[:_ITEMS]]
    return value


if __name__ == "__main__":
    with httpx.Client(base_url=sys.argv[1], timeout=60) as client:
        text = json.dumps(record(client), indent=1, ensure_ascii=False)
    FILE.write_text(text + "\n", encoding="utf-8")
