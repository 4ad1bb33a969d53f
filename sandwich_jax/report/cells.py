"""Members of runs and sweeps as the curves of a chart: what varies, along which strength."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sandwich_jax import identity
from sandwich_jax.members import strengths_in
from sandwich_jax.report.collect import Row, Source, is_control
from sandwich_jax.report.spec import Point


class Curve(NamedTuple):
    """Cells that differ in one strength alone."""

    name: str
    slot: int
    rows: list[Row]


class Group(NamedTuple):
    """The curves of one misalignment."""

    misalignment: str
    knob: str
    """The strength along x."""
    curves: list[Curve]
    controls: list[Row]
    """Cells that never ask; they depend on no strength."""


def cells(sources: Sequence[Source]) -> list[Row]:
    """One row a cell of all sources: a sweep's own grid, or what members reached at last."""
    found = []
    for source in sources:
        rows = source.grid or over_seeds(source.last)
        found += [row | {"source": source.name} for row in rows]
    return found


def rounds(sources: Sequence[Source]) -> list[Row]:
    """One row a round a cell of all sources, over seeds."""
    return [row | {"source": source.name} for source in sources for row in over_seeds(source.rows)]


def over_seeds(rows: Iterable[Row]) -> list[Row]:
    """Rows that differ in their seed alone as one: means, with the range of seeds as interval."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        # By name as well: a damaged row may have lost its strength.
        groups.setdefault((row["member"], row["round"], *identity.of_row(row)), []).append(row)
    return [own[0] if len(own) == 1 else mean(own) for own in groups.values()]


def mean(rows: list[Row]) -> Row:
    """Means of what are numbers in all rows; of the rest what they agree on."""
    mean: Row = {}
    for name in rows[0]:
        values = [row.get(name) for row in rows]
        base = name.removesuffix("_lo").removesuffix("_hi")
        own = _are_numbers([row.get(base) for row in rows])
        if base != name and base in rows[0]:
            mean[name] = (
                (min if name.endswith("_lo") else max)(r[base] for r in rows) if own else None
            )
        elif name in ("member", "round", *strengths_in(rows)):
            mean[name] = values[0]
        elif own:
            mean[name] = float(np.mean(values))  # pyright: ignore
        else:
            mean[name] = values[0] if all(value == values[0] for value in values) else None
    return mean | {"seeds": len(rows)}


def _are_numbers(values: list[Any]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


def groups(found: Sequence[Row]) -> list[Group]:
    """Curves by misalignment; slots are the same for the same curve in all of them."""
    asking = [row for row in found if not is_control(row)]
    controls = [row for row in found if is_control(row)]
    varied = differing(asking)
    slots: dict[str, int] = {}
    result = []
    for misalignment in dict.fromkeys(row["misalignment"] for row in asking):
        own = [row for row in asking if row["misalignment"] == misalignment]
        knob = _knob(own)
        if knob is None:
            continue
        placed = [row for row in own if row.get(knob) is not None]
        others = [n for n in strengths_in(own) if n != knob]
        curves: dict[tuple, list[Row]] = {}
        for row in placed:
            curves.setdefault(identity.of_row(row | {knob: None}), []).append(row)
        names = _distinct(
            curve_name(rows[0], varied, identity.varied(placed, others)) for rows in curves.values()
        )
        named = [
            Curve(
                name,
                slots.setdefault(name, len(slots)),
                sorted(rows, key=operator.itemgetter(knob)),
            )
            for name, rows in zip(names, curves.values(), strict=True)
        ]
        result.append(Group(misalignment, knob, named, controls))
    return result


def _knob(rows: list[Row]) -> str | None:
    """The first strength that varies, or the first that there is."""
    names = strengths_in(rows)
    values = {n: {row[n] for row in rows if row.get(n) is not None} for n in names}
    there = [n for n in values if values[n]]
    return next((n for n in there if len(values[n]) > 1), there[0] if there else None)


def _settings(row: Row) -> Row:
    return {"source": row.get("source")} | (row.get("settings") or identity.settings_of(row, {}))


def differing(rows: Sequence[Row]) -> list[str]:
    """Settings that these rows differ in, beside protocol, misalignment and strengths.

    A setting counts only among those that depend on it.
    """
    every = [_settings(row) for row in rows]
    names = dict.fromkeys(name for settings in every for name in settings)
    return identity.varied(every, [name for name in names if name not in identity.KINDS])


def words(row: Row, names: Sequence[str]) -> list[str]:
    """These settings of a row, as far as it depends on them."""
    told = {n: identity.text(v) for n, v in _settings(row).items() if n in names and v is not None}
    return [told[n] if n == "source" else f"{plain(n)} {told[n]}" for n in names if n in told]


def curve_name(row: Row, varied: Sequence[str], strengths: Sequence[str]) -> str:
    """What a curve is called: its protocol, and what tells it from others."""
    given = [f"{n} = {identity.text(row[n])}" for n in strengths if row.get(n) is not None]
    return ", ".join([plain(row["protocol"]), *words(row, varied), *given])


def control_name(row: Row, controls: Sequence[Row]) -> str:
    """What a control is called beside others."""
    return ", ".join(["never asks (control)", *words(row, differing(controls))])


def _distinct(names: Iterable[str]) -> list[str]:
    """Names with a number behind those that come again."""
    found: list[str] = []
    for name in names:
        again = (f"{name} ({count})" for count in itertools.count(2))
        found.append(name if name not in found else next(n for n in again if n not in found))
    return found


def plain(name: str | None) -> str:
    """A setting's or kind's name as a reader reads it; nothing where there is none."""
    return (name or "").replace("_", " ")


def point(row: Row, x: float, name: str, scale: Callable[[float], float] = float) -> Point | None:
    """A column of a row with its interval; None where the row has none."""
    if row.get(name) is None:
        return None
    ends = [row.get(f"{name}{end}") for end in ("_lo", "_hi")]
    low, high = (None if end is None else scale(end) for end in ends)
    return Point(x, scale(row[name]), low, high)


def points(rows: Iterable[Row], x: str, name: str) -> tuple[Point, ...]:
    """A column of rows along another; rows without it are skipped."""
    found = (point(row, row[x], name) for row in rows if row.get(x) is not None)
    return tuple(p for p in found if p)
