"""Makes docs/recovery/, its pictures and the tables of docs/recovery.md.

    python scripts/on_accelerator.py train --seconds 295 --out out \
        --sweep experiments/recovery_one_answer.toml                    (on the device)
    python experiments/recovery_page.py out/rows.jsonl

Without an argument the page is made again from docs/recovery/rows.jsonl.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from sandwich_jax.folders import log
from sandwich_jax.measures import seeds
from sandwich_jax.report import doc_pages, figures

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE, PLACE, PICTURES = DOCS / "recovery.md", DOCS / "recovery", DOCS / "pictures"
Row = dict[str, Any]


def main(given: list[str]) -> None:
    """Writes the rows, the page and its pictures."""
    kept = PLACE / "rows.jsonl"
    if given:
        rows = [_short(row) for row in log.read_rows(pathlib.Path(given[0])) if _told(row)]
        PLACE.mkdir(exist_ok=True)
        log.write_rows(kept, rows)
    rows = log.read_rows(kept)
    (machine,) = [row for row in rows if row["stage"] == "machine"]
    played = [row for row in rows if row["stage"] == "sweep"]
    final = [row for row in played if "score_against_e" in row]
    cells = [
        _cell([row for row in final if row["p"] == p]) for p in sorted({r["p"] for r in final})
    ]
    made = [_about(machine, played, final), _table(cells), _rounds(played)]
    doc_pages.fill(PAGE, "experiments/recovery_page.py", "\n\n".join(made))
    for theme in figures.INKS:
        draw(cells, theme, PICTURES / f"recovery-{theme}.png")
    print(PAGE)


def _told(row: Row) -> bool:
    return row["stage"] == "machine" or ("round" in row and "seed" in row)


def _short(row: Row) -> Row:
    """A row without what it does not say."""
    found = {name: value for name, value in row.items() if value is not None}
    return {n: round(v, 5) if isinstance(v, float) else v for n, v in found.items()}


def _cell(rows: list[Row]) -> Row:
    """Means over seeds with 95% intervals by Student's t; a match's own error is part of them."""
    cell: Row = {"p": rows[0]["p"], "seeds": len(rows)}
    for name in ("a_elo", "elo_gain", "pgr", "score_against_e"):
        found = seeds.students([row[name] for row in rows])
        cell |= {name: found.value, f"{name}_lo": found.low, f"{name}_hi": found.high}
    share = np.asarray([row["a_elo"] / row["e_elo"] for row in rows])
    return cell | {"a_share": share.mean(), "seen": [row["pgr"] for row in rows]}


def _about(machine: Row, played: list[Row], final: list[Row]) -> str:
    versions = machine["versions"]
    numbers = sorted({row["seed"] for row in final})
    members = len({(row["p"], row["seed"]) for row in final})
    return (
        f"{machine['device']}, JAX {versions['jax']}, Python {machine['python']}: {members} members"
        f" at once, seeds {', '.join(map(str, numbers))}, {final[0]['round']} rounds, over after"
        f" {max(row['at'] for row in played):.0f} s with compilation and all matches; matches of"
        f" {final[0]['arena_games']} games. Intervals of 95% over seeds (Student's t)."
    )


def _table(cells: list[Row]) -> str:
    head = ("p", "A's Elo over W", "Elo gain of W'", "PGR", "PGR by seed", "W' scores against E")
    lines = [
        (
            f"{cell['p']:g}",
            doc_pages.interval(cell, "a_elo", "+.0f") + (" (A is E)" if not cell["p"] else ""),
            doc_pages.interval(cell, "elo_gain", "+.0f"),
            doc_pages.interval(cell, "pgr", ".2f"),
            ", ".join(f"{one:.2f}" for one in cell["seen"]),
            f"{cell['score_against_e']:.3f}",
        )
        for cell in cells
    ]
    return doc_pages.table(head, lines)


def _rounds(played: list[Row]) -> str:
    """Score against W after every round: what W' scored against E is known of the last alone."""
    own = [row for row in played if "queries" in row]
    rounds, strengths = sorted({r["round"] for r in own}), sorted({r["p"] for r in own})
    scores = {
        (p, n): np.mean([r["score_against_w"] for r in own if (r["p"], r["round"]) == (p, n)])
        for p in strengths
        for n in rounds
    }
    lines = [(f"{p:g}", *(f"{scores[p, n]:.3f}" for n in rounds)) for p in strengths]
    advised = np.mean([row["queries"] for row in own])
    return (
        f"Score of W' against W after each round of about {advised:,.0f} pieces of advice a member,"
        " means over seeds:\n\n" + doc_pages.table(("p", *map(str, rounds)), lines)
    )


def draw(cells: list[Row], theme: str, path: pathlib.Path) -> None:
    """W' and A against p; the ground is clear, so that the page's shows."""
    ink, student, assistant = figures.INKS[theme]
    figure, axes = plt.subplots(figsize=(8.0, 4.2), layout="constrained")
    p = [cell["p"] for cell in cells]
    axes.plot(p, [cell["a_share"] for cell in cells], "--o", color=assistant, linewidth=2.2)
    axes.plot(p, [cell["pgr"] for cell in cells], "-o", color=student, linewidth=2.2)
    low, high = ([cell[f"pgr_{end}"] for cell in cells] for end in ("lo", "hi"))
    axes.fill_between(p, low, high, color=student, alpha=0.18, linewidth=0)
    for level, says in ((1.0, "E, the expert"), (0.0, "W before training")):
        axes.axhline(level, color=ink, linewidth=0.8)
        axes.text(1.01, level, says, color=ink, va="center", fontsize=10)
    axes.text(0.53, 0.68, "W' after training with A's advice", color=student, fontsize=11)
    axes.text(0.1, -0.62, "A, the assistant itself", color=assistant, fontsize=11)
    axes.set(xlim=(0, 1), xlabel="p, the share of A's answers that are random",
             ylabel="share of the gap from W to E")  # fmt: skip
    figures.in_ink(figure, axes, ink)
    figures.save(path, figure)


if __name__ == "__main__":
    main(sys.argv[1:])
