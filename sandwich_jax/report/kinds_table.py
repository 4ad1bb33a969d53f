"""Kinds as a table for the terminal."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from sandwich_jax.catalogue import Entry


def of_kinds(part: str, own: list[Entry]) -> Table:
    """The kinds that one setting chooses, a line each."""
    table = Table(box=box.SIMPLE, title=part, title_justify="left", pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("what it does", ratio=2)
    table.add_column("settings, range, source", ratio=1)
    for one in own:
        told = [f"{name} in {setting.range}" for name, setting in one.settings.items()]
        told += [*one.depends, *([one.source] if one.source else [])]
        table.add_row(one.name, escape(one.says), escape("; ".join(told)))
    return table
