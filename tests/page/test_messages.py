"""Every message has a French one, and no French one is without its message."""

from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from api.page.measures import AGAINST_NORMAL, DEPARTURE_BANDS, MEASURES
from api.page.messages import SPOKEN_BY_SCRIPTS

PAGE = files("api.page")


def spoken() -> Iterator[str]:
    options = {"trim_blocks": "true", "lstrip_blocks": "true"}
    for template in PAGE.joinpath("templates").iterdir():
        content = BytesIO(template.read_bytes())
        for _, message, _, _ in extract("jinja2.ext:babel_extract", content, options=options):
            yield message if isinstance(message, str) else message[0]
    yield from SPOKEN_BY_SCRIPTS
    yield from (measure.label for measure in (*MEASURES, AGAINST_NORMAL))
    yield from (band.name for band in DEPARTURE_BANDS)


def french() -> Catalog:
    return read_po(BytesIO(PAGE.joinpath("locales/fr.po").read_bytes()), locale="fr")


def test_every_message_is_translated_and_no_translation_is_left_over():
    translated = {m.id if isinstance(m.id, str) else m.id[0]: m for m in french() if m.id}
    assert set(translated) == set(spoken())
    assert [text for text, message in translated.items() if not message.string or message.fuzzy] == []


def test_translations_keep_the_placeholders():
    assert {message.id: list(message.check(french())) for message in french() if list(message.check(french()))} == {}


def test_what_scripts_say_is_handed_to_them():
    scripts = "".join(f.read_text() for f in PAGE.joinpath("static").iterdir() if f.name.endswith(".js"))
    templates = "".join(f.read_text() for f in PAGE.joinpath("templates").iterdir())
    assert [text for text in SPOKEN_BY_SCRIPTS if text not in scripts + templates] == []
