"""Vega, Vega-Lite and Embed as one script, written by vl-convert into the data directory's cache.

vl-convert carries them inside a JavaScript engine of 100 MB: it runs once, in a process of its own, and leaves a file.
"""

import hashlib
import logging
import os
import subprocess
import sys
import threading
import zlib
from importlib.metadata import version
from pathlib import Path

log = logging.getLogger("girouette.page")

BUNDLE_NAME = "vega.js"
# What decides the file's content: the package, and which of its libraries are wanted.
_SNIPPET = "window.vegaEmbed = vegaEmbed;"
RECIPE = hashlib.blake2b(f"{version('vl-convert-python')} {_SNIPPET}".encode(), digest_size=8).hexdigest()

_SECONDS = 120
_making = threading.Lock()


def ensure_bundle(folder: Path) -> Path:
    """Give the gzipped script's file; the first request makes it, in about two seconds."""
    file = folder / f"charts-{RECIPE}.js.gz"
    with _making:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            command = [sys.executable, "-m", "api.page.chart_bundle", str(file)]
            root = Path(__file__).resolve().parents[2]
            # Ctrl-C is for the service; this one has only seconds to go.
            subprocess.run(command, cwd=root, check=True, timeout=_SECONDS, process_group=0)  # noqa: S603 - our own module
    return file


def try_bundle(folder: Path) -> None:
    """Make the file if it is missing; a failure is logged here and met again by who asks for it."""
    try:
        ensure_bundle(folder)
    except (OSError, subprocess.SubprocessError):
        log.warning("the chart program could not be written to %s; stations are shown without curves", folder)


def _write(file: Path) -> None:
    import vl_convert  # only in the process that ends after it

    script = vl_convert.javascript_bundle(_SNIPPET)
    partial = file.with_suffix(f".{os.getpid()}")
    partial.write_bytes(zlib.compress(script.encode(), 9, wbits=31))
    partial.replace(file)


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
