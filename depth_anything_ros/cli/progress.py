# SPDX-License-Identifier: Apache-2.0
"""Progress bars and tables of every command, in one place and one look; all go to stderr, results to stdout."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


def progress_bar(unit: str = '') -> Progress:
    """A bar for countable work: `with progress_bar('frames') as bar: bar.track(...)`."""
    columns = [SpinnerColumn(), TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn()]
    if unit:
        columns.append(TextColumn(unit))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def note(text: str) -> None:
    """One line for the user that is not a result: an assumption made, a topic skipped."""
    Console(stderr=True).print(text, highlight=False, markup=False, soft_wrap=True)
