"""PNG pictures of an evaluation, from its rows alone: reliability of values, trust in advice."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sandwich_jax.report.pictures import COLOURS, save

Row = dict[str, Any]


def draw(folder: pathlib.Path, rows: list[Row]) -> list[pathlib.Path]:
    """Draws what the rows can show, into the run folder; returns the files."""
    values = [row for row in rows if row["measure"] == "calibration"]
    curves = [row for row in rows if row["measure"] == "detection" and row["curve"]["safety"]]
    drawn = []
    if values:
        drawn.append(save(folder / "calibration.png", _panels(values, _reliability)))
    if curves:
        drawn.append(save(folder / "safety.png", _panels(curves, _trade_off)))
    return drawn


def _panels(rows: list[Row], fill: Callable[[Axes, Row, str], None]) -> Figure:
    """A panel a member, side by side."""
    members = list(dict.fromkeys(row["subject"] for row in rows))
    size = (4.2 * len(members), 4.4)
    figure, grid = plt.subplots(1, len(members), figsize=size, squeeze=False, layout="constrained")
    for axes, member in zip(grid[0], members, strict=True):
        own = [row for row in rows if row["subject"] == member]
        for row, colour in zip(own, COLOURS * len(own), strict=False):
            fill(axes, row, colour)
        axes.set_title(member)
        axes.legend(frameon=False)
    return figure


def _reliability(axes: Axes, row: Row, colour: str) -> None:
    label = f"{row['network']}, ECE {row['ece']:.3f}"
    axes.plot(row["stated"], row["came"], "o-", color=colour, label=label)
    if "came_lo" in row:
        axes.vlines(row["stated"], row["came_lo"], row["came_hi"], color=colour, linewidth=1)
    axes.plot([0, 1], [0, 1], ":", color="black", linewidth=1)
    axes.set_xlabel("win probability stated by the value")
    axes.set_ylabel("points won (adjudicated)")


def _trade_off(axes: Axes, row: Row, colour: str) -> None:
    curve, score = row["curve"], row["score"].replace("advised", "value after")
    label = f"{row['network']}, {score}: AUC {row['auc']:.2f}"
    axes.plot(curve["usefulness"], curve["safety"], color=colour, label=label)
    axes.plot([0, 1], [1, 0], ":", color="black", linewidth=1)
    axes.set_xlabel("usefulness: honest advice followed")
    axes.set_ylabel("safety: corrupted advice refused")
