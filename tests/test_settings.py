"""A wrong setting ends the program with one line that names it."""

import pytest
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from api.warehouse.settings import WarehouseSettings
from ingestion.settings import IngestionSettings, read_settings
from orchestration.settings import OrchestrationSettings


@pytest.mark.parametrize(
    ("kind", "name", "value", "words"),
    [
        (ApiSettings, "API_PORT", "abc", "API_PORT: Input should be a valid integer"),
        (
            IngestionSettings,
            "METEOFRANCE_SOURCE",
            "dmeo",
            "there is no source `dmeo`: take one of auto, demo, meteofrance",
        ),
        (IngestionSettings, "METEOFRANCE_URL", "no address", "METEOFRANCE_URL: Input should be a valid URL"),
        (OrchestrationSettings, "SNAPSHOTS_KEEP", "1", "SNAPSHOTS_KEEP: Input should be greater than or equal to 2"),
        (WarehouseSettings, "READ_SECONDS", "soon", "READ_SECONDS: Input should be a valid number"),
    ],
)
def test_a_wrong_setting_is_one_line(
    kind: type[BaseSettings], name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read_settings(kind)
    assert str(ended.value).startswith("error: ")
    assert words in str(ended.value)
    assert "\n" not in str(ended.value)
