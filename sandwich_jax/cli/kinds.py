"""`sandwich-jax kinds`."""

from __future__ import annotations

import dataclasses

import tyro

from sandwich_jax import catalogue
from sandwich_jax.catalogue import Entry
from sandwich_jax.language import on_text
from sandwich_jax.machine.console import OUT


@dataclasses.dataclass(frozen=True)
class Kinds:
    """Every misalignment, schedule, protocol, objective and measure, with its settings."""

    name: tyro.conf.Positional[str] = ""
    """One of them, in full; all by default."""


def kinds(args: Kinds) -> None:
    """`sandwich-jax kinds`."""
    every = [*catalogue.entries(), *on_text.entries()]
    if args.name:
        for one in catalogue.named(args.name, every):
            _show(one)
        return
    from sandwich_jax.report import kinds_table

    parts: dict[str, list[Entry]] = {}
    for one in every:
        parts.setdefault(one.part, []).append(one)
    for part, own in parts.items():
        OUT.print(kinds_table.of_kinds(part, own))


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
