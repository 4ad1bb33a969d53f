"""Scores of opening pairs: the unit in which games of a match are independent.

The two games of an opening share its bias, so their points are correlated; the five sums that a
pair can have are not. Source: https://www.cantate.be/Fishtest ("pentanomial" statistics), as in
fishtest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from sandwich_jax.measures import shares
from sandwich_jax.measures.elo import Interval

PAIR_SCORES = np.asarray([0.0, 0.25, 0.5, 0.75, 1.0])
"""Points a game of the five kinds of pair."""


class Score(NamedTuple):
    """A match seen by its first player."""

    mean: float
    """Points a game, in [0, 1]."""
    error: float
    """Standard error of the mean, between pairs."""
    elo: Interval
    """Logistic Elo of the mean and its 95% interval."""
    los: float
    """Likelihood of superiority: that the true mean is above 1/2."""


def counts(points: Float[np.ndarray, "N 2"]) -> Int[np.ndarray, "5"]:
    """How many opening pairs brought 0, 0.5, 1, 1.5 and 2 points to the first player."""
    sums = np.rint(2 * np.asarray(points).sum(axis=1)).astype(int)
    return np.bincount(sums, minlength=5)


def regularised(counted: Int[np.ndarray, "5"]) -> Float[np.ndarray, "5"]:
    """Counts in which no kind is empty: what likelihoods and logarithms need (fishtest: 0.001)."""
    return np.maximum(np.asarray(counted, float), 1e-3)


def moments(counted: Float[np.ndarray, "5"]) -> tuple[float, float]:
    """Mean and variance of a pair's points a game."""
    share = np.asarray(counted, float) / np.sum(counted)
    mean = float(share @ PAIR_SCORES)
    return mean, float(share @ (PAIR_SCORES - mean) ** 2)


def score(points: Float[np.ndarray, "N 2"]) -> Score:
    """Mean, standard error and Elo of a match.

    The interval is the mean's (Wilson's, with the pairs' own variance in place of a coin's),
    carried to Elo by 400 log10(s / (1 - s)).

    Args:
        points: 1, 0.5 or 0 by opening and colour.
    """
    counted = regularised(counts(points))
    mean, variance = moments(counted)
    pairs = max(counted.sum(), 2.0)
    variance *= pairs / (pairs - 1)
    error = float(np.sqrt(variance / pairs))
    low, high = _wilson(mean, variance, pairs)
    los = float(stats.norm.cdf((mean - 0.5) / error))
    return Score(mean, error, Interval(*map(elo_of, (mean, low, high))), los)


def _wilson(mean: float, variance: float, pairs: float) -> tuple[float, float]:
    """95% interval for the mean, within (0, 1) also for a match lost in full.

    Wilson 1927 solves |m - s| = z sqrt(s (1 - s) / n); here n is the number of coin throws that
    would vary as much as the pairs do.
    """
    throws = pairs * max(mean * (1 - mean) / variance, 1.0)
    return shares.wilson_of(mean, throws)


def elo_of(mean: float) -> float:
    """Logistic Elo difference at which points a game of `mean` are expected."""
    return float(400 * np.log10(mean / (1 - mean)))


def score_of(elo: float) -> float:
    """Points a game that a logistic Elo difference lets expect."""
    return float(1 / (1 + 10 ** (-elo / 400)))
