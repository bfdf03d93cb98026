"""Small files of official days and of hours, written by hand as upstream writes them."""

import gzip
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from ingestion.archive.load import Loaded, Origin, load_file
from ingestion.paths import DataPaths

HEADER = "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJ;RR;QRR;TN;QTN;HTN;QHTN;TX;QTX;HTX;QHTX;TM;QTM;TNTXM;QTNTXM"
HOURS_HEADER = (
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJHH;RR1;QRR1;FF;QFF;DD;QDD;FXI;QFXI;FXI3S;QFXI3S;HFXI3S;QHFXI3S;T;QT;"
    "TN;QTN;TX;QTX;U;QU;PMERMIN;QPMERMIN;N;QN;CL;QCL;B2;QB2;GLO;QGLO;NEIGETOT;QNEIGETOT"
)
OTHER_HEADER = (
    "NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJ;INST;QINST;GLOT;QGLOT;UM;QUM;PMERM;QPMERM;ETPMON;QETPMON;HNEIGEF;"
    "QHNEIGEF;BROU;QBROU"
)
Values = Mapping[str, object]


def row_of(day: date, station: str = "09289001", **values: object) -> dict[str, object]:
    about = {"NUM_POSTE": station, "NOM_USUEL": "ST GIRONS", "LAT": 43.005333, "LON": 1.106833, "ALTI": 414}
    codes = {f"Q{name}": 1 for name in values if not name.startswith("Q")}
    return {**about, "AAAAMMJJ": f"{day:%Y%m%d}", **codes, **values}


def text_of(rows: Sequence[Values], header: str = HEADER) -> bytes:
    names = header.split(";")
    lines = [header, *(";".join(str(row.get(name, "")) for name in names) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def days_of(first: date, count: int, station: str = "09289001", **values: object) -> list[dict[str, object]]:
    shown = values or {"RR": "0.0", "TN": "5.0", "TX": "15.0"}
    return [row_of(first + timedelta(days=n), station, **shown) for n in range(count)]


def hour_of(hour: str, station: str = "09289001", **values: object) -> dict[str, object]:
    """One row of an hourly file; `hour`, such as 2025-01-01T00, is in the file's own time."""
    moment = datetime.fromisoformat(hour)
    return {**row_of(moment.date(), station, **values), "AAAAMMJJHH": f"{moment:%Y%m%d%H}"}


def hours_of(first: str, count: int, station: str = "09289001", **values: object) -> list[dict[str, object]]:
    """Rows of an hourly file, one after another."""
    shown, start = values or {"RR1": "0.0", "T": "5.0"}, datetime.fromisoformat(first)
    return [hour_of((start + timedelta(hours=n)).isoformat(), station, **shown) for n in range(count)]


class Archive:
    """Files loaded one after another into one data directory."""

    def __init__(self, paths: DataPaths, folder: Path) -> None:
        self.paths, self.folder = paths, folder
        folder.mkdir(exist_ok=True)

    def load(self, name: str, body: bytes, modified: datetime, *, accept: bool = False) -> Loaded:
        file = self.folder / name
        file.write_bytes(gzip.compress(body, mtime=0) if name.endswith(".gz") else body)
        os.utime(file, (modified.timestamp(), modified.timestamp()))
        return load_file(self.paths, file, Origin(name, modified), "meteofrance", accept=accept)
