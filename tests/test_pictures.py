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
