"""The data sets of the open archive, by name. A new one is one entry here."""

import re
from dataclasses import dataclass

from ingestion.archive.ledger import Dataset

_LISTINGS = "https://www.data.gouv.fr/api/2/datasets"


@dataclass(frozen=True)
class ArchiveDataset:
    """One kind of file: where it is listed and how its files are named."""

    name: Dataset
    listing: str  # address of the list of its files
    file_name: re.Pattern[str]  # groups: département, period


DAYS = ArchiveDataset(
    name="days",
    listing=f"{_LISTINGS}/6569b51ae64326786e4e8e1a/resources/",
    file_name=re.compile(r"^Q_(?P<department>\d+)_(?P<period>.+)_RR-T-Vent\.csv(\.gz)?$"),
)

OTHER_DAYS = ArchiveDataset(
    name="other_days",
    listing=DAYS.listing,
    file_name=re.compile(r"^Q_(?P<department>\d+)_(?P<period>.+)_autres-parametres\.csv(\.gz)?$"),
)

HOURS = ArchiveDataset(
    name="hours",
    listing=f"{_LISTINGS}/6569b4473bedf2e7abad3b72/resources/",
    file_name=re.compile(r"^H_(?P<department>\d+)_(?P<period>.+)\.csv(\.gz)?$"),
)

ARCHIVE_DATASETS: dict[str, ArchiveDataset] = {dataset.name: dataset for dataset in (DAYS, OTHER_DAYS, HOURS)}
