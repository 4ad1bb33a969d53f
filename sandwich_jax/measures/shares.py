"""Shares of a count, with intervals, whole and by group."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats


class Share(NamedTuple):
    """Part of a whole, in [0, 1], and its 95% interval."""

    value: float
    low: float
    high: float
    count: int
    """The whole."""


def share(right: Bool[np.ndarray, "N"]) -> Share | None:
    """How many of N independent trials came out right (see `wilson`); None where there is none."""
    if not right.size:
        return None
    return Share(float(right.mean()), *wilson(int(right.sum()), int(right.size)))


def of_clusters(right: Float[np.ndarray, "N"], whole: Float[np.ndarray, "N"]) -> Share | None:
    """A share of trials that are independent between N clusters only, such as moves of games.

    The interval is Wilson's of as many independent trials as would vary as much (Kish 1965, "Survey
    sampling": the design effect, here at least 1).

    Args:
        right: how many trials of each cluster came out right.
        whole: how many it has.
    """
    count = int(whole.sum())
    if not count:
        return None
    found = ratio(right, whole)
    alike = found.value * (1 - found.value) / count
    if alike:
        trials = count / max(((found.high - found.value) / 1.96) ** 2 / alike, 1.0)
    else:  # all came out alike, and no more than clusters are known to be independent
        trials = float(np.count_nonzero(whole))
    return Share(found.value, *wilson_of(found.value, trials), count)


def wilson_of(share: float, trials: float) -> tuple[float, float]:
    """`wilson` of a share that varies as much as that of so many independent trials."""
    z = stats.norm.ppf(0.975)
    middle = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials)
    half *= np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2))
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def wilson(right: int, n: int) -> tuple[float, float, int]:
    """95% interval of a share and the n >= 1 it is of: E. B. Wilson 1927, "Probable inference"."""
    low, high = stats.binomtest(right, n).proportion_ci(method="wilson")
    return float(low), float(high), n


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean, or a ratio of sums, and its 95% interval by the normal approximation."""

    value: float
    low: float
    high: float


def mean(numbers: np.ndarray) -> Mean | None:
    """The mean of N numbers; None where there is none. Of a single one the interval is a point."""
    if not numbers.size:
        return None
    centre = float(numbers.mean())
    error = float(numbers.std(ddof=1) / np.sqrt(numbers.size)) if numbers.size > 1 else 0.0
    return Mean(centre, centre - 1.96 * error, centre + 1.96 * error)


def ratio(part: Float[np.ndarray, "N"], whole: Float[np.ndarray, "N"]) -> Mean:
    """The sum of N parts over the sum of their wholes, N clusters being independent.

    Its standard error is sqrt(sum_i (part_i - R whole_i)^2) / sum_i whole_i: Cochran, Sampling
    Techniques, 1977, chapter 6, without the correction for finite populations.

    Args:
        part: what counts of each cluster, such as pairs ordered rightly in a position.
        whole: all of the cluster, not all 0.
    """
    total = float(whole.sum())
    centre = float(part.sum()) / total
    error = float(np.sqrt(((part - centre * whole) ** 2).sum())) / total
    return Mean(centre, centre - 1.96 * error, centre + 1.96 * error)


def bands(numbers: np.ndarray, width: int = 200) -> list[tuple[str, Bool[np.ndarray, "N"]]]:
    """Groups of ratings "600-799" and who is in them, from the lowest that has any."""
    lowest = numbers // width * width
    return [(f"{low}-{low + width - 1}", lowest == low) for low in np.unique(lowest).tolist()]


class Spread(Protocol):
    """A figure and its interval."""

    @property
    def value(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


def columns(name: str, found: Spread | None) -> dict[str, float | None]:
    """A figure and its interval as columns `name`, `name_lo`, `name_hi`; None where undefined."""
    values = (found.value, found.low, found.high) if found else (None, None, None)
    return dict(zip((name, f"{name}_lo", f"{name}_hi"), values, strict=True))
