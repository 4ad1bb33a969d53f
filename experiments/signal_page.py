"""Makes the table and the picture of docs/signal.md from docs/recovery/rows.jsonl.

    python experiments/signal_page.py

How many advised positions W needs to recover a share of the gap, by p. A curve is the mean over
seeds, made monotone (isotonic regression), from 0 at no advice, straight between rounds; resamples
are of seeds, widened to Student's t.
"""

from __future__ import annotations

import pathlib
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import isotonic_regression

from sandwich_jax.folders import log
from sandwich_jax.measures import critical
from sandwich_jax.report import doc_pages, figures

DOCS = pathlib.Path(__file__).parents[1] / "docs"
PAGE, ROWS = DOCS / "signal.md", DOCS / "recovery" / "rows.jsonl"
PICTURE = DOCS / "pictures" / "signal.png"
LEVELS = (0.25, 0.5, 0.75)
LEVEL = 0.5
"""That the law is fitted at."""


class Need(NamedTuple):
    """Advised positions to each of `LEVELS` at one p."""

    p: float
    samples: np.ndarray
    """[level, R]: an estimate and its resamples; inf where the curve never gets there."""
    axis: np.ndarray
    """Where it was measured."""


def main() -> None:
    """Writes the page's table and its picture."""
    rows = [row for row in log.read_rows(ROWS) if row["stage"] == "sweep" and "queries" in row]
    needs = [_need(p, rows) for p in sorted({row["p"] for row in rows})]
    needs = [need for need in needs if np.isfinite(need.samples[0, 0])]
    head = ("p", *(f"to PGR {level:g}" for level in LEVELS), "times those of p = 0",
            "1/(1 - p)", "1/(1 - p)²")  # fmt: skip
    lines = [_line(need, needs[0]) for need in needs]
    fitted = _fit([need for need in needs if np.isfinite(_at(need)[0])])
    seen = fitted[np.isfinite(fitted)]
    found = critical.crossing(fitted, np.asarray([0.0, np.round(seen.max(), 2)]))
    says = (
        f"Advised positions, in thousands, 95% over seeds. At PGR {LEVEL:g} they grow like"
        f" 1/(1 - p)^k with k = {found}."
    )
    made = f"{doc_pages.table(head, lines)}\n\n{says}"
    doc_pages.fill(PAGE, "experiments/signal_page.py", made)
    draw(needs, PICTURE)
    print(says)


def _need(p: float, rows: list[dict[str, Any]]) -> Need:
    own = sorted((r for r in rows if r["p"] == p), key=lambda row: (row["seed"], row["round"]))
    seeds = len({row["seed"] for row in own})
    advised = np.asarray([row["queries"] for row in own], float).reshape(seeds, -1).cumsum(1)
    axis = np.concatenate([[0.0], advised.mean(0)])
    pgr = np.asarray([row["pgr"] for row in own]).reshape(seeds, -1)
    drawn = critical.mean_over_seeds(np.pad(pgr, ((0, 0), (1, 0))))
    rising = np.stack([isotonic_regression(curve).x for curve in drawn])
    return Need(p, np.stack([critical.rises_to(axis, rising, x) for x in LEVELS]), axis)


def _at(need: Need) -> np.ndarray:
    return need.samples[LEVELS.index(LEVEL)]


def _line(need: Need, honest: Need) -> tuple[str, ...]:
    times = ""
    if np.isfinite(_at(need)[0]) and need is not honest:
        ratio = critical.crossing(_at(need) / _at(honest), np.round(need.axis / _at(honest)[0], 1))
        times = str(ratio)
    told = (str(critical.crossing(own / 1e3, np.round(need.axis / 1e3))) for own in need.samples)
    theory = (f"{(1 - need.p) ** -k:.3g}" for k in (1, 2))
    return (f"{need.p:g}", *told, times, *theory)


def _fit(needs: list[Need]) -> np.ndarray:
    """The exponent k by least squares in logs, for the estimate and every resample; inf where a
    resample has not come to the level at every p."""
    x = -np.log1p(-np.asarray([need.p for need in needs]))
    y = np.stack([_at(need) for need in needs])
    there = np.isfinite(y).all(0)
    y, x = np.log(np.where(there, y, 1.0)), x - x.mean()
    slopes = (x[:, None] * (y - y.mean(0))).sum(0) / (x**2).sum()
    return np.where(there, slopes, np.inf)


def draw(needs: list[Need], path: pathlib.Path) -> None:
    """Advised positions against p, beside what theory expects."""
    ink, own, _ = figures.INKS["light"]
    figure, axes = plt.subplots(figsize=(8.0, 4.2), layout="constrained")
    there = [need for need in needs if np.isfinite(_at(need)[0])]
    honest, grid = _at(there[0])[0] / 1e3, np.linspace(0, there[-1].p + 0.05, 100)
    for k, dashes in ((1, ":"), (2, "--")):
        axes.plot(grid, honest * (1 - grid) ** -k, dashes, color=ink, linewidth=1.2)
        says = f"1/(1 - p){'²' if k == 2 else ''}"
        axes.text(grid[-1], honest * (1 - grid[-1]) ** -k, f" {says}", color=ink, va="center")
    ends = np.asarray([critical.crossing(_at(need), need.axis)[:3] for need in there]) / 1e3
    ends[:, 2] = np.minimum(ends[:, 2], 1e5)
    axes.errorbar([need.p for need in there], ends[:, 0], [ends[:, 0] - ends[:, 1],
                  ends[:, 2] - ends[:, 0]], fmt="o", color=own, capsize=4)  # fmt: skip
    axes.set(yscale="log", xlim=(-0.02, grid[-1] + 0.08), ylim=(honest / 2, honest * 30),
             xlabel="p, the share of A's answers that are random",
             ylabel=f"thousands of advised positions to PGR {LEVEL:g}")  # fmt: skip
    axes.set_yticks([100, 200, 500, 1000, 2000], minor=False)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter("{x:,.0f}")
    figures.in_ink(figure, axes, ink)
    figures.save(path, figure)


if __name__ == "__main__":
    main()
