"""Progress on a terminal, plain lines elsewhere; tables at the end."""

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
from rich.table import Table
from rich.text import Text

from sandwich_jax import given, identity
from sandwich_jax.members import strengths_in

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
    console = console or Console(stderr=True)
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
    console = Console(stderr=True)
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


def results_table(rows: list[dict[str, Any]]) -> Table:
    """The last round, a line a member."""
    games = rows[0]["arena_games"]
    table = Table(
        title=f"After round {rows[0]['round']}, {games} games a match, 95% intervals",
        caption="Elo of W before training is 0; E stands at "
        + _interval(rows[0], "e_elo", "+.0f")
        + ". PGR = gain / E.",
    )
    table.add_column("W's protocol", no_wrap=True)
    for header in ("p", "A's Elo", "assisted score", "Elo gain over W", "PGR", "over control"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        asks = row["protocol"] != "never_ask"
        table.add_row(
            _who(row),
            _strength(row),
            _interval(row, "a_elo", "+.0f") if asks else "",
            f"{row['assisted_score']:.2f}" if row.get("assisted_score") is not None else "",
            _interval(row, "elo_gain", "+.0f"),
            _interval(row, "pgr", ".2f") or "undefined",
            _interval(row, "gain_over_control", "+.0f") if asks else "",
        )
    return table


def _who(row: dict[str, Any]) -> str:
    """A member's protocol, and which control it is."""
    role = row.get("role")
    return row["protocol"] + (f" ({role})" if role and role != row["protocol"] else "")


SHARES = ("asked", "followed", "followed_though_corrupted", "refused_though_good")


def sweep_tables(rows: list[dict[str, Any]], critical: list[dict[str, Any]]) -> list[Table]:
    """The grid after the last round, and where its curves cross."""
    seeds = max(row["seeds"] for row in rows)
    unit = f"95% intervals over {seeds} seeds" if seeds > 1 else "95% intervals over openings"
    cells = Table(title=f"After round {rows[0]['round']}, {unit}")
    settings = [name for name in identity.fields() if name not in identity.KINDS]
    varied = identity.varied(rows, settings)
    for header in ("W's protocol", "misalignment", *varied, "strength"):
        cells.add_column(header)
    headers = ("PGR", "over control", "assisted score")
    shares = ("asked", "followed", "though corrupt", "refused though good", "answers")
    for header in (*headers, *shares, "games to PGR 0.5"):
        cells.add_column(header, justify="right")
    for row in rows:
        asks = row["protocol"] != "never_ask"
        cells.add_row(
            _who(row),
            row["misalignment"] if asks else "",
            *(identity.text(row[name]) for name in varied),
            _strength(row),
            _interval(row, "pgr", ".2f") or "undefined",
            _interval(row, "gain_over_control", "+.0f") if asks else "",
            *(_number(row[name]) for name in ("assisted_score", *SHARES)),
            f"{row['answers']:.0f}",
            row.get("games_to_half_text", "").replace("[", "\\["),
        )
    if not critical:
        return [cells]
    curves = Table(title="Critical strength: where W stops gaining from A")
    others = ["at"] if any(_strength(entry) for entry in critical) else []
    for header in ("W's protocol", "misalignment", *varied, *others, "along"):
        curves.add_column(header)
    curves.add_column("gain over control crosses 0", justify="right")
    curves.add_column("PGR falls under 0.5", justify="right")
    for entry in critical:
        curves.add_row(
            entry["protocol"],
            entry["misalignment"],
            *(identity.text(entry[name]) for name in varied),
            *([_strength(entry)] if others else ()),
            entry["strength"],
            *(
                (entry[name] or {"text": "undefined"})["text"].replace("[", "\\[")
                for name in ("gain_over_control_0", "pgr_half")
            ),
        )
    return [cells, curves]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _strength(row: dict[str, Any]) -> str:
    values = [(k, row[k]) for k in strengths_in([row]) if row.get(k) is not None]
    if len(values) == 1 and values[0][0] == "p":
        return given.exact(values[0][1])
    return ", ".join(f"{k}={given.exact(v)}" for k, v in values)


def _interval(row: dict[str, Any], name: str, form: str) -> str:
    if row.get(name) is None:
        return ""
    value, low, high = (row[key] for key in (name, f"{name}_lo", f"{name}_hi"))
    return f"{value:{form}} \\[{low:{form}}, {high:{form}}]"
