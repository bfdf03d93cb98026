"""Write docs/settings.md from the settings classes: `make docs-settings`."""

from pathlib import Path

from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from api.warehouse.settings import WarehouseSettings
from ingestion.settings import IngestionSettings
from orchestration.settings import OrchestrationSettings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "settings.md"
GROUPS: dict[str, type[BaseSettings]] = {
    "Ingestion": IngestionSettings,
    "Runs and snapshots": OrchestrationSettings,
    "Service": ApiSettings,
    "Limits of reading": WarehouseSettings,
}
INTRODUCTION = """\
# Settings

Every setting has a default. Set it in the environment, or in `.env` (`cp .env.example .env`). The environment wins.
The service reads its settings once, when it starts.

`make docs-settings` writes this page from the settings classes. A test fails when the two differ.
"""


def defaults() -> dict[str, str]:
    """Each setting with its default, written as in `.env`."""
    return {
        name.upper(): _as_in_env(field.default)
        for group in GROUPS.values()
        for name, field in group.model_fields.items()
    }


def page() -> str:
    values = defaults()
    parts = [INTRODUCTION]
    for title, group in GROUPS.items():
        parts.append(f"\n## {title}\n\n| setting | default | meaning |\n|---|---|---|\n")
        for name, field in group.model_fields.items():
            default = f"`{values[name.upper()]}`" if values[name.upper()] else "none"
            parts.append(f"| `{name.upper()}` | {default} | {field.description} |\n")
    return "".join(parts)


def _as_in_env(default: object) -> str:
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        return f"./{default.relative_to(ROOT)}"
    return str(default)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
