"""A chart as plain data: what the page draws with JavaScript and a figure with matplotlib."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple


class Point(NamedTuple):
    """A figure with its 95% interval, where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Series:
    """One curve."""

    name: str
    points: tuple[Point, ...]
    slot: int
    """Its colour and marker: the same for the same name all over a chart; see `style`."""
    style: Literal["curve", "control", "assistant", "scatter"] = "curve"


@dataclasses.dataclass(frozen=True)
class Reference:
    """A horizontal line, such as where E stands."""

    name: str
    y: float
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Panel:
    """Curves in one frame."""

    title: str
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    diagonal: tuple[float, float] | None = None
    """A dotted line from this height at x = 0 to that at x = 1."""
    x_label: str | None = None
    """Where it is not the chart's."""


@dataclasses.dataclass(frozen=True)
class View:
    """One way to see a chart, such as in Elo instead of PGR."""

    name: str
    y_label: str
    panels: tuple[Panel, ...]
    limits: tuple[float, float] | None = None
    """Of y, where it cannot go further, as a share cannot."""


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart with what a reader needs to know of it."""

    id: str
    title: str
    caption: str
    x_label: str
    views: tuple[View, ...]
    whole: bool = False
    """x takes whole numbers only."""


def has_points(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """Those in which there is something to see."""
    kept = []
    for panel in panels:
        series = tuple(s for s in panel.series if s.points)
        if any(s.style != "control" for s in series) or (series and panel.references):
            kept.append(dataclasses.replace(panel, series=series))
    return tuple(kept)


def to_json(chart: Chart) -> dict[str, Any]:
    """Short names of points and few digits, since a report may hold ten thousands of them."""
    return {
        "id": chart.id,
        "title": chart.title,
        "caption": chart.caption,
        "x": chart.x_label,
        "whole": chart.whole,
        "views": [
            {
                "name": v.name,
                "y": v.y_label,
                "limits": v.limits,
                "panels": [_panel(p) for p in v.panels],
            }
            for v in chart.views
        ],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    return {
        "title": panel.title,
        "x": panel.x_label,
        "diagonal": panel.diagonal,
        "references": [
            {"name": r.name, "y": short(r.y), "low": short(r.low), "high": short(r.high)}
            for r in panel.references
        ],
        "series": [
            {
                "name": s.name,
                "slot": s.slot,
                "style": s.style,
                "points": [[short(v) for v in point] for point in s.points],
            }
            for s in panel.series
        ],
    }


def short(value: float | None) -> float | int | None:
    """Four digits; None for what is no finite number."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded
