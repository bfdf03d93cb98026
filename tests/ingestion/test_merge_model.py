"""Any sequence of packets ends in what a few lines of plain Python say."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.landing import describe_payload, land_payload
from ingestion.load import load_payload
from ingestion.meteofrance.schema import V1_COLUMNS, V2_COLUMNS
from ingestion.raw_store import open_build_file

STATIONS = ["09289001", "09225001", "bad"]
HOURS = ["2026-11-23T03:00:00Z", "2026-11-23T04:00:00Z", "2026-11-23T04:30:00Z"]
TOLD = {V1_COLUMNS: ("t", "u", "dxi", "fxi"), V2_COLUMNS: ("t", "u", "ddraf", "raf")}

rows = st.fixed_dictionaries(
    {
        "geo_id_insee": st.sampled_from(STATIONS),
        "validity_time": st.sampled_from(HOURS),
        "insert_time": st.sampled_from(["", "2026-11-23T04:05:00Z", "2026-11-23T04:06:00Z"]),
        "t": st.sampled_from(["", "281.15", "282.15"]),
        "u": st.sampled_from(["80", "80.0", "81", "abc"]),
        **dict.fromkeys(("fxi", "raf"), st.sampled_from(["", "12.1"])),
    }
)
packets = st.lists(st.tuples(st.sampled_from([V1_COLUMNS, V2_COLUMNS]), st.lists(rows, max_size=8)), max_size=6)


def meaning(text):
    try:
        return float(text)
    except ValueError:
        return text


@dataclass
class Model:
    """What raw should hold: per key, the current values and how many versions there were."""

    current: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)

    def load(self, columns, packet):
        told = TOLD[columns]
        new = changed = unchanged = rejected = 0
        by_key = {}
        for position, row in enumerate(packet):
            if row["geo_id_insee"] == "bad" or not row["validity_time"].endswith(":00:00Z"):
                rejected += 1
            else:
                by_key.setdefault((row["geo_id_insee"], row["validity_time"]), []).append((position, row))
        for key, found in by_key.items():
            _, kept = max(found, key=lambda item: (item[1]["insert_time"], item[0]))
            values = {name: kept.get(name, "") for name in told}
            for other in (row for _, row in found if row is not kept):
                if all(meaning(other.get(name, "")) == meaning(values[name]) for name in told):
                    unchanged += 1
                else:
                    rejected += 1
            known = self.current.get(key)
            if known is None:
                new += 1
            elif all(meaning(known.get(name, "")) == meaning(value) for name, value in values.items()):
                unchanged += 1
                continue
            else:
                changed += 1
            self.current[key] = {**(known or {}), **values}
            self.versions[key] = self.versions.get(key, 0) + 1
        return new, changed, unchanged, rejected


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(packets)
def test_any_sequence_of_packets_gives_the_models_values_versions_and_counts(paths, as_csv, warehouse, sequence):
    model = Model()
    with open_build_file(paths, "demo") as connection:
        connection.execute("delete from raw.observations; delete from meta.rejected_rows; delete from meta.loads")
        for columns, packet in sequence:
            body = as_csv(packet, columns)
            landed = describe_payload(paths.landing / "demo", body, "paquet-horaire", "9", warehouse.now, "csv")
            land_payload(landed, body)
            result = load_payload(connection, landed, source="demo")
            counts = result.counts
            assert (counts.new, counts.changed, counts.unchanged, counts.rejected) == model.load(columns, packet)
            assert result.rows_seen == len(packet)
        found = connection.execute("""
            select
                geo_id_insee, strftime(observed_at, '%Y-%m-%dT%H:%M:%SZ'),
                {t: t, u: u, dxi: dxi, fxi: fxi, ddraf: ddraf, raf: raf},
                version
            from raw.observations
            qualify row_number() over (partition by geo_id_insee, observed_at order by version desc) = 1
        """).fetchall()
        total = connection.execute("select count(*) from raw.observations").fetchone()
        rejected = connection.execute("select count(*) from meta.rejected_rows").fetchone()
        logged = connection.execute("select coalesce(sum(rows_rejected), 0)::bigint from meta.loads").fetchone()
    assert {(station, hour): version for station, hour, _, version in found} == model.versions
    assert total == (sum(model.versions.values()),)
    assert rejected == logged
    for station, hour, values, _ in found:
        expected = {name: value for name, value in model.current[station, hour].items() if value}
        assert {name: value for name, value in values.items() if value} == expected
