"""The templates: escaped by default, translated, and with addresses that keep the page's state."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from api.address import at
from api.page.assets import asset_url
from api.page.chart_bundle import BUNDLE_NAME
from api.page.messages import LANGUAGES, SPOKEN_BY_SCRIPTS, translations_of
from api.page.mine import read_places
from api.page.reader import ZONES, Reader

_KEPT = ("lang", "tz", "mine")  # what every link carries on


def render(template: str, reader: Reader, context: Mapping[str, Any]) -> str:
    """Fill a template for a reader."""
    request: Request = context["request"]
    asked: dict[str, str] = {**request.query_params, **context.get("asked_now", {})}
    kept = {name: asked[name] for name in _KEPT if asked.get(name)}

    def here(**changes: str | None) -> str:
        """The same view with some of its state changed."""
        return _address(at(request.url.path), {**asked, **changes})

    def to(path: str, **parameters: str | None) -> str:
        """Another view, in the same language and zone."""
        return _address(at(path), {**kept, **parameters})

    words = {text: reader.gettext(text) for text in SPOKEN_BY_SCRIPTS}
    mine = read_places(asked.get("mine"))
    here_and_to = {"here": here, "to": to, "asked": asked, "kept": kept, "words": words, "mine": mine}
    return _environment(reader.language).get_template(template).render(**context, **here_and_to)


@lru_cache(maxsize=len(LANGUAGES))
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("api.page"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(translations_of(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {
        "asset": asset_url, "at": at,
        "bundle": BUNDLE_NAME, "languages": {"en": "English", "fr": "Français"}, "zones": ZONES,
    }  # fmt: skip
    return environment


def _address(path: str, parameters: Mapping[str, str | None]) -> str:
    query = urlencode({name: value for name, value in parameters.items() if value})
    return f"{path}?{query}" if query else path
