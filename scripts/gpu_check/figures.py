"""Figures of programs: kept, compared with ceilings, and told as a table."""

from __future__ import annotations

import json
import pathlib
from typing import Any, NamedTuple

from scripts.gpu_check import costs, hlo, thunks
from scripts.gpu_check.programs import PROGRAMS, Unit, labels
from scripts.gpu_check.target import Compiled

HERE = pathlib.Path(__file__).parent
CEILINGS = HERE / "ceilings.json"
BEFORE = HERE / "before.json"
"""The figures of the commit that the file names, for the table."""

SLACK = {"kernels": 0.0, "conditional": 0.0, "host_reads": 0.0, "moved_mib": 0.02,
         "floor_us": 0.02, "temp_mib": 0.02}  # fmt: skip
"""How far above its ceiling a figure may be, as a share of it."""
MIB = 2**20

Figures = dict[str, float]
"""Of one turn: `SLACK`'s keys, and gflop."""


class Missing(Exception):
    """A program has no such turn to tell figures of."""


def of(compiled: Compiled, unit: Unit) -> Figures:
    """What one turn of a compiled program costs; memory is the whole program's.

    Raises:
        Missing: it has no loop that could be meant.
    """
    module, root = hlo.parse(compiled.hlo), thunks.parse(compiled.thunks)
    found = hlo.loops(module)
    trips = thunks.trips_by_loop(root, [loop.instruction.trips for loop in found])
    if unit.share:
        cost, reads, parts = (
            costs.cost(module, module.entry),
            thunks.host_reads(root, trips),
            unit.share,
        )
    else:
        place, plies = _chosen(module, found, unit)
        parts = plies * unit.each
        cost = costs.cost(module, found[place].instruction.called("body") or "")
        own = list(root.loops())
        # Where the lists differ, the loop cannot be told from others: nothing is claimed.
        reads = thunks.host_reads(own[place], trips) if len(own) == len(found) else -1.0
    cost = costs.Cost().plus(cost, 1 / parts)
    return {
        "kernels": round(cost.kernels, 1),
        "conditional": round(cost.conditional, 1),
        "host_reads": round(reads / parts, 4),
        "moved_mib": round(cost.moved / MIB, 1),
        "gflop": round(cost.flops / 1e9, 1),
        "floor_us": round(cost.floor * 1e6, 1),
        "temp_mib": round(compiled.temp / MIB, 1),
    }


def _chosen(module: hlo.Module, found: list[hlo.Loop], unit: Unit) -> tuple[int, int]:
    """The place of the loop that takes longest among those that could be meant, and the plies that
    it plays a turn."""
    own = [
        i
        for i, loop in enumerate(found)
        if not loop.depth and any(f"/{unit.source}" in file for file in (*loop.source, "/"))
    ]
    if not own:
        raise Missing(f"no loop of {unit.source or 'any file'} is left in the program")
    bodies = {i: found[i].instruction.called("body") or "" for i in own}
    place = max(own, key=lambda i: costs.cost(module, bodies[i]).floor)
    return place, _plies(found, place)


def _plies(found: list[hlo.Loop], place: int) -> int:
    """Turns of the loop within an open-ended one that the same file makes: plies a check."""
    loop = found[place]
    for inner in found[place + 1 :]:
        if inner.depth <= loop.depth or loop.instruction.trips is not None:
            return 1
        if inner.depth == loop.depth + 1 and inner.source[:1] == loop.source[:1]:
            return inner.instruction.trips or 1
    return 1


def above(figures: Figures, ceiling: Figures) -> list[str]:
    """What is above its ceiling, in words."""
    found = []
    for name, slack in SLACK.items():
        most = ceiling[name] * (1 + slack)
        if figures[name] > most or figures[name] < 0:
            found.append(f"{name} {figures[name]:g}, at most {most:g}")
    return found


def read(path: pathlib.Path) -> dict[str, Any]:
    """Figures in a file: what made them, and `programs` by name; empty if there is none."""
    return json.loads(path.read_text()) if path.exists() else {"programs": {}}


def write(path: pathlib.Path, about: dict[str, Any], programs: dict[str, Figures]) -> None:
    """Adds to the figures in a file; one line a program, so that changes can be read."""
    kept = read(path)["programs"] | programs
    lines = [f"    {json.dumps(name)}: {json.dumps(kept[name])}" for name in sorted(kept)]
    head = "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in about.items())
    body = ",\n".join(lines)
    path.write_text(f'{{\n{head}  "programs": {{\n{body}\n  }}\n}}\n')


# --- the table -----------------------------------------------------------------------------------

COLUMNS = {
    "kernels": "kernels", "host_reads": "host reads", "moved_mib": "MiB moved",
    "floor_us": "floor, us", "temp_mib": "temporary MiB",
}  # fmt: skip


def row(name: str, figures: Figures) -> str:
    """One program in one line, for a terminal."""
    more = f" (+{figures['conditional']:g} in conditionals)" if figures["conditional"] else ""
    return (
        f"{name:<36} {figures['kernels']:6g} kernels{more}, {figures['host_reads']:g} host reads,"
        f" {figures['moved_mib']:,.1f} MiB, {figures['gflop']:,.1f} GFLOP, floor"
        f" {figures['floor_us']:,.1f} us, temporary {figures['temp_mib']:,.1f} MiB"
    )


def table(names: list[str], before: dict[str, Figures], now: dict[str, Figures]) -> str:
    """Markdown: figures before and after, program by program."""
    lines = [
        "| a turn of | " + " | ".join(COLUMNS.values()) + " |",
        "| --- |" + " --- |" * len(COLUMNS),
    ]
    for name in names:
        cells = [_cell(before.get(name, {}).get(k), now.get(name, {}).get(k)) for k in COLUMNS]
        if any(cells):
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(before: float | None, now: float | None) -> str:
    if before is None and now is None:
        return ""
    told = ["?" if x is None else f"{x:,.0f}" if x >= 100 else f"{x:g}" for x in (before, now)]
    return " → ".join(told)


def kept_table() -> str:
    """The table of the figures in the repository."""
    before, now = read(BEFORE)["programs"], read(CEILINGS)["programs"]
    return table([label for name in PROGRAMS for label in labels(name)], before, now)


class Page(NamedTuple):
    """A document with the table between two marks."""

    path: pathlib.Path
    begin: str = "<!-- compiled figures: made by make gpu-check -->"
    end: str = "<!-- end of compiled figures -->"

    def with_table(self, text: str) -> str:
        """The document with `text` between the marks.

        Raises:
            ValueError: it has no such marks.
        """
        page = self.path.read_text()
        head, begin, rest = page.partition(self.begin)
        _, end, tail = rest.partition(self.end)
        if not begin or not end:
            raise ValueError(f"{self.path} has no place for the table: {self.begin}")
        return f"{head}{begin}\n{text}\n{end}{tail}"
