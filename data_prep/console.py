"""The console our tables are printed on, and how long work shows that it goes on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_LOG_WIDTH = 130
"""Columns of tables that go to a file or a pipe."""

_LOG_SECONDS = 60.0
"""Between lines of progress in a log."""


def make_console() -> Console:
    """As wide as the terminal, or wide enough for our tables where there is none."""
    console = Console(markup=False)
    return console if console.is_terminal else Console(width=_LOG_WIDTH, markup=False)


@dataclass
class Progress:
    """Counts finished tasks: a bar on a terminal, a line a minute in a log."""

    title: str
    total: int
    done: int = 0
    bar: Bar | None = None
    logged: float = field(default_factory=time.monotonic)

    def advance(self) -> None:
        """One more task is finished."""
        self.set(self.done + 1)

    def set(self, done: int) -> None:
        """So many tasks are finished."""
        self.done = done
        if self.bar:
            self.bar.update(self.bar.task_ids[0], completed=done)
        elif time.monotonic() - self.logged > _LOG_SECONDS:
            self.logged = time.monotonic()
            print(f"{self.title}: {done} of {self.total} tasks done", flush=True)


@contextmanager
def progress(title: str, total: int) -> Iterator[Progress]:
    """Progress through `total` tasks while the block runs."""
    console = make_console()
    if not console.is_terminal:
        yield Progress(title=title, total=total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        bar.add_task(title, total=total)
        yield Progress(title=title, total=total, bar=bar)
