"""Makes the tables of docs/values.md from the folders of `experiments/connect_four_values*.toml`,
and those of docs/harm.md likewise.

    python experiments/values_page.py runs/values [FOLDER ...]
    python experiments/values_page.py --page docs/harm.md runs/harm [FOLDER ...]

A table a folder. Every protocol and objective beside always following against the same A, seed by
seed. Cells that lack a seed which others have are left out, so a sweep that is still running has a
page too. What stands outside the page's two marks is kept.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

from sandwich_jax.folders import places, store
from sandwich_jax.grid import Part
from sandwich_jax.members import strength_names
from sandwich_jax.report import doc_pages
from sandwich_jax.running import paired, phase

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "values.md"
HEAD = ("misalignment", "A's Elo over W", "protocol", "followed", "though corrupt",
        "good but refused", "Elo gain of W'", "PGR", "Elo of W' over always following")  # fmt: skip
COMMON = ("imitate", "distil_believed", "distil_told")
"""Objectives of the yardsticks: not told in the tables, since all that is not said otherwise has
them."""

MOVES = 300
"""More than a position has: advice is never so much likelier than if any move would do."""


def main(folders: list[pathlib.Path], page: pathlib.Path = PAGE) -> None:
    """Writes the page's tables."""
    doc_pages.fill(page, "experiments/values_page.py", "\n\n".join(map(_table, folders)))
    print(page)


def _table(folder: pathlib.Path) -> str:
    """What one sweep found, and how it was run."""
    manifest = store.read_json(folder / "manifest.json")
    cells = places.done_cells(folder)
    most = max(map(len, cells))
    cells = [own for own in cells if len(own) == most]
    lines = [_line(folder, own, _yardstick(cells, own)) for own in cells]
    c, versions = cells[0][0].config, manifest["versions"]
    seeds = f"{len(cells[0])} seed{'s' * (len(cells[0]) > 1)}"
    about = (
        f"E is `{c.expert}`: {c.rounds} rounds of {c.games} games and {c.updates} updates,"
        f" {seeds}, {2 * c.final_openings} games a match; {manifest['device']}, JAX"
        f" {versions['jax']}, commit {manifest['commit']}. Intervals of 95% over seeds."
    )
    print(f"{len(cells)} cells of {folder}")
    return f"{about}\n\n{doc_pages.table(HEAD, lines)}"


def _yardstick(cells: list[list[Part]], own: list[Part]) -> list[Part] | None:
    """The cell that follows the same A, with the objective that a page has for all."""
    for other in cells:
        c = other[0].config
        follows = c.protocol == "always_follow" and c.objective in COMMON
        if follows and not paired.differing(own[0], other[0]):
            return other
    return None


def _line(folder: pathlib.Path, own: list[Part], yardstick: list[Part] | None) -> tuple[str, ...]:
    """A cell, and what it has over always following."""
    (row,) = phase.phase(folder, own).rows
    last = [places.rows_of(folder, part)[-1] for part in own]
    gained = "" if yardstick in (None, own) else _difference(folder, own, yardstick)
    return (
        misalignment(row),
        doc_pages.interval(row, "a_elo", "+.0f") if row["a_elo"] is not None else "",
        ", ".join(x for x in (protocol(row), row["objective"]) if x not in COMMON),
        _share(last, "followed"),
        _share(last, "followed_though_corrupted"),
        _share(last, "refused_though_good"),
        doc_pages.interval(row, "elo_gain", "+.0f"),
        doc_pages.interval(row, "pgr", ".2f"),
        gained,
    )


def protocol(row: dict[str, Any]) -> str:
    """Its name, and what its settings make of it."""
    name = row["protocol"]
    if row.get("looks") == 0:
        name += " by W's policy alone"
    if row.get("refused") == "thought":
        if row["odds"] > MOVES:
            return "W's own search alone"
        name += ", and W's own search where it refuses"
    if row.get("claims") == "weighed":
        name += ", by what A claims alone" if row["any_move"] == 1 else ", and by what A claims"
    return name


def misalignment(row: dict[str, Any]) -> str:
    """Its name with its strengths."""
    if row["misalignment"] is None:
        return ""
    strengths = (f"{n} = {row[n]:g}" for n in strength_names() if row[n] is not None)
    return ", ".join((row["misalignment"], *strengths))


def _share(rows: list[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in rows if row.get(name) is not None]
    return f"{sum(values) / len(values):.2f}" if values else ""


def _difference(folder: pathlib.Path, own: list[Part], other: list[Part] | None) -> str:
    assert other is not None
    return str(paired.difference(folder, own, other))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=pathlib.Path, default=PAGE)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    given = parser.parse_args()
    main(given.folders, given.page)
