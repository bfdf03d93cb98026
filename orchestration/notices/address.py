"""Addresses of people to tell, as apprise writes them: `mailtos://…`, `ntfys://…`, `json://…`. They are secrets."""

import logging
import re
from collections.abc import Sequence

from orchestration.errors import AddressNotAllowed, AddressUnreadable

log = logging.getLogger("girouette.notices")

# One message to one address.
SECONDS = 10

_SCHEME = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]{0,30})://\S+", re.ASCII)
_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z0-9][A-Za-z0-9+.-]*://)")
# They show the message on this machine, or write it into its log.
_OF_THIS_MACHINE = frozenset({"dbus", "glib", "gnome", "growl", "kde", "macosx", "qt", "syslog", "windows"})


def split(text: str) -> tuple[str, ...]:
    """Split addresses at spaces, and at commas before a scheme: an address may hold commas."""
    return tuple(part.strip(" ,\t\r\n") for part in _BETWEEN.split(text) if part.strip(" ,\t\r\n"))


def scheme_of(address: str) -> str:
    """Give the part of an address that may be shown. Raises AddressUnreadable."""
    found = _SCHEME.fullmatch(address.strip())
    if found is None:
        raise AddressUnreadable
    return found[1].lower()


def check_address(address: str, allowed: Sequence[str] | None) -> str:
    """Give an address's scheme; raise AddressUnreadable or AddressNotAllowed. `allowed`: beginnings, None for all."""
    scheme = scheme_of(address)
    import apprise  # it takes 0.1 s and 10 MB, which most processes do not need

    _say_no_secrets()
    try:
        target = apprise.Apprise.instantiate(address.strip(), asset=apprise.AppriseAsset(http_redirects=False))
    except Exception as error:
        raise AddressUnreadable from error
    if target is None or scheme in _OF_THIS_MACHINE:
        raise AddressUnreadable
    if allowed is not None and not any(_begins_with(address.strip(), start) for start in allowed):
        raise AddressNotAllowed(scheme)
    return scheme


def _begins_with(address: str, start: str) -> bool:
    """Whether an address lies under a beginning: `ntfys://ntfy.sh` covers `/topic` and no `ntfy.sh.example`."""
    if start == "*":
        return True
    if not address.lower().startswith(start.lower()):
        return False
    return start.endswith("/") or address[len(start) : len(start) + 1] in ("", "/", "?")


def deliver(address: str, title: str, body: str) -> bool:
    """Send one message; whether it was taken. Never raises, as a person's address must not stop a run."""
    import apprise

    _say_no_secrets()
    asset = apprise.AppriseAsset(app_id="Girouette", app_desc="Girouette", http_redirects=False)
    try:
        # One address: `add` would split a text with commas into several.
        target = apprise.Apprise.instantiate(address, asset=asset)
        sender = apprise.Apprise(asset=asset)
        return target is not None and sender.add(target) and bool(sender.notify(body, title, timeout=SECONDS))
    except Exception as error:
        log.warning("apprise failed: %s", type(error).__name__)  # its text may hold the address
        return False


def _say_no_secrets() -> None:
    # apprise's warnings name hosts, its debug lines and urllib3's whole addresses.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
