"""What the documents promise is there: settings, commands, tables."""

import re
from pathlib import Path

import pytest

from api.settings import ApiSettings
from api.warehouse.settings import WarehouseSettings
from ingestion.settings import IngestionSettings
from orchestration.settings import OrchestrationSettings

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [ROOT / "README.md", ROOT / "README.fr.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = [
    name.upper()
    for settings in (IngestionSettings, OrchestrationSettings, ApiSettings, WarehouseSettings)
    for name in settings.model_fields
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_explained_and_in_the_example(setting: str):
    assert any(f"`{setting}`" in guide.read_text() for guide in GUIDES)
    assert re.search(rf"^#{setting}=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_example_names_no_setting_that_does_not_exist():
    assert set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)) == set(SETTINGS)


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for guide in GUIDES for target in re.findall(r"`(?:DATA_DIR=\S+ )?make ([a-z-]+)", guide.read_text())
    }
    assert named <= targets


def test_every_mart_is_in_the_readme():
    marts = {model.stem for model in (ROOT / "weather_dbt" / "models" / "marts").glob("*.sql")}
    assert {mart for mart in marts if f"`marts.{mart}`" in (ROOT / "README.md").read_text()} == marts


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_between_documents_lead_somewhere(guide: Path):
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", guide.read_text())
    assert [link for link in links if not (guide.parent / link).exists()] == []


def test_the_french_readme_says_the_same():
    english, french = ((ROOT / name).read_text() for name in ("README.md", "README.fr.md"))
    for same in (
        r"^(?:\.venv|make|curl|echo|DATA_DIR)[^#\n]*",
        r"^(#+) ",
        r"^\| (`[^|]*)\|",
        r"!\[[^]]*\]\(([^)]*)\)",
        r"https?://\S+",
    ):
        assert re.findall(same, english, re.MULTILINE) == re.findall(same, french, re.MULTILINE)
    assert english.count("\n|") == french.count("\n|")
