"""Strength by the textbooks: draws, colours, opening pairs, sequential tests, seeds."""

import numpy as np
import pytest

from sandwich_jax.measures import bradley_terry, elo, gap, pentanomial, seeds, simulate, sprt
from sandwich_jax.types import SettingError

COVERAGE = (0.93, 0.97)


def _davidson_coverage(matches, **settings):
    truth = {"elo": 100, "draws": 0.3, "white": 30}
    covered = dict.fromkeys(truth, 0)
    for seed in range(matches):
        fitted = bradley_terry.fit(
            {("a", "b"): simulate.match(seed, 100)}, "b", seed=seed, **settings
        )
        found = (fitted.fit.difference("a", "b"), fitted.draw_share(), fitted.white_advantage())
        for name, one in zip(truth, found, strict=True):
            covered[name] += one.low <= truth[name] <= one.high
    return {name: count / matches for name, count in covered.items()}


# --- Bradley-Terry with draws -------------------------------------------------------------------


def test_probabilities_by_hand():
    """nu = 1 makes a third of the games between equals draws."""
    assert bradley_terry.probabilities(0, 1 / 3) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    win, draw, loss = bradley_terry.probabilities(1e-3, 0.6)
    assert (win + draw / 2 - 0.5) / 1e-3 == pytest.approx(np.log(10) / 1600, rel=1e-6)
    assert win + draw + loss == pytest.approx(1)


@pytest.mark.parametrize("draws", [0.05, 0.3, 0.7])
def test_a_league_with_draws_is_recovered(draws):
    truth = {"W": 0, "A": 120, "S": 260, "E": 500}
    names = list(truth)
    pairings = {
        (a, b): simulate.match((i, j), truth[a] - truth[b], draws, 40, 2000)
        for i, a in enumerate(names)
        for j, b in enumerate(names[:i])
    }
    fitted = bradley_terry.fit(pairings, "W", resamples=100)
    for name in names[1:]:
        assert fitted.fit.difference(name, "W").value == pytest.approx(truth[name], abs=25)
    assert fitted.draw_share().value == pytest.approx(draws, abs=0.02)
    assert fitted.white_advantage().value == pytest.approx(40, abs=12)


def test_resamples_are_at_the_maximum():
    pairings = {
        ("a", "b"): simulate.match(0, 200, openings=50),
        ("b", "c"): simulate.match(1, -100, openings=80),
    }
    data = bradley_terry._data(pairings, ("a", "b", "c"), 2, 0)
    found = bradley_terry._maximum_likelihood(data.signs, data.outcomes[0])
    again = bradley_terry._newton(data, np.zeros((3, 4)))
    np.testing.assert_allclose(again[0], found, atol=1e-4)


def test_a_draw_is_half_a_win():
    """Davidson's model: equal points, equal strengths, however they came about."""
    decisive = np.asarray([[1.0, 0.0], [1.0, 1.0]] * 50)
    drawn = np.asarray([[0.5, 0.5], [1.0, 1.0]] * 50)
    one, two = (bradley_terry.fit({("a", "b"): p}, "b", 10) for p in (decisive, drawn))
    assert one.draw_share().value < 0.02 < 0.3 < two.draw_share().value
    for fitted, points in ((one, decisive), (two, drawn)):
        value, share = fitted.fit.difference("a", "b").value, fitted.draw_share().value
        white = fitted.white_advantage().value
        model = simulate.expected(value, share, white)
        # Half a point more to either side, as everywhere in this fit.
        won = points.sum() + 0.5
        assert model == pytest.approx(pentanomial.elo_of(won / 201), abs=0.5)


def test_the_anchor_stands_where_it_is_put():
    fitted = bradley_terry.fit({("a", "b"): simulate.match(0, 100)}, "b", 20, anchor_elo=1500)
    assert fitted.fit.of("b").tolist() == [1500] * 21
    assert 1550 < fitted.fit.of("a")[0] < 1650


def test_a_match_lost_in_full_is_finite():
    fitted = bradley_terry.fit({("a", "b"): np.zeros((200, 2))}, "b", 20)
    assert -1500 < fitted.fit.difference("a", "b").value < -800


def test_intervals_with_draws_cover_the_truth():
    covered = _davidson_coverage(250, resamples=200)
    assert all(0.91 <= share <= 0.985 for share in covered.values()), covered


@pytest.mark.slow
def test_intervals_with_draws_cover_the_truth_in_a_thousand_matches():
    covered = _davidson_coverage(1000)
    assert all(COVERAGE[0] <= share <= COVERAGE[1] for share in covered.values()), covered


# --- opening pairs ------------------------------------------------------------------------------


def test_pairs_are_counted():
    points = np.asarray([[0, 0], [0, 0.5], [0.5, 0], [0.5, 0.5], [1, 0], [1, 0.5], [1, 1]])
    assert pentanomial.counts(points).tolist() == [1, 2, 2, 1, 1]


def test_pairs_cancel_the_bias_of_an_opening():
    """White wins everything: every pair is 1-1, and a match of any length is level."""
    points = np.tile([1.0, 0.0], (100, 1))
    found = pentanomial.score(points)
    assert found.mean == pytest.approx(0.5) and found.error < 0.001
    assert found.elo.low < 0 < found.elo.high


@pytest.mark.parametrize(("difference", "draws", "openings"), [(100, 0.3, 200), (0, 0.6, 60)])
def test_intervals_of_pairs_cover_the_truth_in_a_thousand_matches(difference, draws, openings):
    truth = simulate.expected(difference, draws)
    found = [
        pentanomial.score(simulate.match(seed, difference, draws, openings=openings)).elo
        for seed in range(1000)
    ]
    share = np.mean([one.low <= truth <= one.high for one in found])
    assert COVERAGE[0] <= share <= COVERAGE[1]
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=3)


def test_intervals_of_pairs_cover_the_truth_from_biased_openings():
    """Between equals whose openings decide many games; independent games would vary more."""
    found = [
        pentanomial.score(simulate.match(seed, 0, bias=200, openings=60)) for seed in range(400)
    ]
    share = np.mean([one.elo.low <= 0 <= one.elo.high for one in found])
    assert 0.92 <= share <= 0.98


def test_a_match_won_in_full_has_an_interval():
    found = pentanomial.score(np.ones((200, 2)))
    assert 500 < found.elo.low < found.elo.value < found.elo.high < np.inf
    assert found.los > 0.999


# --- sequential test ----------------------------------------------------------------------------

FISHTEST = [
    ([10, 60, 200, 80, 15], 0, 5, 1.083408822980165),
    ([5, 30, 100, 55, 20], -10, 10, 7.170065549731841),
    ([0, 3, 40, 30, 27], 50, 150, 15.42933668199195),
    ([1, 2, 3, 0, 0], 0, 20, -0.35516867754902276),
]
"""Counts, hypotheses and the log-likelihood ratio that fishtest's LLRcalc.py gives for them."""


@pytest.mark.parametrize(("counted", "elo0", "elo1", "llr"), FISHTEST)
def test_the_ratio_is_fishtests(counted, elo0, elo1, llr):
    found = sprt.log_likelihood_ratio(np.asarray(counted), elo0, elo1)
    assert found == pytest.approx(llr, rel=1e-9)


def test_bounds_are_walds():
    low, high = sprt.Test(0, 10).bounds
    assert (low, high) == pytest.approx((-np.log(19), np.log(19)))
    assert sprt.state(sprt.Test(0, 10), np.zeros(5, int)).accepted is None


@pytest.mark.parametrize("settings", [(5, 0), (0, 5, 0.0), (0, 5, 0.05, 0.5)])
def test_hypotheses_that_make_no_test_are_refused(settings):
    with pytest.raises(SettingError):
        sprt.Test(*settings)


def _error_rates(matches):
    test = sprt.Test(0, 40)
    wrong = {0: "H1", 40: "H0"}
    return [
        np.mean([simulate.sequential(seed, test, truth)[0] == bad for seed in range(matches)])
        for truth, bad in wrong.items()
    ]


def test_error_rates_are_kept():
    """5% of 200 is 10, give or take 3 standard errors."""
    assert all(rate <= 0.097 for rate in _error_rates(200))


@pytest.mark.slow
def test_error_rates_are_kept_in_two_thousand_matches():
    """5%, and what chance adds to it (2 standard errors)."""
    assert all(0.02 <= rate <= 0.06 for rate in _error_rates(2000))


# --- seeds --------------------------------------------------------------------------------------


def _runs(seed, count, between=40.0, within=15.0):
    """Fits of a student 100 better than W, by seed; openings are shared."""
    rng = np.random.default_rng(seed)
    shared, resampled = rng.normal(0, within), rng.normal(0, within, 200)
    fits = []
    for _ in range(count):
        estimate = 100 + rng.normal(0, between) + shared
        rows = np.zeros((201, 2))
        rows[:, 1] = estimate + np.concatenate([[0.0], resampled])
        fits.append(elo.Fit(("W", "S"), rows))
    return fits


@pytest.mark.parametrize("count", [3, 5, 8])
def test_intervals_over_seeds_cover_the_truth(count):
    found = [seeds.over_seeds(_runs(s, count), s).difference("S", "W") for s in range(500)]
    assert 0.93 <= np.mean([one.low <= 100 <= one.high for one in found]) <= 0.99


def test_seeds_that_agree_leave_the_error_of_the_openings():
    fits = _runs(0, 4, between=0.0)
    alone, joint = fits[0].difference("S", "W"), seeds.over_seeds(fits).difference("S", "W")
    assert (joint.low, joint.high) == pytest.approx((alone.low, alone.high))


def test_one_seed_has_no_interval_over_seeds():
    with pytest.raises(SettingError, match="at least 2"):
        seeds.over_seeds(_runs(0, 1))
    with pytest.raises(SettingError, match="different players"):
        seeds.over_seeds([_runs(0, 1)[0], elo.Fit(("W", "T"), np.zeros((201, 2)))])


# --- performance gap recovered ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("student", "expert", "says"),
    [
        (400, 400, "recovered"),
        (100, 400, "not recovered"),
        (360, 400, "undecided"),
        (100, 0, "undefined"),
    ],
)
def test_the_verdict_is_that_of_the_interval(student, expert, says):
    pairings = {
        ("E", "W"): simulate.match(0, expert, openings=2000),
        ("S", "W"): simulate.match(1, student, openings=2000),
        ("S", "E"): simulate.match(2, student - expert, openings=2000),
    }
    fitted = bradley_terry.fit(pairings, "W", resamples=200).fit
    assert gap.verdict(gap.recovered(fitted, "S", "W", "E")) == says
