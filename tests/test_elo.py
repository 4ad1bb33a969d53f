"""Known strengths are recovered; intervals cover; the gap is undefined when it should be."""

import numpy as np
import pytest

from sandwich_jax.measures import bradley_terry, elo, gap
from sandwich_jax.types import SettingError


def _points(rng, difference: float, openings: int, draws: float = 0.3) -> np.ndarray:
    """Points of a player who is `difference` Elo better, with a share of draws."""
    expected = 1 / (1 + 10 ** (-difference / 400))
    draw = draws * 2 * min(expected, 1 - expected)
    uniform = rng.random((openings, 2))
    win = expected - draw / 2
    return np.where(uniform < win, 1.0, np.where(uniform < win + draw, 0.5, 0.0))


def test_a_chain_of_players_is_recovered():
    rng, truth = np.random.default_rng(0), {"W": 0, "A": 120, "S": 260, "E": 500}
    names = list(truth)
    pairings = {
        (a, b): _points(rng, truth[a] - truth[b], 2000)
        for i, a in enumerate(names)
        for b in names[:i]
    }
    fitted = elo.fit(pairings, "W", resamples=100)
    for name in names[1:]:
        found = fitted.difference(name, "W")
        assert found.value == pytest.approx(truth[name], abs=25)
        assert found.low < found.value < found.high


def test_two_players_have_the_textbook_elo():
    """75% of 400 games, with half a point added on either side: 400 log10(300.5 / 100.5)."""
    points = np.asarray([[1.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]] * 50)
    assert points.mean() == 0.75
    fitted = elo.fit({("a", "b"): points}, "b", resamples=50)
    assert fitted.difference("a", "b").value == pytest.approx(
        400 * np.log10(300.5 / 100.5), abs=0.1
    )


def test_resamples_are_fitted_as_well_as_the_estimate():
    """Newton's method on the data themselves moves nothing that scipy's optimiser found."""
    rng = np.random.default_rng(2)
    pairings = {("a", "b"): _points(rng, 200, 50), ("b", "c"): _points(rng, -100, 80)}
    index = (np.asarray([0, 1]), np.asarray([1, 2]))
    points = [np.asarray(p) for p in pairings.values()]
    won, games = elo._weighted(points, np.ones((1, 80)))
    found = elo._maximum_likelihood(*index, won[0], games[0], 3)
    again = elo._newton(*index, won, games, np.zeros((1, 3)))
    np.testing.assert_allclose(again[0], found, atol=1e-4)


def test_intervals_cover_the_truth():
    covered = 0
    for seed in range(400):
        points = _points(np.random.default_rng(seed), 150, 150)
        found = elo.fit({("a", "b"): points}, "b", resamples=150, seed=seed).difference("a", "b")
        covered += found.low <= 150 <= found.high
    assert 365 <= covered <= 394  # 95% of 400 is 380, give or take 3.4 standard errors


def test_a_match_lost_in_full_has_a_finite_elo():
    fitted = elo.fit({("a", "b"): np.zeros((200, 2))}, "b", resamples=20)
    assert -1300 < fitted.difference("a", "b").value < -1000


def test_a_match_won_in_full_has_an_interval():
    """Without one defeat, how strong the winner is at most is not known."""
    won = {("E", "W"): np.ones((224, 2)), ("S", "W"): np.full((224, 2), 0.5)}
    gap = elo.fit(won, "W").difference("E", "W")
    assert gap.value == pytest.approx(400 * np.log10(448.5 / 0.5), abs=1)
    assert gap.low < 950 and gap.high > 1800
    assert elo.fit(won, "W").of("S").std() == 0  # a match without an end is as it was


def test_four_games_are_not_enough_to_have_recovered_a_gap():
    level, won = np.full((2, 2), 0.5), np.ones((2, 2))
    fit = elo.fit({("E", "W"): won, ("S", "W"): won, ("S", "E"): level}, "W")
    found = gap.recovered(fit, "S", "W", "E")
    assert found.value == pytest.approx(1, abs=0.02) and found.low < 0.9 and found.high > 1.1
    assert gap.verdict(found) == "undecided"


def test_shared_openings_make_differences_paired():
    """Two students that do the same on every opening differ by 0 exactly."""
    points = _points(np.random.default_rng(0), 100, 200)
    fitted = elo.fit({("s", "W"): points, ("t", "W"): points}, "W", resamples=50)
    difference = fitted.difference("s", "t")
    assert max(abs(difference.low), abs(difference.high)) < 0.5


def _three(student: float, expert: float, openings: int = 1500) -> elo.Fit:
    rng = np.random.default_rng(1)
    pairings = {
        ("E", "W"): _points(rng, expert, openings),
        ("S", "W"): _points(rng, student, openings),
        ("S", "E"): _points(rng, student - expert, openings),
    }
    return elo.fit(pairings, "W", resamples=100)


def test_half_of_the_gap():
    pgr = gap.recovered(_three(200, 400), "S", "W", "E")
    assert pgr is not None and pgr.low < 0.5 < pgr.high and pgr.high - pgr.low < 0.2


def test_no_gap_no_ratio():
    assert gap.recovered(_three(0, 0), "S", "W", "E") is None
    assert gap.recovered(_three(0, -200), "S", "W", "E") is None


WON = np.ones((4, 2))
BOTH = pytest.mark.parametrize("fit", [elo.fit, bradley_terry.fit])


@BOTH
@pytest.mark.parametrize(
    ("pairings", "anchor", "says"),
    [
        ({("a", "b"): WON, ("c", "d"): WON}, "a", "never met.*: a, b; c, d\\.$"),
        ({("a", "b"): WON, ("c", "d"): WON, ("e", "d"): WON}, "e", "never met.*: a, b; c, d, e"),
        ({("a", "b"): WON, ("b", "c"): WON[:0]}, "a", "never met.*: a, b; c\\.$"),
        ({("a", "b"): WON[:0]}, "a", "never met.*: a; b"),
        ({("a", "b"): WON}, "x", "anchor is 'x', but those who played are a, b"),
        ({}, "x", "anchor is 'x', but those who played are nobody"),
        ({("a", "a"): WON, ("b", "c"): WON}, "a", "never met.*: a; b, c"),
    ],
)
def test_what_has_no_one_scale_is_named(fit, pairings, anchor, says):
    with pytest.raises(SettingError, match=says) as error:
        fit(pairings, anchor)
    assert len(str(error.value).splitlines()) == 1


@BOTH
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_players_that_met_through_others_have_one_scale(fit, share):
    """All won, all drawn, all lost; d met a only through c and b."""
    points = np.full((4, 2), share)
    made = fit({("a", "b"): points, ("c", "d"): points, ("b", "c"): points}, "b", resamples=20)
    found = getattr(made, "fit", made)
    assert set(found.players) == set("abcd") and np.isfinite(found.elo).all()
