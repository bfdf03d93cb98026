"""The address that people are told."""

import sys

import pytest

from api import settings
from api.address import address, at


@pytest.mark.parametrize(
    ("host", "told"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://localhost:8123"),
        ("::", "http://localhost:8123"),
        ("::1", "http://[::1]:8123"),
    ],
)
def test_the_address_is_one_to_click_on(monkeypatch: pytest.MonkeyPatch, host: str, told: str):
    for program, arguments in [("api/__main__.py", []), ("bin/uvicorn", ["--port", "8123", "--host", host])]:
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        monkeypatch.setenv("API_HOST", host)
        monkeypatch.setenv("API_PORT", "8123")
        settings.get_settings.cache_clear()
        assert address() == told


def test_links_carry_the_path_that_uvicorn_was_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROOT_PATH", "/ours")
    settings.get_settings.cache_clear()
    monkeypatch.setattr(sys, "argv", ["api/__main__.py"])
    assert at("/runs") == "/ours/runs"
    monkeypatch.setattr(sys, "argv", ["bin/uvicorn", "api.main:app", "--root-path", "/girouette"])
    assert at("/runs") == "/girouette/runs"
