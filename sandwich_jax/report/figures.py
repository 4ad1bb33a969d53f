"""Charts as figures for papers, PNG and SVG, from the same data as the page's."""

from __future__ import annotations

import math
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from sandwich_jax.errors import printable
from sandwich_jax.report.spec import Chart, Panel, Point, Reference, Series, View

matplotlib.rcParams["text.parse_math"] = False  # names of folders may hold dollars

# Okabe and Ito's colours, told apart by colour-blind readers.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CONTROL_COLOUR = "#777777"
MARKERS = ("o", "s", "^", "D", "P", "*", "v", "X")
"""One more than there are colours, so that pairs of both differ for long."""
ASSISTANT_MARKERS = ("d", "<", "p", ">", "X")
DASHES: tuple[Any, ...] = ("--", "-.", (0, (2, 3)), (0, (6, 2, 1, 2, 1, 2)))
"""Of assistants and controls, which all have one colour; dotted lines are references."""
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
    # First of all: what stands at the edges depends on them.
    low, high = view.limits or limits_of(panels)
    margin = 0.03 if view.limits else 0.0
    grid[0, 0].set_ylim(low - margin, high + margin)
    share = INCH * size[0] / columns
    titles = _titles(panels, share)
    handles: dict[str, Line2D] = {}
    cut = 0
    for axes, panel, text in zip(grid.flat, panels, titles, strict=False):
        axes.set_title(text, fontsize="medium")
        cut += _fill(axes, panel, handles)
        axes.set_xlabel(printable(panel.x_label or chart.x_label))
        if chart.whole:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[:, 0]:
        axes.set_ylabel(view.y_label)
    title = printable(chart.title)
    if len(view.panels) > len(panels):
        title += f" (the first {len(panels)} of {len(view.panels)} panels)"
    points = (p for panel in panels for series in panel.series for p in series.points)
    if bands and any(p.low is not None for p in points):
        title += f"; bands are {bands}"
    heading = wrapped(title, INCH * size[0] - 20, "large")
    figure.suptitle(heading)
    taller = sum(max(_more(text) for text in titles[i : i + columns]) * LINE_OF["medium"]
                 for i in range(0, len(titles), columns))  # fmt: skip
    taller += _more(heading) * LINE_OF["large"]
    if 0 < len(handles) <= 16:
        if cut:
            head: dict[str, Any] = dict(marker="^", markerfacecolor="white", linestyle="none")
            handles["interval goes on"] = Line2D([], [], color=CONTROL_COLOUR, **head)
        taller += _add_legend(figure, handles, columns, share)
    figure.set_figheight(size[1] + taller)
    return figure


# --- what is written around panels --------------------------------------------------------------

INCH = 72.0
"""In points."""
LINE_OF = {"small": 0.15, "medium": 0.18, "large": 0.21}
"""Height of a line of letters of a size, in inches."""


def wrapped(text: str, width: float, size: str) -> str:
    """A text in lines of at most `width` points, between words or, in long ones, letters."""
    font = FontProperties(size=size)
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if _width(longer, font) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and _width(lines[-1] + letter, font) > width:
                lines.append("")
            lines[-1] += letter
    return "\n".join(lines)


def _width(text: str, font: FontProperties) -> float:
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]


def _more(text: str) -> int:
    """Lines beyond the first."""
    return text.count("\n")


def _titles(panels: Sequence[Panel], share: float) -> list[str]:
    """Titles no wider than their axes, which have names of references beside them.

    Args:
        panels: of one figure.
        share: a panel's share of the figure's width, in points.
    """
    small = FontProperties(size="small")
    names = (_width(printable(r.name), small) for panel in panels for r in panel.references)
    room = max(share / 2, share - max(names, default=0.0) - 40)
    return [wrapped(printable(panel.title), room, "medium") for panel in panels]


def _add_legend(figure: Figure, handles: dict[str, Line2D], columns: int, share: float) -> float:
    """A legend below the panels, within the figure; returns how much taller it makes this."""
    small = FontProperties(size="small")
    letter = small.get_size_in_points()
    beside = 6 * letter  # a sample of the line, and what is between columns
    names = [wrapped(name, share - beside, "small") for name in handles]
    widths = [max(_width(line, small) for line in name.split("\n")) + beside for name in names]
    heights = [1 + _more(name) for name in names]
    count = next(
        (
            n for n in range(min(2 * columns, len(names)), 1, -1)
            if sum(max(part) for part in np.array_split(widths, n)) <= share * columns
        ),
        1,
    )  # fmt: skip
    figure.legend(
        list(handles.values()),
        names,
        loc="outside lower center",
        ncols=count,
        handlelength=3,
        frameon=False,
        fontsize="small",
    )
    return (max(sum(part) for part in np.array_split(heights, count)) - 1) * LINE_OF["small"]


# --- what is in panels --------------------------------------------------------------------------


def limits_of(panels: Sequence[Panel]) -> tuple[float, float]:
    """The range of y that all panels share, as on the page; few wild intervals do not stretch it.

    An interval's end counts where it lies no further out than half the range of the values, or
    where intervals are commonly that wide.
    """
    heights = [end for panel in panels for end in panel.diagonal or ()]
    heights += [reference.y for panel in panels for reference in panel.references]
    ends, reaches = [], []
    for point in (p for panel in panels for series in panel.series for p in series.points):
        heights.append(point.y)
        if point.low is not None and point.high is not None:
            ends += [point.low, point.high]
            reaches.append(max(point.high - point.y, point.y - point.low))
    heights = [y for y in heights if math.isfinite(y)]
    if not heights:
        return 0.0, 1.0
    bottom, top = min(heights), max(heights)
    common = [reach for reach in reaches if math.isfinite(reach)]
    room = max((top - bottom) / 2, 1.5 * statistics.median(common) if common else 0.0)
    inside = heights + [y for y in ends if bottom - room < y < top + room]
    margin = 0.05 * (max(inside) - min(inside) or 1.0)
    return min(inside) - margin, max(inside) + margin


def _fill(axes: Axes, panel: Panel, handles: dict[str, Line2D]) -> int:
    """Draws a panel; returns how many ends of intervals lie beyond it."""
    for reference in panel.references:
        axes.axhline(reference.y, color="black", linewidth=1, linestyle=":")
        if reference.low is not None and reference.high is not None:
            axes.axhspan(reference.low, reference.high, color="black", alpha=0.06, linewidth=0)
    if panel.diagonal:
        axes.plot([0, 1], panel.diagonal, ":", color="black", linewidth=1)
    curves = sum(s.style == "curve" for s in panel.series)
    cut = 0
    for series in panel.series:
        style = _style(series, curves)
        cut += _draw(axes, series, style)
        sample = Line2D([], [], color=style.colour, marker=style.marker, linestyle=style.line)
        handles.setdefault(printable(series.name), sample)
    _name_references(axes, panel.references)
    return cut


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
    dashes = DASHES[series.slot % len(DASHES)]
    if series.style == "control":
        return Style(CONTROL_COLOUR, "", dashes)
    if series.style == "assistant":
        return Style("black", ASSISTANT_MARKERS[series.slot % len(ASSISTANT_MARKERS)], dashes)
    if series.style == "scatter":
        return Style(COLOURS[series.slot % len(COLOURS)], marker, "")
    if curves > MANY:
        return Style(plt.get_cmap("viridis")(0.95 * series.slot / curves), "", "-")
    return Style(COLOURS[series.slot % len(COLOURS)], marker, "-")


def _draw(axes: Axes, series: Series, style: Style) -> int:
    x, y = [p.x for p in series.points], [p.y for p in series.points]
    axes.plot(x, y, linestyle=style.line or "none", marker=style.marker or None,
              color=style.colour, markersize=4, linewidth=1.5)  # fmt: skip
    banded = [p for p in series.points if p.low is not None and p.high is not None]
    if banded:
        bx, low, high = zip(*((p.x, p.low, p.high) for p in banded), strict=True)
        axes.fill_between(bx, low, high, color=style.colour, alpha=0.15, linewidth=0)
        if len(banded) == 1:  # a band needs two points
            axes.vlines(bx, low, high, color=style.colour)
    return _mark_ends(axes, banded, style)


def _mark_ends(axes: Axes, banded: Sequence[Point], style: Style) -> int:
    """An arrow head at the edge of the axes where an interval goes on beyond it."""
    bottom, top = axes.get_ylim()
    above = [p.x for p in banded if p.high is not None and p.high > top]
    below = [p.x for p in banded if p.low is not None and p.low < bottom]
    for marker, edge, xs in (("^", top, above), ("v", bottom, below)):
        if xs:  # a line of no points would upset the layout
            axes.plot(xs, [edge] * len(xs), linestyle="none", marker=marker, color=style.colour,
                      markerfacecolor="white", markersize=5, clip_on=False,
                      zorder=3)  # fmt: skip
    return len(above) + len(below)
