"""One person's browser, which remembers what went wrong and where it asked."""

from typing import Any

from playwright.sync_api import Browser, Page
from running_service import RunningService


class Visit:
    """One person's browser: opens pages, and remembers what went wrong and where it asked."""

    def __init__(self, browser: Browser, service: RunningService, **options: Any) -> None:
        self.origin = f"http://127.0.0.1:{service.port}"
        settings = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"} | options
        self.context = browser.new_context(base_url=self.origin, **settings)
        self.context.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.foreign: list[str] = []

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._look(request.url))
        page.goto(path)
        page.wait_for_selector("body[data-ready]")
        return page

    def _note(self, kind: str, text: str) -> None:
        # A browser reports every 401 as an error; the page asks for the key then.
        if kind in ("error", "warning") and "401 (Unauthorized)" not in text:
            self.complaints.append(text)

    def _look(self, url: str) -> None:
        if not url.startswith((self.origin, "data:", "blob:")):
            self.foreign.append(url)
