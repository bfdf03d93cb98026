"""The demo's open archive: files of hours (`H_…`), which are the demo's own weather in the archive's form."""

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from ingestion.demo.weather import load_stations, weather_query

FIRST_YEAR = 2020  # earlier decades would take a minute each to make
_VALIDATED_AFTER = 10  # days

# The archive's column, and its value from upstream's real-time fields: °C, hPa, cm, J/cm².
_VALUES = {
    "RR1": "printf('%.1f', greatest(rr1, 0))",
    "FF": "printf('%.1f', ff)",
    "DD": "dd::integer",
    "FXY": "printf('%.1f', fxy)",
    "DXY": "dxy::integer",
    "FXI3S": "printf('%.1f', raf)",
    "DXI3S": "ddraf::integer",
    "T": "printf('%.1f', t - 273.15)",
    "TD": "printf('%.1f', td - 273.15)",
    "TN": "printf('%.1f', tn - 273.15)",
    "TX": "printf('%.1f', tx - 273.15)",
    "U": "u::integer",
    "UN": "un::integer",
    "UX": "ux::integer",
    "PMER": "printf('%.1f', pmer / 100)",
    "PSTAT": "printf('%.1f', pres / 100)",
    "N": "n::integer",
    "VV": "vv::integer",
    "NEIGETOT": "(sss * 100)::integer",
    "GLO": "(ray_glo01 / 10000)::integer",
    "INS": "insolh::integer",
}


def hours_file(department: str, years: range, written_on: date) -> bytes:
    """Write one file of hours up to the day before; values of the last days are not validated yet."""
    start = datetime(years[0], 1, 1, tzinfo=UTC)
    end = min(datetime(years[-1] + 1, 1, 1, tzinfo=UTC), datetime(*written_on.timetuple()[:3], tzinfo=UTC))
    code = f"case when validity_time >= date '{written_on}' - {_VALIDATED_AFTER} then 9 else 1 end"
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"temp_directory": folder}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        load_stations(connection)
        hours = weather_query(start, end, department=department)
        values = ", ".join(
            f"{value} as {name}, case when {name} is not null then {code} end as Q{name}"
            for name, value in _VALUES.items()
        )
        target = Path(folder) / "hours.csv"
        connection.sql(
            f"""
            select
                stations.id_station as NUM_POSTE, nom_usuel as NOM_USUEL, printf('%.6f', latitude) as LAT,
                printf('%.6f', longitude) as LON, altitude::integer as ALTI,
                strftime(validity_time, '%Y%m%d%H') as AAAAMMJJHH, {values}
            from ({hours}) as hours
            join demo.stations as stations on hours.geo_id_insee = stations.id_station
            where validity_time >= date_ouverture
            order by NUM_POSTE, AAAAMMJJHH
            """
        ).write_csv(str(target), sep=";", header=True)
        return target.read_bytes()
