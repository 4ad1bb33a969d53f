"""Progress on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from sandwich_jax.machine.screen import Screen

PLAIN_EVERY = 10.0
"""Seconds between plain lines."""
NOTEBOOK_EVERY = 0.5
"""Seconds between updates of a notebook's line."""


class _Left(ProgressColumn):
    """Time left, from the mean speed so far: steps here are few and long."""

    def render(self, task: Task) -> Text:
        left = _seconds_left(task.completed, task.total or 0.0, task.elapsed or 0.0)
        return Text(f"{_clock(left)} left" if left is not None else "", style="cyan")


class Bar:
    """`update(done, total, text)`: a live bar on a terminal, now and then a line elsewhere."""

    def __init__(self, progress: Progress | None, console: Console, title: str):
        self.progress, self.console, self.title = progress, console, title
        self.task = progress.add_task(title, total=None) if progress else None
        self.start = self.said = time.monotonic()
        self.silent = True

    def update(self, done: float, total: float, text: str = "") -> None:
        """Tells how much of the work is done, in any unit."""
        if self.progress is not None and self.task is not None:
            description = f"{self.title} [dim]{text}[/dim]" if text else self.title
            self.progress.update(self.task, completed=done, total=total, description=description)
            return
        now = time.monotonic()
        if now - self.said < PLAIN_EVERY and done < total:
            return
        self.said = now
        left = _seconds_left(done, total, now - self.start)
        tail = f", {_clock(left)} left" if left else ""
        percent = 100 * done / total if total else 0
        self.console.print(f"{self.title}: {percent:3.0f}%{tail}  {text}", highlight=False)

    def say(self, text: str) -> None:
        """Tells what is being done where nobody knows how much there is."""
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, description=f"{self.title} [dim]{escape(text)}[/dim]")
        elif self.silent or time.monotonic() - self.said >= PLAIN_EVERY:
            self.silent, self.said = False, time.monotonic()
            self.console.print(f"{self.title}: {text}", highlight=False, markup=False)


@contextmanager
def bar(title: str, console: Console | None = None) -> Iterator[Bar]:
    """A progress display for the length of a block."""
    console = console or Screen(stderr=True)
    if not console.is_terminal:
        yield Bar(None, console, title)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        _Left(),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        yield Bar(progress, console, title)


@contextmanager
def watched(title: str) -> Iterator[Callable[[float, float, str], None]]:
    """A progress display for a caller from Python, in a terminal or a notebook; elsewhere none."""
    console = Screen(stderr=True)
    if console.is_jupyter:
        yield _Notebook(title).update
    elif console.is_terminal:
        with bar(title, console) as shown:
            yield shown.update
    else:
        yield lambda done, total, text: None


class _Notebook:
    """A line below the cell that is written anew."""

    def __init__(self, title: str):
        self.title, self.start, self.said = title, time.monotonic(), 0.0
        self.handle: Any = None

    def update(self, done: float, total: float, text: str = "") -> None:
        """Tells how much of the work is done, in any unit."""
        from IPython.display import display  # pyright: ignore

        now = time.monotonic()
        if now - self.said < NOTEBOOK_EVERY and done < total:
            return
        self.said = now
        left = _seconds_left(done, total, now - self.start)
        percent = f"{100 * done / total if total else 0:.0f}%"
        parts = (f"{self.title}: {percent}", f"{_clock(left)} left" if left else "", text)
        line = {"text/plain": ", ".join(part for part in parts if part)}
        if self.handle is None:
            self.handle = display(line, raw=True, display_id=True)
        else:
            self.handle.update(line, raw=True)


def _seconds_left(done: float, total: float, elapsed: float) -> float | None:
    if done <= 0 or total <= done:
        return None
    return elapsed * (total - done) / done


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
