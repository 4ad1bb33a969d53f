"""Charts as figures for papers, PNG and SVG, from the same data as the page's."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sandwich_jax.errors import printable
from sandwich_jax.report.spec import Chart, Panel, Reference, Series, View

matplotlib.rcParams["text.parse_math"] = False  # names of folders may hold dollars

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CONTROL_COLOUR = "#777777"
MARKERS = ("o", "s", "^", "D", "P", "*", "v", "X")
"""One more than there are colours, so that pairs of both differ for long."""
MOST_PANELS, COLUMNS = 9, 3
MANY = len(COLOURS)
"""Panels with more curves than this are coloured by a ramp, since they differ by degree."""
STATIC: dict[Any, Any] = {"svg.hashsalt": "sandwich_jax", "svg.fonttype": "none"}
"""The same figure gives the same bytes, and its text stays text."""


class Style(NamedTuple):
    """How a series is drawn."""

    colour: Any
    marker: str
    line: Any


def write(folder: pathlib.Path, charts: list[Chart]) -> list[pathlib.Path]:
    """Draws every view of every chart into `folder`, PNG and SVG; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for chart in charts:
        for view in chart.views:
            name = chart.id
            if view is not chart.views[0]:
                name += "-" + view.name.lower().replace(" ", "-")
            figure = draw(chart, view)
            figure.draw_without_rendering()  # lays out once for both kinds of file
            figure.set_layout_engine("none")
            written += [save(folder / f"{name}.{kind}", figure) for kind in ("png", "svg")]
    return written


INKS = {"light": ("#1f2328", "#0969da", "#bc4c00"), "dark": ("#e6edf3", "#58a6ff", "#f0883e")}
"""On a page that is light or dark: of text and lines, of W', of A."""


def in_ink(figure: Figure, axes: Axes, ink: str) -> None:
    """Everything around the data in one colour on a clear ground, for a page in light or dark."""
    figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)
    labels = (*axes.get_xticklabels(), *axes.get_yticklabels())
    for part in (axes.xaxis.label, axes.yaxis.label, *labels):
        part.set_color(ink)
    axes.tick_params(color=ink, which="both")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(ink)


def save(path: pathlib.Path, figure: Figure) -> pathlib.Path:
    """Writes a figure as PNG or SVG, whole or not at all, and closes it."""
    temporary = path.with_name(f".{path.name}.tmp")
    kind = path.suffix[1:]
    with plt.rc_context(STATIC):
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}
        figure.savefig(temporary, dpi=150, format=kind, metadata=metadata)
    plt.close(figure)
    temporary.replace(path)
    return path


def draw(chart: Chart, view: View, bands: str = "") -> Figure:
    """One view of a chart; of very many panels the first `MOST_PANELS`.

    Args:
        chart: its title is the figure's.
        view: one of its views.
        bands: what bands are, for a figure that stands without the chart's caption.
    """
    panels = view.panels[:MOST_PANELS]
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    size = (max(6.0, 4.4 * columns), 3.6 * lines + 0.6)
    figure, grid = plt.subplots(
        lines, columns, figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    handles: dict[str, Line2D] = {}
    for axes, panel in zip(grid.flat, panels, strict=False):
        _fill(axes, panel, handles)
        axes.set_xlabel(printable(panel.x_label or chart.x_label))
        if chart.whole:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if view.limits:
        grid[0, 0].set_ylim(view.limits[0] - 0.03, view.limits[1] + 0.03)
    for axes in grid[:, 0]:
        axes.set_ylabel(view.y_label)
    title = printable(chart.title)
    if len(view.panels) > len(panels):
        title += f" (the first {len(panels)} of {len(view.panels)} panels)"
    points = (p for panel in panels for series in panel.series for p in series.points)
    if bands and any(p.low is not None for p in points):
        title += f"; bands are {bands}"
    figure.suptitle(title)
    if 0 < len(handles) <= 16:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=max(1, min(2 * columns, len(handles))),
            frameon=False,
            fontsize="small",
        )
    return figure


def _fill(axes: Axes, panel: Panel, handles: dict[str, Line2D]) -> None:
    axes.set_title(printable(panel.title), fontsize="medium")
    for reference in panel.references:
        axes.axhline(reference.y, color="black", linewidth=1, linestyle=":")
        if reference.low is not None and reference.high is not None:
            axes.axhspan(reference.low, reference.high, color="black", alpha=0.06, linewidth=0)
    if panel.diagonal:
        axes.plot([0, 1], panel.diagonal, ":", color="black", linewidth=1)
    curves = sum(s.style == "curve" for s in panel.series)
    for series in panel.series:
        style = _style(series, curves)
        _draw(axes, series, style)
        sample = Line2D([], [], color=style.colour, marker=style.marker, linestyle=style.line)
        handles.setdefault(printable(series.name), sample)
    _name_references(axes, panel.references)


LINE = 0.05
"""Height of a line of small letters, as a share of the axes."""


def _name_references(axes: Axes, references: Sequence[Reference]) -> None:
    """Names beside the axes; of lines too close for two names, in one."""
    low, high = axes.get_ylim()
    together: list[list[Reference]] = []
    for one in sorted(references, key=lambda reference: reference.y):
        if together and one.y - together[-1][-1].y < LINE * abs(high - low):
            together[-1].append(one)
        else:
            together.append([one])
    for own in together:
        name = ", ".join(printable(one.name) for one in own)
        y = sum(one.y for one in own) / len(own)
        axes.annotate(name, (1, y), xycoords=("axes fraction", "data"), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize="small")  # fmt: skip


def _style(series: Series, curves: int) -> Style:
    marker = MARKERS[series.slot % len(MARKERS)]
    if series.style == "control":
        return Style(CONTROL_COLOUR, "", "--")
    if series.style == "assistant":
        return Style("black", "d", "--")
    if series.style == "scatter":
        return Style(COLOURS[series.slot % len(COLOURS)], marker, "")
    if curves > MANY:
        return Style(plt.get_cmap("viridis")(0.95 * series.slot / curves), "", "-")
    return Style(COLOURS[series.slot % len(COLOURS)], marker, "-")


def _draw(axes: Axes, series: Series, style: Style) -> None:
    x, y = [p.x for p in series.points], [p.y for p in series.points]
    axes.plot(x, y, style.line or "none", marker=style.marker or None, color=style.colour,
              markersize=4, linewidth=1.5)  # fmt: skip
    banded = [p for p in series.points if p.low is not None and p.high is not None]
    if banded:
        bx, low, high = zip(*((p.x, p.low, p.high) for p in banded), strict=True)
        axes.fill_between(bx, low, high, color=style.colour, alpha=0.15, linewidth=0)
        if len(banded) == 1:  # a band needs two points
            axes.vlines(bx, low, high, color=style.colour)
