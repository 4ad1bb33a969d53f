"""PNG pictures that lie in a folder of a run, a sweep or an evaluation: charts of the report."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

from sandwich_jax.report import cells, charts, evaluation_charts, figures
from sandwich_jax.report.collect import Row, Source
from sandwich_jax.report.spec import Chart

INTERVALS = "95% intervals"
"""What bands are where rows are those of one run."""


def draw_run(folder: pathlib.Path, rows: Sequence[Row]) -> list[pathlib.Path]:
    """Draws what the rows of a run folder can show; returns the files."""
    source = [Source(folder, rows=list(rows))]
    final = cells.cells(source)
    found: dict[str, Chart | None] = {}
    strengths = {
        group.knob
        for group in cells.groups(final)
        if any(len(curve.rows) > 1 for curve in group.curves)
    }
    if strengths:
        found[f"pgr_against_{min(strengths)}"] = charts.phase(final)
    found["learning_curves"] = charts.learning(cells.rounds(source))  # the last: of a whole run
    return _save_all(folder, found)


def draw_evaluation(folder: pathlib.Path, rows: Sequence[Row]) -> list[pathlib.Path]:
    """Draws reliability of values and trust in advice into a run folder; returns the files."""
    here = [{"folder": "", "source": "", **row} for row in rows]
    found = {
        "calibration": evaluation_charts.calibration(here),
        "safety": evaluation_charts.detection(here),
    }
    return _save_all(folder, found)


def _save_all(folder: pathlib.Path, found: Mapping[str, Chart | None]) -> list[pathlib.Path]:
    return [
        figures.save(folder / f"{name}.png", figures.draw(chart, chart.views[0], INTERVALS))
        for name, chart in found.items()
        if chart
    ]
