"""`sandwich-jax kinds`."""

from __future__ import annotations

import dataclasses

import tyro
from rich import box
from rich.markup import escape
from rich.table import Table

from sandwich_jax import catalogue
from sandwich_jax.catalogue import Entry
from sandwich_jax.machine.console import OUT


@dataclasses.dataclass(frozen=True)
class Kinds:
    """Every misalignment, schedule, protocol, objective and measure, with its settings."""

    name: tyro.conf.Positional[str] = ""
    """One of them, in full; all by default."""


def kinds(args: Kinds) -> None:
    """`sandwich-jax kinds`."""
    if args.name:
        _show(catalogue.entry(args.name))
        return
    parts: dict[str, list[Entry]] = {}
    for one in catalogue.entries():
        parts.setdefault(one.part, []).append(one)
    for part, own in parts.items():
        OUT.print(_table(part, own))


def _table(part: str, own: list[Entry]) -> Table:
    table = Table(box=box.SIMPLE, title=part, title_justify="left", pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("what it does", ratio=2)
    table.add_column("settings, range, source", ratio=1)
    for one in own:
        told = [f"{name} in {setting.range}" for name, setting in one.settings.items()]
        told += [*one.depends, *([one.source] if one.source else [])]
        table.add_row(one.name, escape(one.says), escape("; ".join(told)))
    return table


def _show(one: Entry) -> None:
    lines = [f"{one.name}: a {one.part}. {one.says}"]
    for name, setting in one.settings.items():
        default = catalogue.value(setting)
        about = f"{setting.says}; {setting.range}; by default {default}; {catalogue.how(setting)}"
        lines.append(f"  {name}: {about}")
    if one.depends:
        lines.append(f"  It depends on {', '.join(one.depends)} besides.")
    if one.source:
        lines.append(f"  Source: {one.source}.")
    for line in lines:
        OUT.print(line, highlight=False, markup=False)
