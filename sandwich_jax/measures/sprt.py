"""Generalised sequential probability ratio test on opening pairs, as fishtest runs it.

The likelihood ratio of "the Elo difference is elo1" to "it is elo0", all else of the pairs'
distribution being whatever fits best. Play until it leaves the bounds of Wald 1945.

Source: Van den Bergh, "A practical introduction to the GSPRT" and "Comments on normalized Elo",
https://www.cantate.be/Fishtest; Proposition 1.1 of support_MLE_multinomial.pdf there.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize

from sandwich_jax.measures import pentanomial
from sandwich_jax.types import SettingError


@dataclasses.dataclass(frozen=True)
class Test:
    """H0: the difference is `elo0` (or less); H1: it is `elo1` (or more); logistic Elo."""

    elo0: float
    elo1: float
    alpha: float = 0.05
    """Probability of accepting H1 where H0 holds."""
    beta: float = 0.05
    """Probability of accepting H0 where H1 holds."""

    def __post_init__(self) -> None:
        """Raises SettingError for hypotheses or error rates that make no test."""
        if not self.elo0 < self.elo1:
            raise SettingError(
                f"sprt is from {self.elo0:g} to {self.elo1:g} Elo: the first must be the smaller."
            )
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise SettingError("alpha and beta must be above 0 and below 0.5.")

    @property
    def bounds(self) -> tuple[float, float]:
        """Log-likelihood ratios at which H0 and H1 are accepted."""
        return (
            math.log(self.beta / (1 - self.alpha)),
            math.log((1 - self.beta) / self.alpha),
        )


class State(NamedTuple):
    """Where a test stands."""

    llr: float
    low: float
    high: float
    accepted: str | None
    """ "H0", "H1", or None: play on."""


def state(test: Test, counted: Int[np.ndarray, "5"]) -> State:
    """Where `test` stands after these pairs (see `pentanomial.counts`)."""
    low, high = test.bounds
    llr = log_likelihood_ratio(counted, test.elo0, test.elo1)
    accepted = "H0" if llr <= low else "H1" if llr >= high else None
    return State(llr, low, high, accepted)


def log_likelihood_ratio(counted: Int[np.ndarray, "5"], elo0: float, elo1: float) -> float:
    """Log-likelihood of the pairs at `elo1` less that at `elo0`; 0 where there are no pairs."""
    if not np.sum(counted):
        return 0.0
    weights = pentanomial.regularised(counted)
    share = weights / weights.sum()
    tilt = [_tilt(share, pentanomial.score_of(elo)) for elo in (elo0, elo1)]
    return float(weights @ np.log(tilt[0] / tilt[1]))


def _tilt(share: Float[np.ndarray, "5"], mean: float) -> Float[np.ndarray, "5"]:
    """What observed shares are divided by to give the likeliest distribution of this mean.

    That is 1 + x (a - mean) for pair scores a, with the x that makes the mean right.
    """
    distance = pentanomial.PAIR_SCORES - mean

    def excess(x: float) -> float:
        return float(np.sum(share * distance / (1 + x * distance)))

    ends = -1 / distance[-1], -1 / distance[0]
    margin = 1e-9 * (ends[1] - ends[0])
    return 1 + optimize.brentq(excess, ends[0] + margin, ends[1] - margin) * distance  # pyright: ignore
