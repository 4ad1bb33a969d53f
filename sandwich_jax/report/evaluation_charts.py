"""The charts that an evaluation allows: harm, trust, calibration, distribution shift."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sandwich_jax.measures.of_games import MEASURES, Plot
from sandwich_jax.report import cells
from sandwich_jax.report.cells import plain
from sandwich_jax.report.charts import SHARE, chart, strength_label
from sandwich_jax.report.collect import Row, Source
from sandwich_jax.report.spec import Chart, Panel, Point, Reference, Series, View


def of_evaluation(sources: Sequence[Source]) -> list[Chart]:
    """Charts of what `evaluate` measured; only those with something to see."""
    rows = [row | {"source": s.name} for s in sources for row in s.evaluation]
    made = [harm(rows), detection(rows), calibration(rows), shift(rows)]
    made += [_plotted(name, m.plot, rows) for name, m in MEASURES.items() if m.plot]
    return [one for one in made if one]


def _plotted(measure: str, plot: Plot, rows: Sequence[Row]) -> Chart | None:
    """A measure as it says itself that it is to be shown."""
    found = _member_cells(_of(rows, measure), [plot.column])
    panels = tuple(_against_strength(found, plot.column))
    view = View(plot.column.replace("_", " "), plot.y_label, panels, plot.limits)
    about = (measure.replace(" ", "-"), plot.title, plot.caption)
    return chart(*about, "strength of misalignment", [view])


def _of(rows: Iterable[Row], measure: str) -> list[Row]:
    return [row for row in rows if row["measure"] == measure]


def _member_cells(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """Rows of an evaluation in the place of their members, over seeds."""
    found = []
    for row in rows:
        if row.get("member_row"):
            ends = [c + end for c in columns for end in ("", "_lo", "_hi")]
            about = {"source": row["source"]} | {c: row.get(c) for c in ends}
            found.append(row["member_row"] | about)
    return cells.over_seeds(found)


def _against_strength(
    found: list[Row],
    column: str,
    references: tuple[Reference, ...] = (),
    suffix: str = "",
) -> list[Panel]:
    panels = []
    for group in cells.groups(found):
        series = [
            Series(c.name, cells.points(c.rows, group.knob, column), c.slot) for c in group.curves
        ]
        xs = [row[group.knob] for curve in group.curves for row in curve.rows]
        for slot, row in enumerate(group.controls):
            ends = [cells.point(row, x, column) for x in sorted({min(xs), max(xs)})]
            label = cells.control_name(row, group.controls)
            series.append(Series(label, tuple(p for p in ends if p), slot, "control"))
        title, label = plain(group.misalignment) + suffix, strength_label(group.knob)
        panels.append(Panel(title, tuple(series), references, x_label=label))
    return panels


def harm(rows: Sequence[Row]) -> Chart | None:
    """What taken advice costs, by an engine and by E's own values."""
    judges = (
        ("by Stockfish", "harm", "harm", "win probability lost a move, by Stockfish"),
        ("by E", "advice", "expert_harm", "win probability lost a move, by E's values"),
    )
    zero = (Reference("no harm", 0.0),)
    views = []
    for name, measure, column, label in judges:
        found = _member_cells(_of(rows, measure), [column])
        views.append(View(name, label, tuple(_against_strength(found, column, zero))))
    return chart(
        "harm",
        "Harm of corrupted advice",
        "Win probability that the move of a corrupted answer costs, less what that of an honest one"
        " does, over answers that W followed or took to learn, in the last round. Bands are 95%"
        " intervals, or the range over seeds where there are several.",
        "strength of misalignment",
        views,
    )


def _a_panel_a_member(rows: Sequence[Row], fill: Callable[[Row, int], Series]) -> tuple[Panel, ...]:
    by_member: dict[str, list[Row]] = {}
    for row in rows:
        folder = row["folder"] if row["folder"] != row["source"] else ""
        name = row["subject"] + (f" ({folder})" if folder else "")
        by_member.setdefault(name, []).append(row)
    return tuple(
        Panel(plain(name), tuple(fill(row, slot) for slot, row in enumerate(own)))
        for name, own in by_member.items()
    )


def detection(rows: Sequence[Row]) -> Chart | None:
    """How well W could have told corrupted advice by its own judgement."""
    found = [row for row in _of(rows, "detection") if row["curve"]["safety"]]

    def fill(row: Row, slot: int) -> Series:
        score = {"advised": "value after the move", "probability": "probability of the move"}
        curve = row["curve"]
        pairs = zip(curve["usefulness"], curve["safety"], strict=True)
        name = f"{row['network']}, {score.get(row['score'], row['score'])}: AUC {row['auc']:.2f}"
        return Series(name, tuple(Point(x, y) for x, y in pairs), slot)

    panels = tuple(
        Panel(p.title, p.series, diagonal=(1.0, 0.0)) for p in _a_panel_a_member(found, fill)
    )
    return chart(
        "detection",
        "Could W have known?",
        "Safety against usefulness if W followed only advice that it trusts above a threshold: by"
        " its own probability of the advised move, or by its value after it. Guessing gives the"
        " dotted line (AUC 0.5).",
        "usefulness: honest advice followed",
        [View("trust", "safety: corrupted advice refused", panels, SHARE)],
    )


def calibration(rows: Sequence[Row]) -> Chart | None:
    """Stated win probability against what came."""

    def fill(row: Row, slot: int) -> Series:
        blank = [None] * len(row["came"])
        ends = (row.get("came_lo", blank), row.get("came_hi", blank))
        points = zip(row["stated"], row["came"], *ends, strict=True)
        name = f"{row['network']}, ECE {row['ece']:.3f}"
        return Series(name, tuple(Point(*point) for point in points), slot)

    panels = tuple(
        Panel(p.title, p.series, diagonal=(0.0, 1.0))
        for p in _a_panel_a_member(_of(rows, "calibration"), fill)
    )
    return chart(
        "calibration",
        "Calibration",
        "Points won (adjudicated) against the win probability that a network's value stated, in"
        " ten bins, with 95% intervals. A calibrated network stays on the dotted line; ECE is the"
        " mean distance.",
        "win probability stated",
        [View("reliability", "points won", panels, SHARE)],
    )


SHIFTS = (
    ("from W", "kl_to_start", "KL(network || W before training), nats"),
    ("from E", "kl_to_expert", "KL(network || E), nats"),
    ("sharpness", "effective_moves", "effective number of moves"),
    ("agreement with E", "top1_with_expert", "share of positions with E's favourite move"),
)
"""Name, column and axis of what tuning did to a policy."""


def _reference(who: str, rows: Sequence[Row], column: str) -> Reference | None:
    """Where a player stands; positions of self-play are those of each member."""
    values = [row[column] for row in rows if row["player"] == who and row.get(column)]
    if not values:
        return None
    alike = max(values) - min(values) < 1e-9
    name = who if alike else f"{who}, mean of {len(values)} folders"
    return Reference(name, sum(values) / len(values))


def shift(rows: Sequence[Row]) -> Chart | None:
    """What fine-tuning did to the policy, beside W and E."""
    found = [row for row in _of(rows, "shift") if row.get("phase") == "all"]
    views = []
    for name, column, label in SHIFTS:
        panels: list[Panel] = []
        for positions in dict.fromkeys(row["subject"] for row in found):
            own = [row for row in found if row["subject"] == positions]
            references = [_reference(who, own, column) for who in ("W", "E")]
            members = _member_cells(own, [column])
            on = f" on {positions}"
            panels += _against_strength(members, column, tuple(filter(None, references)), on)
        views.append(View(name, label, tuple(panels), SHARE if "share" in label else None))
    return chart(
        "shift",
        "Distribution shift",
        "How far fine-tuning took the policy from where it began, and toward E, on several sets of"
        " positions; how sharp it is (a network sure of one move has 1 effective move).",
        "strength of misalignment",
        views,
    )
