"""A back-fill's progress on a terminal: a bar below its lines. Elsewhere the lines alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ingestion.archive.backfill import Say, Tell
from ingestion.archive.progress import Progress


@dataclass(frozen=True)
class Shown:
    say: Say
    tell: Tell


def say(line: str) -> None:
    """Print one line at once."""
    print(line, flush=True)  # noqa: T201 - this is the command line's voice


@contextmanager
def shown_progress() -> Iterator[Shown]:
    """Show lines and progress until the end of the block."""
    if not sys.stdout.isatty():
        yield Shown(say, _nothing)
        return
    # Late: importing them takes a tenth of a second, which only a terminal needs.
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(highlight=False)
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading the listing", total=None)

        def tell(progress: Progress) -> None:
            bar.update(task, total=1.0, completed=progress.share, description=str(progress))

        def say_above(line: str) -> None:
            console.print(line, markup=False, soft_wrap=True)

        yield Shown(say_above, tell)


def _nothing(_: Progress) -> None:
    """The lines say it already."""
