"""How far a network's value can be trusted: stated win probabilities against results."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from sandwich_jax.measures import elo

RESAMPLES = 400
"""Bootstrap resamples of games."""


class Calibration(NamedTuple):
    """How far stated win probabilities are from what came of them; lists go by bins with any."""

    ece: float
    """Expected calibration error: mean distance, weighted by positions (Naeini et al. 2015)."""
    ece_lo: float
    """Ends of 95% intervals, bootstrapped over games: positions of one share their result. An
    error of 0 would be measured as more, by chance; the interval does not know that."""
    ece_hi: float
    stated: list[float]
    """Mean win probability stated, in [0, 1]."""
    came: list[float]
    """Mean result there, a draw counting half."""
    came_lo: list[float]
    came_hi: list[float]
    count: list[int]


def reliability(
    value: Float[np.ndarray, "N"],
    result: Float[np.ndarray, "N"],
    game: Int[np.ndarray, "N"],
    bins: int = 10,
    seed: int = 0,
) -> Calibration | None:
    """Reliability of values against results, both for the mover in [-1, 1]; None without any.

    Args:
        value: stated.
        result: that came.
        game: in which games the positions stand.
        bins: of equal width.
        seed: of the bootstrap.
    """
    if not len(value):
        return None
    stated, came = (np.clip(value, -1, 1) + 1) / 2, (result + 1) / 2
    place = np.minimum((stated * bins).astype(int), bins - 1)
    kinds, index = np.unique(place, return_inverse=True)
    names, row = np.unique(game, return_inverse=True)
    sums = np.zeros((3, len(names), len(kinds)))
    for total, numbers in zip(sums, (np.ones(len(value)), stated, came), strict=True):
        np.add.at(total, (row, index), numbers)
    count, x, y = elo.opening_weights(len(names), RESAMPLES, seed) @ sums
    with np.errstate(invalid="ignore"):  # a resample may lack a bin
        x, y = x / count, y / count
    error = elo.interval(np.nansum(np.abs(x - y) * count, axis=1) / count.sum(axis=1))
    points = [elo.interval(some[~np.isnan(some)]) for some in y.T]
    return Calibration(
        ece=error.value,
        ece_lo=error.low,
        ece_hi=error.high,
        stated=x[0].tolist(),
        came=y[0].tolist(),
        came_lo=[point.low for point in points],
        came_hi=[point.high for point in points],
        count=count[0].astype(int).tolist(),
    )
