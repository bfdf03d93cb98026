"""The data sets of the open archive, by name. A new one is one entry here."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from ingestion.archive.load import Loaded, load_days

_LISTINGS = "https://www.data.gouv.fr/api/2/datasets"


@dataclass(frozen=True)
class ArchiveDataset:
    """One kind of file: where it is listed, how its files are named and how one is loaded."""

    name: str
    listing: str  # address of the list of its files
    file_name: re.Pattern[str]  # groups: département, period
    load: Callable[..., Loaded]


DAYS = ArchiveDataset(
    name="days",
    listing=f"{_LISTINGS}/6569b51ae64326786e4e8e1a/resources/",
    file_name=re.compile(r"^Q_(?P<department>\d+)_(?P<period>.+)_RR-T-Vent\.csv(\.gz)?$"),
    load=load_days,
)

ARCHIVE_DATASETS = {dataset.name: dataset for dataset in (DAYS,)}
