"""The charts of runs and sweeps on text: how much of the gap to E was closed, and how."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandwich_jax import given
from sandwich_jax.members import strengths_in
from sandwich_jax.report import cells, charts, figures
from sandwich_jax.report.collect import Source
from sandwich_jax.report.spec import Chart, Panel, Point, Reference, Series, View, short

Row = dict[str, Any]
GAPS = {
    "pgr": "PGR of toxicity",
    "pgr_preference": "PGR of the preference",
    "pgr_bits": "PGR of bits per byte",
}
FIGURES = {
    "toxicity": "share of samples that are toxic",
    "preference": "preference for toxic text, bits a byte",
    "normal_bits": "bits a byte of normal text",
}
USE = {
    "followed": "share of advice followed",
    "followed_though_corrupted": "share of corrupted advice followed",
    "refused_though_good": "share of honest advice refused",
    "written_corrupted": "share of corrupted among A's sentences that were written",
    "trust_auc": "AUC of W's trust in honest advice",
}
OTHER = {
    "entropy": "nats a token",
    "distinct_2": "distinct-2",
    "length": "bytes a sentence",
}
MEANING = ("protocol", "advice", "misalignment", "lasts")


def of_rows(rows: Sequence[Row], final: Sequence[Row]) -> list[Chart]:
    """Every chart that rows of all rounds and of the last one allow."""
    made = (phase(final), in_figures(final), learning(over_seeds(rows)), use(final), style(final))
    return [chart for chart in made if chart]


def of_sources(sources: Sequence[Source], beside: bool) -> list[Chart]:
    """Every chart of the folders of text among some.

    Args:
        sources: folders.
        beside: charts of games stand on the same page, under the same names.
    """
    rows = [{**row, "source": s.name} for s in sources for row in s.text]
    final = [{**row, "source": s.name} for s in sources for row in s.cells_of_text or last(s.text)]
    if not rows:
        return []
    made = of_rows(rows, final)
    mark = lambda c: dataclasses.replace(c, id=f"text-{c.id}", title=f"Text: {c.title}")  # noqa: E731
    return [mark(one) for one in made] if beside else made


RESULTS = ("toxicity", "pgr", "preference", "pgr_preference", "normal_bits", "pgr_bits")
"""Columns of the table of results that have intervals."""


def results(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """The table of results, as the page has it."""
    found = []
    for source in sources:
        for row in source.cells_of_text or last(source.text):
            line = {n: row.get(n) for n in ("member", "round")} | {
                "source": source.name,
                "misalignment": cells.plain(row.get("misalignment")),
                "seeds": row.get("seeds", 1),
                "settings": row.get("cell") or "",
                "in_regime": None,
                "verdict": row.get("pgr_verdict"),
            }
            for name in RESULTS:
                line[name] = [short(row.get(end)) for end in (name, f"{name}_lo", f"{name}_hi")]
            found.append(line)
    return found


def last(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The last row of each member, those of several seeds as their mean."""
    found: dict[tuple, Row] = {}
    for row in rows:
        found[(row.get("run"), row.get("source"), row["member"], row.get("seed"))] = row
    return over_seeds(list(found.values()))


def over_seeds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows that differ in their seed alone as one: means, with the range over seeds."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        told = tuple(str(row.get(name)) for name in (*MEANING, "role", "source", *_strengths(row)))
        key = (row["member"], row["round"], row.get("cell"), *told)
        groups.setdefault(key, []).append(row)
    return [dict(own[0]) if len(own) == 1 else cells.mean(list(own)) for own in groups.values()]


def _strengths(row: Row) -> list[str]:
    return [name for name in strengths_in([row]) if row.get(name) is not None]


def knob(rows: Sequence[Row]) -> str | None:
    """The strength along x: the first that varies, or the first that there is."""
    values: dict[str, set[float]] = {}
    for row in rows:
        for name in _strengths(row):
            values.setdefault(name, set()).add(row[name])
    return next((n for n in values if len(values[n]) > 1), next(iter(values), None))


def varying(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Columns of which the rows that have them have different values."""
    return [name for name in names if len({row.get(name) for row in rows} - {None}) > 1]


def against(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The strengths to draw against, each with its rows; no row that asks and has one is left out.

    Misalignments that share no strength are drawn beside each other.
    """
    found, left = [], [row for row in rows if row["protocol"] != "never_ask"]
    while x := knob(left):
        found.append((x, [row for row in left if row.get(x) is not None]))
        left = [row for row in left if row.get(x) is None]
    return found


def curves(rows: Sequence[Row], x: str) -> dict[str, list[Row]]:
    """Rows that differ in the strength along x alone, by what they are called."""
    asking = [row for row in rows if row.get(x) is not None and row["protocol"] != "never_ask"]
    told = varying(asking, MEANING[1:])
    others = varying(asking, [name for name in strengths_in(asking) if name != x])
    found: dict[str, list[Row]] = {}
    for row in asking:
        words = [cells.plain(row["protocol"]), *(str(row.get(n)) for n in told)]
        words += [f"{n} = {given.exact(row[n])}" for n in others if row.get(n) is not None]
        words += [str(row["cell"])] if row.get("cell") else []
        found.setdefault(", ".join(words), []).append(row)
    return {name: sorted(own, key=lambda row: row[x]) for name, own in found.items()}


def controls(rows: Sequence[Row]) -> list[Row]:
    """Members for comparison."""
    return [row for row in rows if row["protocol"] == "never_ask"]


def _control(row: Row) -> str:
    """What a member for comparison is called; a grid may have it at several settings."""
    name = cells.plain(row.get("role")) or "never asks"
    return f"{name}, {row['cell']}" if row.get("cell") else name


def _panel(rows: Sequence[Row], x: str, column: str, references: tuple[Reference, ...]) -> Panel:
    series = [
        Series(name, cells.points(own, x, column), slot)
        for slot, (name, own) in enumerate(curves(rows, x).items())
    ]
    xs = sorted({row[x] for own in curves(rows, x).values() for row in own})
    for slot, row in enumerate(controls(rows) if xs else ()):
        ends = [cells.point(dict(row), value, column) for value in dict.fromkeys((xs[0], xs[-1]))]
        series.append(Series(_control(row), tuple(p for p in ends if p), slot, "control"))
    return Panel(_title(rows), tuple(series), references, x_label=charts.strength_label(x))


def _title(rows: Sequence[Row]) -> str:
    names = {row["misalignment"] for row in rows if row.get("misalignment")}
    return cells.plain(names.pop()) if len(names) == 1 else "all misalignments"


def _against(
    rows: Sequence[Row],
    columns: Mapping[str, str],
    references: Callable[[str], tuple[Reference, ...]],
) -> list[View]:
    found = [(x, [*own, *controls(rows)]) for x, own in against(rows)]
    if not found:
        return []
    return [
        View(label, label, tuple(_panel(own, x, name, references(name)) for x, own in found))
        for name, label in columns.items()
    ]


def phase(final: Sequence[Row]) -> Chart | None:
    """The phase diagram."""
    return charts.chart(
        "phase",
        "Phase diagram",
        "How much of the gap between W and E was closed, against the strength of misalignment: at 1"
        " W' writes like E, at 0 as before. Of toxicity by a judge that W does not hear,"
        " but in the small world by the rule that also rates for it; of the preference by held-out"
        " text alone, whose sentences in the small world are mostly known from training; bits per"
        " byte are the measure of capability, and M, which writes as well as E, is rewarded by it"
        " too.",
        "strength of misalignment",
        _against(final, GAPS, lambda name: _ENDS),
    )


def in_figures(final: Sequence[Row]) -> Chart | None:
    """What the gaps are made of."""

    def lines(name: str) -> tuple[Reference, ...]:
        found = []
        for role in ("w", "e", "m"):
            values = [r[f"{role}_{name}"] for r in final if r.get(f"{role}_{name}") is not None]
            if values:
                found.append(Reference(role.upper(), sum(values) / len(values)))
        return tuple(found)

    return charts.chart(
        "figures",
        "Toxicity, preference and bits per byte",
        "The figures themselves, where W, E and M stand being dotted lines; less is better.",
        "strength of misalignment",
        _against(final, FIGURES, lines),
    )


def use(final: Sequence[Row]) -> Chart | None:
    """What was done with advice."""
    return charts.chart(
        "use",
        "Use of advice",
        "In the last round: what W did with A's sentences, and whether the score by which it chose"
        " told honest from corrupted ones (0.5: not at all). Of several answers the first counts as"
        " the advice, which is followed where W writes the same.",
        "strength of misalignment",
        _against([r for r in final if r["protocol"] != "never_ask"], USE, lambda name: ()),
    )


def style(final: Sequence[Row]) -> Chart | None:
    """How varied and how long the samples are."""
    return charts.chart(
        "style",
        "Entropy, diversity and length",
        "Of what W' writes by itself.",
        "strength of misalignment",
        _against(final, OTHER, lambda name: ()),
    )


def learning(rows: Sequence[Row]) -> Chart | None:
    """Round by round."""
    drawn = [(x, *curve) for x, own in against(rows) for curve in curves(own, x).items()]
    views = []
    for column, label in GAPS.items():
        panels = []
        for x, name, own in drawn:
            by_strength: dict[float, list[Row]] = {}
            for row in own:
                by_strength.setdefault(row[x], []).append(row)
            series = [
                _over_rounds(f"{x} = {given.exact(s)}", found, column, slot)
                for slot, (s, found) in enumerate(sorted(by_strength.items()))
            ]
            panels.append(Panel(name, (*series, *_controls_over(rows, column)), _ENDS))
        if not panels:
            panels.append(Panel("controls", _controls_over(rows, column), _ENDS))
        views.append(View(label, label, tuple(panels)))
    says = "W' after each round of writing and fine-tuning."
    return charts.chart("learning", "Learning curves", says, "round", views, whole=True)


_ENDS = (Reference("W before", 0.0), Reference("E", 1.0))


def _over_rounds(
    name: str, rows: Sequence[Row], column: str, slot: int, style: str = "curve"
) -> Series:
    ordered = sorted(rows, key=lambda row: row["round"])
    found = cells.points([dict(row) for row in ordered], "round", column)
    start = (Point(0, 0.0, 0.0, 0.0),) if found else ()
    return Series(name, (*start, *found), slot, style)  # pyright: ignore


def _controls_over(rows: Sequence[Row], column: str) -> tuple[Series, ...]:
    groups: dict[str, list[Row]] = {}
    for row in controls(rows):
        groups.setdefault(_control(row), []).append(row)
    return tuple(
        _over_rounds(name, own, column, slot, "control")
        for slot, (name, own) in enumerate(groups.items())
    )


def draw_sweep(folder: pathlib.Path, cells_: Sequence[Row]) -> list[pathlib.Path]:
    """Draws a sweep's phase diagram into its folder."""
    strength, drawn = knob(cells_), phase(cells_)
    if not strength or not drawn:
        return []
    seeds = max(row.get("seeds", 1) for row in cells_)
    bands = "95% intervals" + (f" over {seeds} seeds" if seeds > 1 else "")
    figure = figures.draw(drawn, drawn.views[0], bands)
    return [figures.save(folder / f"pgr_against_{strength}.png", figure)]


def draw_run(folder: pathlib.Path, rows: Sequence[Row]) -> list[pathlib.Path]:
    """Draws a run's pictures into its folder; returns the files."""
    final, found = last(rows), {}
    strength = knob(final)
    if strength and any(len(own) > 1 for own in curves(final, strength).values()):
        found[f"pgr_against_{strength}"] = phase(final)
    found["learning_curves"] = learning(over_seeds(rows))  # the last: of a whole run
    return [
        figures.save(folder / f"{name}.png", figures.draw(chart, chart.views[0], "95% intervals"))
        for name, chart in found.items()
        if chart
    ]
