"""Crossings with known answers."""

import numpy as np
import pytest
from scipy import optimize

from sandwich_jax.measures import critical

AXIS = np.asarray([0.0, 0.25, 0.5, 1.0])


@pytest.mark.parametrize(
    ("curve", "level", "where"),
    [
        ([1.0, 1.0, 0.0, 0.0], 0.5, 0.375),
        ([1.0, 0.8, 0.6, 0.2], 0.5, 0.625),
        ([1.0, 0.5, 0.4, 0.0], 0.5, 0.25),
        ([1.0, 0.4, 0.9, 0.0], 0.5, 0.5 + 0.5 * 0.15 / 0.65),  # 0.4 and 0.9 both count as 0.65
        ([0.4, 1.0, 1.0, 1.0], 0.5, np.inf),
        ([0.4, 0.5, 0.3, 0.2], 0.5, -np.inf),
        ([1.0, 0.9, 0.8, 0.7], 0.5, np.inf),
        ([30.0, 10.0, -10.0, -20.0], 0.0, 0.375),
    ],
)
def test_a_curve_falls_below_a_level(curve, level, where):
    assert critical.falls_below(AXIS, np.asarray([curve]), level)[0] == pytest.approx(where)


@pytest.mark.parametrize(
    ("curve", "where"),
    [([0.0, 0.2, 0.6, 0.9], 0.4375), ([0.0, 0.5, 0.5, 0.5], 0.25), ([0.0, 0.1, 0.2, 0.3], np.inf)],
)
def test_a_curve_rises_to_a_level(curve, where):
    assert critical.rises_to(AXIS, np.asarray([curve]), 0.5)[0] == pytest.approx(where)


def test_a_line_with_known_noise_is_covered_as_often_as_said():
    """y = 1 - x plus noise of every resample and of every seed's estimate alike."""
    rng, axis, hits = np.random.default_rng(0), np.linspace(0, 1, 9), 0
    for _ in range(300):
        shift = rng.normal(0, 0.1)
        curves = 1 - axis + shift + np.concatenate([[0], rng.normal(0, 0.1, 400)])[:, None]
        found = critical.crossing(critical.falls_below(axis, curves, 0.5), axis)
        hits += found.low <= 0.5 <= found.high
    assert 0.90 < hits / 300 < 0.99


def test_a_falling_curve_is_the_one_of_scipy():
    curves = np.random.default_rng(0).normal(size=(50, 7))
    wanted = [optimize.isotonic_regression(curve, increasing=False).x for curve in curves]
    np.testing.assert_allclose(critical.falling(curves), wanted, atol=1e-12)


@pytest.mark.parametrize(("first", "last", "spread"), [(70, -10, 40), (0.15, -0.1, 0.1)])
def test_shallow_curves_of_three_seeds_are_covered_as_often_as_said(first, last, spread):
    rng, hits = np.random.default_rng(0), 0
    axis = np.asarray([0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0])
    truth = first / (first - last)
    for seed in range(200):
        curves = first + (last - first) * axis + rng.normal(0, spread, (3, len(axis)))
        drawn = critical.falls_below(axis, critical.mean_over_seeds(curves, seed=seed), 0.0)
        found = critical.crossing(drawn, axis)
        hits += found.low <= truth <= found.high
    assert hits / 200 > 0.9


def test_intervals_reach_beyond_what_was_measured():
    samples = np.asarray([0.5, *[0.4] * 50, *[np.inf] * 50])
    found = critical.crossing(samples, AXIS)
    assert found.low == 0.4 and found.high == np.inf and str(found) == "0.5 [0.4, >1]"
    for end, told in ((-np.inf, "0 or less"), (np.inf, "more than 1")):
        assert str(critical.crossing(np.asarray([end, end]), AXIS)) == told
    assert str(critical.crossing(np.asarray([-np.inf, -np.inf, 0.5]), AXIS)) == "<0 [<0, 0.5]"
    assert str(critical.crossing(np.asarray([0.25]), AXIS)) == "0.25"


def test_mean_over_seeds():
    curves = np.asarray([[0.0, 1.0], [0.0, 3.0], [0.0, 2.0]])
    found = critical.mean_over_seeds(curves)
    assert found.shape == (401, 2) and found[0].tolist() == [0.0, 2.0]
    assert (found[:, 0] == 0).all() and found[1:, 1].std() > 0.5
    assert critical.mean_over_seeds(curves[:1]).shape == (1, 2)
