"""What the documents promise is there: settings, commands, tables."""

import re
from pathlib import Path

import pytest
import settings_table
import yaml

from benchmarks import figures

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [ROOT / "README.md", ROOT / "README.fr.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_settings_page_is_what_the_settings_say():
    assert settings_table.PAGE.read_text() == settings_table.page()  # `make docs-settings` writes it


def test_the_figures_are_those_of_the_results_file():
    assert figures.figures_of_page() == figures.figures()  # `make bench` writes them


def test_the_example_has_every_setting_with_its_default():
    lines = re.findall(r"^#([A-Z_]+)=(.*)", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert dict(lines) == settings_table.defaults()
    assert len(lines) == len(dict(lines))


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        target for guide in GUIDES for target in re.findall(r"`(?:DATA_DIR=\S+ )?make ([a-z-]+)", guide.read_text())
    }
    assert named <= targets


def test_the_containers_are_told_settings_that_exist():
    services = yaml.safe_load((ROOT / "docs" / "compose.yaml").read_text())["services"]
    assert set(services) == {"postgres", "s3", "prefect", "worker", "reader"}
    told = {name for service in ("prefect", "worker", "reader") for name in services[service]["environment"]}
    others = {name for name in told if not name.startswith(("AWS_", "PREFECT_API_AUTH_", "PREFECT_SERVER_API_AUTH_"))}
    assert others <= set(settings_table.defaults())
    recipe = services["worker"]["build"]["dockerfile_inline"].splitlines()
    copied = {name for line in recipe if line.startswith("COPY") for name in line.split()[1:-1]}
    assert {"requirements.lock", "api", "weather_dbt"} <= copied
    assert {name for name in copied if not (ROOT / name).exists()} == set()


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
