"""A packet's text taken apart into columns and rows, and put together again, so that faults can spoil it."""

import json
from dataclasses import dataclass
from typing import Any

from ingestion.demo.packet import PacketFormat

Cell = str | float | None


@dataclass
class PacketRows:
    """Columns and rows of a packet; in CSV every cell is text."""

    columns: list[Cell]
    rows: list[list[Cell]]

    @property
    def lines(self) -> list[list[Cell]]:
        """The columns' names, then the rows."""
        return [self.columns, *self.rows]

    def position(self, column: str) -> int:
        """Where the column stands."""
        return self.columns.index(column)


def split_packet(text: str, packet_format: PacketFormat) -> PacketRows:
    """Take a packet apart; a feature's position becomes the columns `lat` and `lon`."""
    if packet_format == "csv":
        header, *lines = text.splitlines()
        return PacketRows([*header.split(";")], [[*line.split(";")] for line in lines])
    parsed = json.loads(text)
    records = parsed if packet_format == "json" else [_flat(feature) for feature in parsed["features"]]
    return PacketRows(list(records[0]) if records else [], [list(record.values()) for record in records])


def join_packet(packet: PacketRows, packet_format: PacketFormat) -> str:
    """Write the packet as the format has it, rows of the wrong length included."""
    if packet_format == "csv":
        return "".join(f"{';'.join(map(str, line))}\n" for line in packet.lines)
    names = [str(column) for column in packet.columns]
    records = [dict(zip(names, row, strict=False)) for row in packet.rows]
    if packet_format == "json":
        return json.dumps(records)
    return json.dumps({"type": "FeatureCollection", "features": [_feature(record) for record in records]})


def _flat(feature: dict[str, Any]) -> dict[str, Cell]:
    longitude, latitude = feature["geometry"]["coordinates"]
    return {"lat": latitude, "lon": longitude, **feature["properties"]}


def _feature(record: dict[str, Cell]) -> dict[str, object]:
    properties = {column: cell for column, cell in record.items() if column not in ("lat", "lon")}
    coordinates = [record.get("lon"), record.get("lat")]
    geometry = {"type": "Point", "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
