"""The console our tables are printed on."""

from rich.console import Console

_LOG_WIDTH = 130
"""Columns of tables that go to a file or a pipe."""


def make_console() -> Console:
    """As wide as the terminal, or wide enough for our tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=_LOG_WIDTH)
