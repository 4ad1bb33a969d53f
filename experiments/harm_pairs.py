"""How much further W' gets in one sweep than in others, against the same A, seed by seed.

    python experiments/harm_pairs.py --page docs/harm.md runs/harm_claims runs/harm [FOLDER ...]

Elo of W' of every cell of the first folder over every cell of the others (and of itself) with the
same A, over the seeds that both have finished, in one joint fit a seed.
"""

from __future__ import annotations

import argparse
import pathlib

import values_page

from sandwich_jax.folders import places
from sandwich_jax.grid import Part
from sandwich_jax.report import doc_pages
from sandwich_jax.running import paired, phase

HEAD = ("misalignment", "W' of", "over W' of", "Elo", "seeds")


def main(folders: list[pathlib.Path], page: pathlib.Path | None) -> None:
    """Makes the table."""
    cells = {folder: places.done_cells(folder) for folder in folders}
    lines = [
        line
        for own in cells[folders[0]]
        for folder, others in cells.items()
        for other in others
        if (line := _line(folders[0], own, folder, other))
    ]
    table = doc_pages.table(HEAD, lines)
    if page:
        doc_pages.fill(page, "experiments/harm_pairs.py", table)
    print(page or table)


def _line(
    folder: pathlib.Path, own: list[Part], theirs: pathlib.Path, other: list[Part]
) -> tuple[str, ...] | None:
    """One cell over another; None where they have no A or no seed in common, or are one."""
    seeds = {p.config.seed for p in own} & {p.config.seed for p in other}
    mine, yours = ([p for p in parts if p.config.seed in seeds] for parts in (own, other))
    if not seeds or paired.differing(mine[0], yours[0]) or mine[0].id == yours[0].id:
        return None
    (row,), (against,) = phase.phase(folder, mine).rows, phase.phase(theirs, yours).rows
    return (
        values_page.misalignment(row),
        values_page.protocol(row),
        values_page.protocol(against),
        str(paired.difference(folder, mine, yours, theirs)),
        str(len(seeds)),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=pathlib.Path)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    given = parser.parse_args()
    main(given.folders, given.page)
