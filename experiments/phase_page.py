"""Makes docs/phase_diagram/ and the tables of docs/phase_diagram.md from a sweep's folder.

    python experiments/phase_page.py runs/phase_diagram

Cells of the grid that lack a seed are left out, so a sweep that is still running has a page too. It
needs the version of the package that ran the sweep.
What stands outside the page's two marks is kept.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

from sandwich_jax import grid
from sandwich_jax.folders import log, places, store
from sandwich_jax.grid import Part
from sandwich_jax.members import strength_names
from sandwich_jax.report import doc_pages
from sandwich_jax.running import phase, phase_pictures
from sandwich_jax.running.phase import Phase

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE, PLACE = DOCS / "phase_diagram.md", DOCS / "phase_diagram"


def main(folder: pathlib.Path) -> None:
    """Writes the page, its rows and its pictures."""
    manifest = store.read_json(folder / "manifest.json")
    parts = grid.parse(manifest["sweep"])
    whole = [
        part
        for own in grid.cells(parts).values()
        if all(places.is_done(folder, part) for part in own)
        for part in own
    ]
    found = phase.phase(folder, whole)
    PLACE.mkdir(parents=True, exist_ok=True)
    for old in PLACE.iterdir():
        old.unlink()
    last = [places.rows_of(folder, part)[-1] for part in whole]
    log.write_rows(PLACE / "rows.jsonl", last)
    store.write_json(PLACE / "phase.json", store.to_plain(found._asdict()))
    phase_pictures.draw(PLACE, found)
    made = "\n\n".join([_about(manifest, parts, whole, folder), _grid(found), _curves(found)])
    pictures = "\n\n".join(f"![{p.stem}](phase_diagram/{p.name})" for p in _pictures())
    doc_pages.fill(PAGE, "experiments/phase_page.py", f"{made}\n\n{pictures}")
    print(f"{len(whole)} of {len(parts)} members: {PAGE}")


def _pictures() -> list[pathlib.Path]:
    return sorted(PLACE.glob("*.png"))


def _about(
    manifest: dict[str, Any], parts: tuple[Part, ...], whole: list[Part], folder: pathlib.Path
) -> str:
    config, versions = whole[0].config, manifest["versions"]
    seconds = sum(row["seconds"] for part in whole for row in places.rows_of(folder, part))
    seeds = ", ".join(map(str, dict.fromkeys(part.config.seed for part in whole)))
    c, games, commit = config, 2 * config.final_openings, manifest["commit"]
    return (
        f"{len(whole)} of the {len(parts)} members that were asked for, seeds {seeds}; {c.rounds}"
        f" rounds of {c.games} games and {c.updates} updates at a learning rate of"
        f" {c.learning_rate:g}, final matches of {games} games. {manifest['device']},"
        f" {manifest['cpus']} processors; Python {versions['python']}, JAX {versions['jax']},"
        f" commit {commit}. {seconds / 3600:.1f} hours of self-play and fine-tuning in all."
        " Intervals of 95%, over seeds where there are several, else over openings."
    )


def _grid(found: Phase) -> str:
    head = ("misalignment", "strength", "A's Elo", "Elo gain over W", "PGR", "over control",
            "W < A < E", "games to PGR 0.5")  # fmt: skip
    return doc_pages.table(head, [_cells(row) for row in found.rows])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    measured = doc_pages.interval(row, "elo_gain", "+.0f"), doc_pages.interval(row, "pgr", ".2f")
    if row["protocol"] == "never_ask":
        return ("(never asks)", "", "", *measured, "", "", row.get("games_to_half_text", ""))
    strengths = ", ".join(f"{n} = {row[n]:g}" for n in strength_names() if row[n] is not None)
    honest = not any(row[n] for n in strength_names())
    regime = "A is E" if honest else "yes" if 0 < row["a_elo"] < row["e_elo"] else "no"
    return (
        row["misalignment"],
        strengths,
        doc_pages.interval(row, "a_elo", "+.0f"),
        *measured,
        doc_pages.interval(row, "gain_over_control", "+.0f"),
        regime,
        row.get("games_to_half_text", ""),
    )


def _curves(found: Phase) -> str:
    head = ("misalignment", "along", "gain over control crosses 0", "PGR falls under 0.5")
    return doc_pages.table(head, [_curve(entry) for entry in found.critical])


def _curve(entry: dict[str, Any]) -> tuple[str, ...]:
    names = ("gain_over_control_0", "pgr_half")
    texts = (entry[name]["text"] if entry[name] else "undefined" for name in names)
    return (entry["misalignment"], entry["strength"], *texts)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
