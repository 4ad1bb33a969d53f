"""Pictures of a finished sweep."""

from __future__ import annotations

import pathlib
from typing import Any

from sandwich_jax import identity
from sandwich_jax.config import default_of
from sandwich_jax.folders import places
from sandwich_jax.members import CONTROL, strengths_in
from sandwich_jax.report import charts, figures, pictures
from sandwich_jax.running.phase import Phase


def draw(folder: pathlib.Path, found: Phase) -> None:
    """PGR against every strength that the grid varies, a picture a curve."""
    for entry in found.critical:
        own = [row for row in found.rows if _on_curve(row, entry)]
        name = places.slug(f"pgr-{entry['misalignment']}-{entry['protocol']}{_rest(entry)}")
        chart = charts.phase(own)
        if chart:
            figures.save(
                folder / f"{name}.png", figures.draw(chart, chart.views[0], pictures.INTERVALS)
            )


def _rest(entry: dict[str, Any]) -> str:
    """What a curve has other than by default: names stay short, and the same as a grid grows."""
    names = [name for name in identity.column_names() if name not in identity.KINDS]
    changed = [name for name in names if entry[name] not in (None, default_of(name))]
    changed += [name for name in strengths_in([entry]) if entry[name] is not None]
    return "".join(f"-{name}={identity.text(entry[name])}" for name in changed)


def _on_curve(row: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether a row is of this curve, or of the control that it is laid beside."""
    names = list(identity.column_names())
    if row["protocol"] == CONTROL:
        return all(row[name] in (None, entry[name]) for name in names if name != "protocol")
    names += [name for name in strengths_in([row, entry]) if name != entry["strength"]]
    return all(row.get(name) == entry.get(name) for name in names)
