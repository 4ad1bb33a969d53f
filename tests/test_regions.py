"""The page of regions: what it makes of rows."""

import pytest
from helpers import script


@pytest.fixture(scope="module")
def page():
    return script("regions_page")


def _row(p, pgr, seed=0, half=0.05, way="hears one answer"):
    about = {"misalignment": "random_move", "game": "connect_four", "way": way, "seed": seed}
    ends = {"pgr_lo": pgr - half, "pgr_hi": pgr + half}
    return about | ends | {"p": p, "pgr": pgr, "a_share": 1 - 2 * p}


@pytest.mark.parametrize(
    ("pgr", "says"), [(0.96, "works"), (0.94, "helps"), (0.02, "neither"), (-0.06, "harms")]
)
def test_a_region_is_where_the_whole_interval_lies(page, pgr, says):
    assert page._cell([_row(0.5, pgr)]).verdict == says


def test_over_seeds_the_interval_is_students(page):
    cell = page._cell([_row(0.5, pgr, seed) for seed, pgr in enumerate((0.4, 0.5, 0.6))])
    assert (cell.pgr, cell.seeds) == (pytest.approx(0.5), 3)
    assert cell.high - cell.pgr == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)


def test_borders_are_read_off_straight_lines(page):
    curves = page._curves([_row(p, 1 - p, half=1e-6) for p in (0.0, 0.5, 1.0)])
    table = page._borders(curves)
    assert "| Connect Four | hears one answer | 0.1 [0.1, 0.1] |" in table
    assert [cell.verdict for cell in curves[0].cells] == ["works", "helps", "neither"]


def test_curves_are_of_one_way_each(page):
    rows = [_row(p, 0.5, way=way) for way in ("hears one answer", "follows everything")
            for p in (0.5, 0.0)]  # fmt: skip
    curves = page._curves(rows)
    assert [curve.way for curve in curves] == ["follows everything", "hears one answer"]
    assert [cell.p for cell in curves[0].cells] == [0.0, 0.5]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_drawn(page, tmp_path, theme):
    page.draw(page._curves([_row(p, 1 - p) for p in (0.0, 0.5)]), theme, tmp_path / "x.png")
    assert (tmp_path / "x.png").stat().st_size > 10_000
