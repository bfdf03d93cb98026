"""axe-core over every view, light and dark: nothing serious."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.xdist_group("service")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_axe_finds_nothing_serious(visit: Callable, scheme: str):
    visitor = visit(color_scheme=scheme)
    found = []
    for path in (
        "/",
        "/?show=wind&lang=fr",
        "/page/station/09289001",
        "/page/watches",
        "/page/runs",
        "/page/quality",
        "/page/places?mine=09289001",
    ):
        page = visitor.open(path)
        if "station" in path:
            page.wait_for_selector("#charts[data-drawn]")
        violations = Axe().run(page).response["violations"]
        found += [
            (path, v["id"], v["impact"], v["nodes"][0]["html"][:200])
            for v in violations
            if v["impact"] in ("serious", "critical")
        ]
        page.close()
    assert found == []
