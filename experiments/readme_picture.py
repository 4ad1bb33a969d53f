"""The README's picture, for a light and a dark page, from the phase diagram's figures.

    python experiments/readme_picture.py

Reads docs/phase_diagram/phase.json, as experiments/phase_page.py left it.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib

import matplotlib.pyplot as plt
import tyro

from sandwich_jax.report import charts, figures
from sandwich_jax.report.spec import Point

DOCS = pathlib.Path(__file__).parents[1] / "docs"
INK = {"light": ("#1f2328", "#0969da", "#bc4c00"), "dark": ("#e6edf3", "#58a6ff", "#f0883e")}
"""Of text and lines, of W', of A."""
Curve = list[tuple[float, float, float, float]]
"""Strength, figure and its interval."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """Where figures come from, and where pictures go."""

    phase: pathlib.Path = DOCS / "phase_diagram" / "phase.json"
    out: pathlib.Path = DOCS / "pictures"


def curves(path: pathlib.Path) -> dict[str, Curve]:
    """W', A and the control of the random-move curve, as the report's own chart has them."""
    rows = json.loads(path.read_text())["rows"]
    chart = charts.phase([r for r in rows if r["misalignment"] == "random_move" or not r["a_elo"]])
    assert chart is not None
    panels = chart.views[0].panels
    (panel,) = (one for one in panels if (one.x_label or chart.x_label).startswith("p"))
    found = {}
    for series in panel.series:
        points = [(p.x, p.y, *_ends(p)) for p in series.points]
        found[{"assistant": "A", "control": "control"}.get(series.style, "W'")] = points
    return found


def _ends(point: Point) -> tuple[float, float]:
    low, high = point.low, point.high
    return (point.y, point.y) if low is None or high is None else (low, high)


def draw(found: dict[str, Curve], theme: str, path: pathlib.Path) -> None:
    """One picture; its ground is clear, so that the page's shows."""
    ink, student, assistant = INK[theme]
    figure, axes = plt.subplots(figsize=(8.0, 4.2), layout="constrained")
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    for name, colour, line in (("A", assistant, "--"), ("W'", student, "-"), ("control", ink, ":")):
        x, y, low, high = zip(*found[name], strict=True)
        if name == "control":
            x, y, low, high = (0.0, 1.0), y[:1] * 2, low[:1] * 2, high[:1] * 2
        axes.plot(x, y, line, color=colour, linewidth=2.2, marker="" if name == "control" else "o")
        if name != "A":
            axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
    for level, says in ((1.0, "E, the expert"), (0.0, "W before training")):
        axes.axhline(level, color=ink, linewidth=0.8)
        axes.text(1.01, level, says, color=ink, va="center", fontsize=10)
    axes.text(
        1.01, found["control"][0][1], "W that never asks", color=ink, va="center", fontsize=10
    )
    axes.text(0.42, 0.32, "W' after training with A's advice", color=student, fontsize=11)
    axes.text(0.2, -0.62, "A, the assistant itself", color=assistant, fontsize=11)
    axes.set(xlim=(0, 1), xlabel="p, the share of A's moves that are random",
             ylabel="share of the gap from W to E")  # fmt: skip
    for part in (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(),
                 *axes.get_yticklabels()):  # fmt: skip
        part.set_color(ink)
    axes.tick_params(color=ink)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)
    figures.save(path, figure)


def main(args: Picture) -> None:
    """Draws both."""
    args.out.mkdir(exist_ok=True)
    found = curves(args.phase)
    for theme in INK:
        draw(found, theme, args.out / f"phase-{theme}.png")


if __name__ == "__main__":
    main(tyro.cli(Picture, description=__doc__))
