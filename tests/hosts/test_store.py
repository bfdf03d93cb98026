import ast
from pathlib import Path

import pytest
from seaweed import without_conditions

from orchestration.errors import ShelfAway, ShelfUnusable
from orchestration.shelf import store
from orchestration.shelf.store import Conflict, open_store

pytestmark = pytest.mark.xdist_group("hosts")


def test_of_two_writers_of_one_version_one_wins(shelf_url):
    opened = open_store(shelf_url)
    opened.check_conditions()
    first = opened.write("served.json", b"1", None)
    with pytest.raises(Conflict):
        opened.write("served.json", b"2", None)
    second = opened.write("served.json", b"2", first)
    with pytest.raises(Conflict):
        opened.write("served.json", b"3", first)
    assert opened.read("served.json").content == b"2"
    assert opened.read("served.json", unless=second) is None
    assert opened.keys("check/") == {}


def test_a_store_that_ignores_conditions_is_refused(seaweed, shelf_url, monkeypatch):
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")  # the conditions are signed: a gateway signs for itself
    open_store("s3://open/prefix").check_conditions()  # the same bucket, without the gateway
    open_store.cache_clear()
    with without_conditions(seaweed.endpoint) as gateway:
        monkeypatch.setenv("AWS_ENDPOINT_URL", gateway)
        opened = open_store("s3://open/prefix")
        with pytest.raises(ShelfUnusable) as refused:
            opened.check_conditions()
        assert "s3://open/prefix ignores the condition If-None-Match, and nothing was changed" in str(refused.value)
        assert "\n" not in str(refused.value)
    open_store.cache_clear()


def test_errors_of_the_store_are_one_line(shelf_url, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    open_store.cache_clear()
    with pytest.raises(ShelfAway, match="403") as refused:
        open_store(shelf_url).read("served.json")
    assert "\n" not in str(refused.value)
    open_store.cache_clear()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("bucket/prefix", "names no bucket, and nothing was changed there: write it as s3://bucket/prefix"),
        ("s3:///prefix", "names no bucket"),
        ("file:///somewhere", "names no bucket"),  # a folder knows no conditions
    ],
)
def test_an_address_without_a_bucket_is_refused(url, words):
    pytest.importorskip("obstore")
    with pytest.raises(ShelfUnusable, match=words):
        open_store(url)


def test_only_this_module_knows_obstore_and_only_when_it_is_used():
    root = Path(store.__file__).parents[2]
    importing = []
    for file in (path for tree in ("api", "ingestion", "orchestration") for path in (root / tree).rglob("*.py")):
        if "obstore" in (text := file.read_text()):
            importing.append(file)
            at_the_top = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
            assert "obstore" not in "".join(ast.unparse(node) for node in at_the_top)
    assert importing == [Path(store.__file__)]
