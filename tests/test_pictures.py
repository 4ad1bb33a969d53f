"""What pictures say of the rows that they show."""

import pytest

from sandwich_jax.members import strength_names
from sandwich_jax.report import cells, charts, figures, pictures
from sandwich_jax.report.collect import Source
from sandwich_jax.report.spec import Panel, Point, Reference, Series, View

BLANK = dict.fromkeys(strength_names())


def _row(member: str, protocol: str, misalignment: str, **strengths) -> dict:
    values = {"elo_gain": 10.0, "pgr": 0.1, "a_elo": 50.0}
    ends = {f"{k}_{end}": v for k, v in values.items() for end in ("lo", "hi")}
    about = dict(member=member, protocol=protocol, misalignment=misalignment, round=1, e_elo=100.0)
    return BLANK | values | ends | about | {"role": ""} | strengths


ROWS = [
    _row("never_ask", "never_ask", "random_move"),  # of a sweep: for all misalignments
    _row("one", "always_follow", "policy_noise", sigma=0.0),
    _row("two", "always_follow", "policy_noise", sigma=2.0),
]


@pytest.mark.parametrize("control_first", [True, False])
def test_pictures_name_the_misalignment_that_they_are_about(tmp_path, control_first):
    rows = ROWS if control_first else ROWS[::-1]
    drawn = pictures.draw_run(tmp_path, rows)
    assert [path.name for path in drawn] == ["pgr_against_sigma.png", "learning_curves.png"]
    source = [Source(tmp_path, rows=rows)]
    against, curves = charts.phase(cells.cells(source)), charts.learning(cells.rounds(source))
    assert against and curves
    (panel,) = figures.draw(against, against.views[0]).axes
    assert panel.get_xlabel().startswith("sigma, ") and panel.get_title() == "policy noise"
    (panel,) = figures.draw(curves, curves.views[0]).axes
    assert panel.get_title() == "policy noise: always follow"


def test_a_run_of_one_strength_has_no_curve_against_it(tmp_path):
    assert [p.name for p in pictures.draw_run(tmp_path, ROWS[:2])] == ["learning_curves.png"]


def test_nothing_is_drawn_of_nothing(tmp_path):
    assert not pictures.draw_run(tmp_path, [])
    assert not pictures.draw_evaluation(tmp_path, [])


def test_lines_that_lie_together_have_one_name_beside_them():
    ends = Point(0.0, 0.0), Point(1.0, 1.0)
    lines = (Reference("E", 0.0), Reference("W", 1.0), Reference("M", 0.01))
    panel = Panel("", (Series("one", ends, 0),), lines)
    chart = charts.chart("id", "title", "says", "x", [View("a", "a", (panel,))])
    assert chart
    (axes,) = figures.draw(chart, chart.views[0]).axes
    assert [text.get_text() for text in axes.texts] == ["E, M", "W"]


# --- several folders ----------------------------------------------------------------------------

LONG = "always follow, a folder of mine, rounds 2, games 64, updates 20, final openings 32"
CURVE = Point(0.0, 0.1), Point(1.0, 0.2)


def _drawn(*panels, title="title"):
    chart = charts.chart("id", title, "says", "x", [View("a", "a", panels)])
    assert chart
    figure = figures.draw(chart, chart.views[0])
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_long_names_stay_within_the_figure_and_their_panel(count):
    references = (Reference("W before training", 0.0),)
    names = [f"{LONG}, {i}" for i in range(4)] + ["x" * 255]
    series = tuple(Series(name, CURVE, i) for i, name in enumerate(names))
    title = "random move: " + LONG + " " + "y" * 90
    figure = _drawn(*[Panel(title, series, references)] * count, title=LONG * 3)
    (legend,) = figure.legends
    whole = figure.bbox
    told = [text.get_text() for text in legend.get_texts()]
    assert [text.replace("\n", " ") for text in told[:-1]] == names[:-1]
    assert told[-1].replace("\n", "") == names[-1]
    frames = [axes.title.get_window_extent() for axes in figure.axes if axes.axison]
    assert len(frames) == count
    for one in (*frames, legend.get_window_extent(), figure._suptitle.get_window_extent()):  # pyright: ignore
        assert whole.x0 <= one.x0 and one.x1 <= whole.x1
        assert whole.y0 <= one.y0 and one.y1 <= whole.y1
    assert not any(a.overlaps(b) for i, a in enumerate(frames) for b in frames[:i])
    for axes in figure.axes[:count]:
        assert axes.get_window_extent().height > 0.5 * 3.6 * figure.dpi
        assert not legend.get_window_extent().overlaps(axes.get_tightbbox())  # pyright: ignore


def _of_folders():
    """Three folders, of which the second alone has another misalignment as well."""
    found = []
    for source in ("one", "two", "three"):
        about = {"source": source}
        found += [_row(f"{p}", "always_follow", "random_move", p=p) | about for p in (0.0, 0.5)]
        found.append(_row("none", "never_ask", "random_move") | about)
    noisy = _row("noisy", "always_follow", "policy_noise", sigma=1.0)
    return [noisy | {"source": "two"}, *found]


def test_assistants_and_controls_of_several_folders_are_told_apart():
    chart = charts.phase(_of_folders())
    assert chart
    for view in chart.views[:2]:
        styles = {}
        for panel in view.panels:
            for series in panel.series:
                if series.style in ("assistant", "control"):
                    style = figures._style(series, 0)
                    assert styles.setdefault(series.name, style) == style
        assert {n for n in styles if n.startswith("A itself")} == {
            f"A itself, {source}" for source in ("one", "two", "three")
        }
        assert len(styles) == len(set(styles.values())) == 6


def test_a_wild_interval_does_not_stretch_the_axis_and_is_marked():
    wild = Series("wild", (Point(0.0, 0.3, -1.0, 20.0),), 0)
    tame = tuple(Series(f"{i}", (Point(0.0, 0.4, 0.3, 0.5),), i) for i in (1, 2))
    lines = (Reference("W", 0.0), Reference("E", 1.0))
    figure = _drawn(Panel("", (wild, *tame), lines))
    (axes,) = figure.axes
    low, high = axes.get_ylim()
    assert -0.2 < low < 0 and 1 < high < 1.2
    heads = [(line.get_marker(), *line.get_ydata()) for line in axes.get_lines()]  # pyright: ignore
    assert ("^", high) in heads and ("v", low) in heads
    assert [text.get_text() for text in axes.texts] == ["W", "E"]
    assert "interval goes on" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_intervals_that_are_commonly_wide_are_shown_whole():
    points = Point(0.0, -100.0, -300.0, 100.0), Point(1.0, -101.0, -290.0, 90.0)
    figure = _drawn(Panel("", (Series("one", points, 0),)))
    low, high = figure.axes[0].get_ylim()
    assert -330 < low < -300 and 100 < high < 130
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one"]
