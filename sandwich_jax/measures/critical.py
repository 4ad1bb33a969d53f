"""Where a curve crosses a level: critical strengths of misalignment, and how much signal is needed.

Curves come as an estimate (row 0) and its resamples (the other rows), and so do crossings. A curve
that does not cross within what was measured has its crossing beyond that end: -inf or inf.

Crossings are of monotone curves: noise makes a curve dip below a level before it falls below it,
never after, so that the first dip of a shallow one lies too early. docs/measures.md has how often
intervals cover the truth.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from sandwich_jax.measures import seeds


class Crossing(NamedTuple):
    """A crossing and its 95% interval, in units of the curve's axis."""

    value: float
    low: float
    high: float
    first: float
    """The axis as far as it was measured."""
    last: float

    def __str__(self) -> str:
        """As "0.62 [0.55, >0.9]", or "0.62" where there was nothing to resample.

        Where the whole interval lies beyond an end: "0 or less", or "more than 0.9".
        """
        if np.isinf(self.value) and self.low == self.value == self.high:
            return f"more than {self.last:g}" if self.value > 0 else f"{self.first:g} or less"
        value, low, high = (self._end(x) for x in self[:3])
        return value if np.isnan(self.low) else f"{value} [{low}, {high}]"

    def _end(self, x: float) -> str:
        if np.isinf(x):
            return f">{self.last:g}" if x > 0 else f"<{self.first:g}"
        return f"{x:.0f}" if abs(x) >= 1000 else f"{x:.3g}"


def falls_below(
    axis: Float[np.ndarray, "N"], curves: Float[np.ndarray, "R N"], level: float
) -> Float[np.ndarray, "R"]:
    """Where each curve, made to fall, gets below `level`, straight between points; -inf at the
    first.

    Args:
        axis: ascending.
        curves: an estimate and its resamples, finite; see `falling`.
        level: in units of the curves.
    """
    curves = falling(curves)
    below = curves < level
    after = below.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(curves))
    high, low = curves[rows, before], curves[rows, after]
    drop = np.where(high > low, high - low, 1.0)
    crossing = axis[before] + (axis[after] - axis[before]) * (high - level) / drop
    crossing = np.where(below[:, 0], -np.inf, crossing)
    return np.where(below.any(axis=1), crossing, np.inf)


def rises_to(
    axis: Float[np.ndarray, "N"], curves: Float[np.ndarray, "R N"], level: float
) -> Float[np.ndarray, "R"]:
    """Where each curve, made to rise, reaches `level`; see `falls_below`."""
    below = np.nextafter(-level, np.inf)  # reaching the level is enough
    return falls_below(axis, -curves, below)


def falling(curves: Float[np.ndarray, "R N"]) -> Float[np.ndarray, "R N"]:
    """The curves that never rise and are closest to these, by least squares.

    Antitonic regression, min over a <= i of max over b >= i of mean(y_a ... y_b) (Barlow et al.
    1972, "Statistical inference under order restrictions").
    """
    count = curves.shape[1]
    sums = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(curves, axis=1)], axis=1)
    start, end = np.arange(count)[:, None], np.arange(count)[None, :]
    there = start <= end
    means = (sums[:, None, 1:] - sums[:, :-1, None]) / np.where(there, end - start + 1, 1)
    best = np.where(there, means, -np.inf)[:, :, ::-1]
    best = np.maximum.accumulate(best, axis=2)[:, :, ::-1]  # over ends from i on
    return np.where(there, best, np.inf).min(axis=1)


def crossing(samples: Float[np.ndarray, "R"], axis: Float[np.ndarray, "N"]) -> Crossing:
    """Estimate and percentile interval of crossings, some of them perhaps infinite."""
    ordered, count = np.sort(samples[1:]), len(samples) - 1
    if not count:
        low = high = float("nan")
    else:
        # Ranks as in `elo.interval`, but none is interpolated: an end may be infinite.
        low = ordered[max(int(0.025 * (count + 1)) - 1, 0)]
        high = ordered[min(int(np.ceil(0.975 * (count + 1))) - 1, count - 1)]
    ends = (float(axis[0]), float(axis[-1]))
    return Crossing(float(samples[0]), float(low), float(high), *ends)


def mean_over_seeds(
    curves: Float[np.ndarray, "S N"], resamples: int = 400, seed: int = 0
) -> Float[np.ndarray, "R N"]:
    """The mean curve and resamples of it, the seed being the unit; one row for a single seed.

    Deviations are widened by `seeds.widening`.
    """
    count = len(curves)
    centre = curves.mean(axis=0)
    if count < 2:
        return centre[None]
    drawn = np.random.default_rng(seed).integers(count, size=(resamples + 1, count))
    drawn[0] = np.arange(count)
    return centre + seeds.widening(count) * (curves[drawn].mean(axis=1) - centre)
