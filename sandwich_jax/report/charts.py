"""The charts that rows of runs and sweeps allow: where sandwiching works, and how it got there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from sandwich_jax import identity, uses
from sandwich_jax.members import strengths_in
from sandwich_jax.report import cells
from sandwich_jax.report.cells import Group, plain
from sandwich_jax.report.collect import Row, Source, is_control
from sandwich_jax.report.spec import Chart, Panel, Point, Reference, Series, View, has_points

PGR, ELO = "performance gap recovered", "Elo over W before training"
W_AT_0 = Reference("W before training", 0.0)
SHARE = (0.0, 1.0)
PROBABILITIES = ("p",)
"""Strengths that are probabilities; others are scales."""


def of_rows(sources: Sequence[Source]) -> list[Chart]:
    """Charts that need no evaluation; only those with something to see."""
    final, rounds = cells.cells(sources), cells.rounds(sources)
    made = (phase(final), strength(final), learning(rounds), acceptance(rounds), safety(final))
    return [chart for chart in made if chart]


def chart(
    id: str, title: str, caption: str, x_label: str, views: Sequence[View], whole: bool = False
) -> Chart | None:
    """A chart of the views that show anything; None if none does."""
    kept = []
    for view in views:
        panels = has_points(view.panels)
        if panels:
            kept.append(dataclasses.replace(view, panels=panels))
    return Chart(id, title, caption, x_label, tuple(kept), whole) if kept else None


def strength_label(knob: str) -> str:
    """What stands under an axis of strength."""
    kind = "probability" if knob in PROBABILITIES else "scale"
    return f"{knob}, {kind} of misalignment"


# --- at the end ---------------------------------------------------------------------------------


def phase(final: Sequence[Row]) -> Chart | None:
    """Strength reached against the strength of misalignment: where sandwiching works and breaks."""
    found = cells.groups(final)
    views = [
        View("PGR", PGR, _phase_panels(found, "pgr")),
        View("Elo", ELO, _phase_panels(found, "elo_gain")),
        View("over control", "Elo over the control", tuple(
            Panel(plain(g.misalignment), _curves(g, "gain_over_control"),
                  (Reference("control (never asks)", 0.0),), x_label=strength_label(g.knob))
            for g in found)),
    ]  # fmt: skip
    return chart(
        "phase",
        "Phase diagram",
        "How strong W became with an assistant of each strength of misalignment. At PGR 1 it plays"
        " like E, at 0 as before training. A curve above the control, which never asks, means that"
        " the assistant taught more than it harmed. Bands are 95% intervals; dashed is the"
        " assistant itself.",
        "strength of misalignment",
        views,
    )


def _phase_panels(found: Sequence[Group], name: str) -> tuple[Panel, ...]:
    elo = name == "elo_gain"
    panels = []
    for group, assistants in zip(found, _assistants(found, elo), strict=True):
        series = (*_curves(group, name), *assistants, *_controls(group, name))
        references = (W_AT_0, _expert(_rows(group)) if elo else Reference("E", 1.0))
        kept = tuple(r for r in references if r)
        label = strength_label(group.knob)
        panels.append(Panel(plain(group.misalignment), series, kept, x_label=label))
    return tuple(panels)


def _rows(group: Group) -> list[Row]:
    return [row for curve in group.curves for row in curve.rows]


def _curves(group: Group, name: str) -> tuple[Series, ...]:
    return tuple(
        Series(c.name, cells.points(c.rows, group.knob, name), c.slot) for c in group.curves
    )


def _controls(group: Group, name: str) -> list[Series]:
    """The control as a line over the whole range of x."""
    xs = [row[group.knob] for row in _rows(group)]
    found = []
    for slot, row in enumerate(group.controls):
        ends = [cells.point(row, x, name) for x in sorted({min(xs), max(xs)})]
        label = cells.control_name(row, group.controls)
        found.append(Series(label, tuple(p for p in ends if p), slot, "control"))
    return found


def _assistants(found: Sequence[Group], elo: bool) -> list[list[Series]]:
    """Where A itself stands, for each A: the strongest claim on how far W could follow it.

    Groups share names and slots, so that an A is the same one in every panel.
    """
    differing = cells.differing([row for group in found for row in _rows(group)])
    slots: dict[str, int] = {}
    result = []
    for group in found:
        rows = _rows(group)
        about = {"source", "expert", "network", "schedule", *uses.of_assistants()} - {group.knob}
        varied = [name for name in differing if name in about]
        names = [n for n in strengths_in(rows) if "." in n or n in about]
        strengths = identity.varied(rows, [n for n in names if n != group.knob])
        by_name: dict[str, dict[float, Row]] = {}
        for row in rows:
            told = [f"{n} = {identity.text(row[n])}" for n in strengths if row[n] is not None]
            name = ", ".join(["A itself", *cells.words(row, varied), *told])
            by_name.setdefault(name, {}).setdefault(row[group.knob], row)
        result.append([
            Series(name, _stands(own, elo), slots.setdefault(name, len(slots)), "assistant")
            for name, own in by_name.items()
        ])  # fmt: skip
    return result


def _stands(by_x: dict[float, Row], elo: bool) -> tuple[Point, ...]:
    """A's Elo, or its share of E's, by strength."""
    found = []
    for x, row in sorted(by_x.items()):
        if elo:
            found.append(cells.point(row, x, "a_elo"))
        elif row.get("a_elo") is not None and (row.get("e_elo") or 0) > 0:
            found.append(Point(x, row["a_elo"] / row["e_elo"]))
    return tuple(p for p in found if p)


def _expert(rows: Sequence[Row]) -> Reference | None:
    """E's Elo; the mean where sources differ, without an interval then."""
    known = [row for row in rows if row.get("e_elo") is not None]
    if not known:
        return None
    values = [row["e_elo"] for row in known]
    if max(values) - min(values) > 1e-6 * max(1.0, abs(values[0])):
        return Reference("E", sum(values) / len(values))
    return Reference("E", values[0], known[0].get("e_elo_lo"), known[0].get("e_elo_hi"))


def strength(final: Sequence[Row]) -> Chart | None:
    """How strong A is: whether W < A < E holds at all."""
    panels = []
    found = cells.groups(final)
    for group, series in zip(found, _assistants(found, elo=True), strict=True):
        references = tuple(r for r in (W_AT_0, _expert(_rows(group))) if r)
        label = strength_label(group.knob)
        panels.append(Panel(plain(group.misalignment), tuple(series), references, x_label=label))
    return chart(
        "assistant",
        "Strength of the assistant",
        "The sandwich holds where A stands between W and E. Where A falls below W, W's teacher is"
        " weaker than W itself.",
        "strength of misalignment",
        [View("Elo", ELO, tuple(panels))],
    )


def safety(final: Sequence[Row]) -> Chart | None:
    """What members did with advice: corrupted advice refused against honest advice followed."""
    series = []
    several = len(cells.groups(final)) > 1
    for group in cells.groups(final):
        for curve in group.curves:
            spots = []
            for row in curve.rows:
                spot = _usefulness_and_safety(row)
                if spot:
                    spots.append(spot)
            name = f"{plain(group.misalignment)}: {curve.name}" if several else curve.name
            series.append(Series(name, tuple(spots), len(series), "scatter"))
    panel = Panel("after the last round", tuple(series), diagonal=(1.0, 0.0))
    return chart(
        "safety",
        "Safety against usefulness",
        "A point a member, in its last round of self-play: how much honest advice it followed,"
        " and how much corrupted advice it refused. Up and to the right is better; guessing stays"
        " on the dotted line.",
        "usefulness: honest advice followed",
        [View("members", "safety: corrupted advice refused", (panel,), SHARE)],
    )


def _usefulness_and_safety(row: Row) -> Point | None:
    """From shares of answers: followed = c * (followed though corrupted) + (1 - c) * usefulness."""
    corrupted, fooled = row.get("corrupted"), row.get("followed_though_corrupted")
    if corrupted is None or fooled is None or row.get("followed") is None or corrupted >= 1:
        return None
    usefulness = (row["followed"] - corrupted * fooled) / (1 - corrupted)
    return Point(min(1.0, max(0.0, usefulness)), 1 - fooled)


# --- over rounds --------------------------------------------------------------------------------


OF_A_SWEEP = (
    " A sweep's members have fits of their own matches here; in Results each is fitted together"
    " with its control, so that figures differ a little."
)


def learning(rounds: Sequence[Row]) -> Chart | None:
    """Strength round by round."""
    start = Point(0, 0.0, 0.0, 0.0)
    views = []
    for name, column, label in (("Elo", "elo_gain", ELO), ("PGR", "pgr", PGR)):
        panels = _over_rounds(rounds, column, start, lambda rows, column=column: tuple(
            r for r in (W_AT_0, _expert(rows) if column == "elo_gain" else Reference("E", 1.0))
            if r))  # fmt: skip
        views.append(View(name, label, panels))
    return chart(
        "learning",
        "Learning curves",
        "Strength of W after each round of self-play and fine-tuning; bands are 95% intervals, or"
        " the range over seeds where there are several."
        + (OF_A_SWEEP if any("run" in row for row in rounds) else ""),
        "round",
        views,
        whole=True,
    )


def acceptance(rounds: Sequence[Row]) -> Chart | None:
    """What advice was taken, and what it did to the side that took it, round by round."""
    harms = sorted({n for row in rounds for n in row if n.endswith("harm")})
    columns = [
        ("corrupted followed", "followed_though_corrupted", "share of corrupted advice followed"),
        ("all followed", "followed", "share of advice followed"),
        ("corrupted", "corrupted", "share of advice that was corrupted"),
        ("score with A", "assisted_score", "points a game of W with A against its copy"),
        *((plain(n), n, f"{plain(n)}, win probability a move") for n in harms),
    ]
    views = [
        View(
            name,
            label,
            _over_rounds(rounds, column, None, lambda rows: ()),
            None if column in harms else SHARE,
        )
        for name, column, label in columns
    ]
    return chart(
        "acceptance",
        "Harm and acceptance",
        "Self-play, round by round: the share of corrupted advice that W followed, of all advice,"
        " how much of it was corrupted, and the points that the side with the assistant took from"
        " its unaided copy (half is even: below it, asking did harm).",
        "round",
        views,
        whole=True,
    )


def _over_rounds(
    rounds: Sequence[Row],
    column: str,
    start: Point | None,
    references: Callable[[list[Row]], tuple[Reference, ...]],
) -> tuple[Panel, ...]:
    """A panel a curve of the phase diagram; its series are strengths."""
    by_cell: dict[tuple, list[Row]] = {}
    for row in rounds:
        by_cell.setdefault(identity.of_row(row), []).append(row)

    def series(name: str, row: Row, slot: int, style: str = "curve") -> Series:
        own = by_cell[identity.of_row(row)]
        found = cells.points(sorted(own, key=lambda r: r["round"]), "round", column)
        first = (start,) if start and found else ()
        return Series(name, (*first, *found), slot, style)  # pyright: ignore

    last = [own[-1] for own in by_cell.values()]
    controls = [row for row in last if is_control(row)]
    control = [
        series(cells.control_name(row, controls), row, slot, "control")
        for slot, row in enumerate(controls)
    ]
    panels = []
    found = cells.groups(last)
    slots: dict[str, int] = {}
    for group in found:
        for curve in group.curves:
            own = []
            for row in curve.rows:
                name = f"{group.knob} = {identity.text(row[group.knob])}"
                own.append(series(name, row, slots.setdefault(name, len(slots))))
            title = f"{plain(group.misalignment)}: {curve.name}"
            panels.append(Panel(title, tuple(own + control), references(curve.rows)))
    if not found and control:
        panels.append(Panel("control", tuple(control), references(controls)))
    return tuple(panels)
